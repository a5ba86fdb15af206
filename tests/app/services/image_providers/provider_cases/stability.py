from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.stability import StabilityImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.stability import StabilitySimulator

CASE = ProviderCase(
    provider=StabilityImageService,
    simulator=StabilitySimulator,
    cost_kind=CostKind.ESTIMATED,
    outpaint_models=("outpaint",),
    wordless_models=("erase",),
)
