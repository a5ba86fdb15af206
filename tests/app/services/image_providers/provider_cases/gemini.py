from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.gemini import GeminiImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.gemini import GeminiSimulator

CASE = ProviderCase(provider=GeminiImageService, simulator=GeminiSimulator, cost_kind=CostKind.COMPUTED)
