"""What a provider plug-in may rely on: import from here, as node packs import from `invokeai.invocation_api`."""

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
)
from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageRequest, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import HttpImageProvider, base64_png, data_uri, nothing_empty
from invokeai.app.services.image_providers.image_model import ImageModel, PictureWork, ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.openai_wire import OpenAiWireProvider
from invokeai.app.services.image_providers.provider import ImageProvider, ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.receipts import Receipt

__all__ = [
    "Cost",
    "CostKind",
    "ExternalImageSize",
    "ExternalModelCapabilities",
    "ExternalModelPanelControl",
    "ExternalModelPanelSchema",
    "GeneratedImage",
    "HttpAnswer",
    "HttpCall",
    "HttpImageProvider",
    "ImageModel",
    "ImageProvider",
    "ImageRequest",
    "ImageResult",
    "JobImageProvider",
    "OpenAiWireProvider",
    "OutcomeUnknown",
    "PaidPictureLate",
    "PictureWork",
    "ProviderAuthError",
    "ProviderBadRequest",
    "ProviderCredentials",
    "ProviderError",
    "ProviderInfo",
    "ProviderQuotaExhausted",
    "ProviderRateLimited",
    "ProviderRefused",
    "ProviderUnavailable",
    "Receipt",
    "base64_png",
    "data_uri",
    "nothing_empty",
]
