from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.openai import OpenAIImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.openai import OpenAISimulator

CASE = ProviderCase(provider=OpenAIImageService, simulator=OpenAISimulator, cost_kind=CostKind.COMPUTED)
