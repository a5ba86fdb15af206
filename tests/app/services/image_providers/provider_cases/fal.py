from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.fal import FalImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.fal import FalSimulator

CASE = ProviderCase(
    provider=FalImageService,
    simulator=FalSimulator,
    cost_kind=CostKind.ESTIMATED,
    serves_addresses=True,
    takes_back=True,
)
