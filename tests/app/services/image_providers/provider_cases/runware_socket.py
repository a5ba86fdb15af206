from dataclasses import dataclass

from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.providers.runware import RunwareImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.runware_socket import RunwareSocketSimulator

MODELS = ("rundiffusion:130@100", "runware:101@1", "runware:504@1")


@dataclass(frozen=True, kw_only=True)
class SocketCase(ProviderCase):
    """Runware where the settings have the address of its WebSocket. Of its models, one of each kind of task."""

    def credentials(self, key: str, base_url: str) -> ProviderCredentials:
        """What is in force in front of a simulator."""
        return ProviderCredentials(key, base_url.replace("http://", "ws://", 1))

    def models(self) -> list[ImageModel]:
        """The transport is asked about, not the models."""
        return [model for model in super().models() if model.model_id in MODELS]


CASE = SocketCase(
    provider=RunwareImageService,
    simulator=RunwareSocketSimulator,
    cost_kind=CostKind.REPORTED,
    lost_answer_is_found=True,
    serves_addresses=True,
    transport="socket",
    hints_waits=False,
)
