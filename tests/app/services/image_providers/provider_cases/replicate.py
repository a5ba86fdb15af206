from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.replicate import ReplicateImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.replicate import ReplicateSimulator

CASE = ProviderCase(
    provider=ReplicateImageService,
    simulator=ReplicateSimulator,
    cost_kind=CostKind.ESTIMATED,
    lost_answer_is_found=True,
    serves_addresses=True,
    takes_back=True,
)
