"""Any server that speaks OpenAI's picture endpoints: a base URL, a key where it wants one, its own models.

What its models can do is not known here, so nothing is promised: sizes are free, and the server itself says no.
Pictures are fetched from the server's own address or from hosts that the settings name, from nowhere else; with the
option `response_format: b64_json` they are in the answer, where the server can do that. Options are sent as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from invokeai.app.services.image_providers.capabilities import (
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
)
from invokeai.app.services.image_providers.http_answer import HttpCall
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.model_list import ListingProvider
from invokeai.app.services.image_providers.openai_wire import OpenAiWireProvider, picture_call
from invokeai.app.services.image_providers.picture_addresses import same_origin

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.receipts import Receipt

MOST_LISTED = 200
CAPABILITIES = ExternalModelCapabilities(
    modes=["txt2img", "img2img", "inpaint"],
    supports_reference_images=True,
    supports_negative_prompt=False,
    max_images_per_request=1,
    mask_format="alpha",
    input_image_required_for=["img2img", "inpaint"],
)
PANEL = ExternalModelPanelSchema(
    prompts=[ExternalModelPanelControl(name="reference_images")],
    image=[ExternalModelPanelControl(name="dimensions")],
)


class OpenAiCompatibleImageService(OpenAiWireProvider, ListingProvider):
    """A server of the user's choice."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="openai_compatible",
        display_name="OpenAI-compatible server",
        description="Any server with OpenAI's picture endpoints: a proxy, a relay, a machine of one's own.",
        models=(),
        default_model="",
        priority=90,
        needs_key=False,
        options=frozenset({"response_format", "quality", "background", "moderation", "style", "output_format"}),
        auto_options=frozenset({"quality", "background", "moderation"}),
    )
    default_base_url = ""

    def get_unavailability_reason(self) -> str | None:
        """The address is missing."""
        if not self._credentials().base_url:
            return f"No base URL is set for the {self.info.display_name}."
        return None

    def get_setup_instructions(self) -> str:
        """What is to be set, and what is taken from the server."""
        return (
            "Enter the server's base URL in the model manager (usually ending in /v1), and its key if it wants one "
            "(OPENAI_COMPATIBLE_API_KEY). Its models come from its /models or from the setting provider_models; a "
            "picture that it keeps on another host needs that host in provider_result_hosts, or the option "
            "response_format: b64_json in provider_options."
        )

    def base_url(self) -> str:
        """The address in force; one without a path gets OpenAI's."""
        url = super().base_url()
        return url if urlsplit(url).path else f"{url}/v1"

    # --- models ----------------------------------------------------------------------------------------------------

    def models(self) -> Sequence[ImageModel]:
        """Those of the settings; without any, those that the server named."""
        return [_model(name) for name in self._credentials().models or self.listed()]

    def named_in(self, answer: Any) -> tuple[str, ...]:
        """Those that make pictures, where the server says what makes them."""
        return picture_models(answer)

    def default_model(self) -> str:
        """The first."""
        return next((model.model_id for model in self.models()), "")

    def custom_model(self, model_id: str) -> ImageModel | None:
        """Any: the server knows."""
        return _model(model_id) if model_id else None

    async def refresh_models(self) -> None:
        """Ask `GET /models`, where the settings name none."""
        known = self._credentials()
        if known.base_url and not known.models:
            await super().refresh_models()

    # --- one picture -----------------------------------------------------------------------------------------------

    def check_result_address(self, url: str) -> None:
        """The server's own address counts, whatever its port."""
        if not same_origin(url, self.base_url()) or "@" in urlsplit(url).netloc:
            super().check_result_address(url)

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """Words alone go to `generations` as JSON; with pictures it is a form to `edits`."""
        values: dict[str, Any] = {
            "model": model.model_id,
            "prompt": request.prompt,
            "n": request.num_images,
            "size": f"{request.width}x{request.height}",
            **{name: value for name, value in request.options.items() if value is not None},
        }
        return picture_call(values, request)


def picture_models(answer: Any) -> tuple[str, ...]:
    """The ids in an answer of `GET /models`; only those that make pictures, where the server says what makes them."""
    items = answer.get("data") if isinstance(answer, dict) else answer
    found = items if isinstance(items, list) else []
    named = [item for item in found if isinstance(item, dict) and isinstance(item.get("id"), str)]
    fitting = [item for item in named if _makes(item) == "image"] if any(map(_makes, named)) else named
    return tuple(item["id"] for item in fitting)[:MOST_LISTED]


def _makes(item: Mapping[str, Any]) -> str:
    """What a listed model makes, in the words that servers have for it: `image`, something else, or empty."""
    inner = item.get("architecture") if isinstance(item.get("architecture"), dict) else {}
    outputs = item.get("output_modalities") or (inner or {}).get("output_modalities") or item.get("type") or ""
    kinds = [str(kind).lower() for kind in outputs] if isinstance(outputs, list) else [str(outputs).lower()]
    return "image" if any("image" in kind for kind in kinds) else "".join(kinds).replace("model", "")


@lru_cache(maxsize=512)
def _model(model_id: str) -> ImageModel:
    return ImageModel(
        model_id=model_id,
        name=model_id,
        description="Of the server whose base URL is set. What it can do, the server knows.",
        capabilities=CAPABILITIES,
        panel_schema=PANEL,
    )
