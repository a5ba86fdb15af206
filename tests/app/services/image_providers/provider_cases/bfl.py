from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.bfl import BflImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.bfl import BflSimulator

CASE = ProviderCase(
    provider=BflImageService,
    simulator=BflSimulator,
    cost_kind=CostKind.REPORTED,
    serves_addresses=True,
    sizes={"flux-pro-1.1-ultra": (2048, 2048)},
    outpaint_models=("flux-pro-1.0-expand",),
)
