from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.providers.workers_ai import WorkersAiImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.workers_ai import WorkersAiSimulator

CASE = ProviderCase(
    provider=WorkersAiImageService,
    simulator=WorkersAiSimulator,
    cost_kind=CostKind.REPORTED,
    sizes={f"runwayml/stable-diffusion-v1-5-{kind}": (512, 512) for kind in ("img2img", "inpainting")},
)
