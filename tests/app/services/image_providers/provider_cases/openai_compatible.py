from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.openai_compatible import OpenAiCompatibleImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.openai_compatible import OpenAiCompatibleSimulator

CASE = ProviderCase(
    provider=OpenAiCompatibleImageService,
    simulator=OpenAiCompatibleSimulator,
    cost_kind=CostKind.UNKNOWN,
    serves_addresses=True,
    configured_models=("stable-diffusion", "team/flux"),
)
