from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.parasail import ParasailImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.parasail import ParasailSimulator

CASE = ProviderCase(
    provider=ParasailImageService,
    simulator=ParasailSimulator,
    cost_kind=CostKind.UNKNOWN,
    configured_models=("my-org/flux",),
)
