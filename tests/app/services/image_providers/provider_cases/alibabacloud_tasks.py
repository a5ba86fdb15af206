from dataclasses import dataclass

from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.provider_errors import ProviderUnavailable
from invokeai.app.services.image_providers.providers.alibabacloud import AlibabaCloudImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.alibabacloud import AlibabaCloudSimulator

MODEL = "wan2.2-t2i-flash"


@dataclass(frozen=True, kw_only=True)
class TasksCase(ProviderCase):
    """DashScope's older models, which are tasks."""

    def models(self) -> list[ImageModel]:
        return [model for model in super().models() if model.model_id == MODEL]

    def default_model(self) -> str:
        return MODEL


CASE = TasksCase(
    provider=AlibabaCloudImageService,
    simulator=AlibabaCloudSimulator,
    cost_kind=CostKind.ESTIMATED,
    serves_addresses=True,
    server_error=ProviderUnavailable,
    transport="tasks",
)
