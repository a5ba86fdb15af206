from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.seedream import SeedreamImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.seedream import SeedreamSimulator

CASE = ProviderCase(
    provider=SeedreamImageService,
    simulator=SeedreamSimulator,
    cost_kind=CostKind.ESTIMATED,
    sizes={"seedream-5-0-260128": (1920, 1920), "seedream-4-5-251128": (1920, 1920)},
    options={"watermark": False, "optimize_prompt": False},  # as the node sends them
)
