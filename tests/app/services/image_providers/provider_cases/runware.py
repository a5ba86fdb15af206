from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.runware import RunwareImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.runware import RunwareSimulator

CASE = ProviderCase(
    provider=RunwareImageService,
    simulator=RunwareSimulator,
    cost_kind=CostKind.REPORTED,
    lost_answer_is_found=True,
    serves_addresses=True,
    sizes={"bytedance:seedream@4.5": (2048, 2048), "bytedance:seedream@5.0-lite": (2048, 2048)},
    extra_models=("civitai:101055@128078", "acme:next@1"),
)
