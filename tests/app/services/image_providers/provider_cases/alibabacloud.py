from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.provider_errors import ProviderUnavailable
from invokeai.app.services.image_providers.providers.alibabacloud import AlibabaCloudImageService
from tests.app.services.image_providers.provider_cases import ProviderCase
from tests.simulators.alibabacloud import AlibabaCloudSimulator

CASE = ProviderCase(
    provider=AlibabaCloudImageService,
    simulator=AlibabaCloudSimulator,
    cost_kind=CostKind.ESTIMATED,
    serves_addresses=True,
    server_error=ProviderUnavailable,  # only pictures that were made are billed, and the error says there are none
)
