"""A provider plug-in for this server: asks the benchmark's slow provider over HTTP, as the peer's OpenAI client does.

The benchmark copies this file into `<root>/providers/`; the address comes from `BENCH_PROVIDER_URL`.
"""

import base64
import os

import httpx

from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities
from invokeai.app.services.image_providers.generation import GeneratedImage, ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.receipts import Receipt

CONNECTIONS = int(os.environ.get("BENCH_PROVIDER_CONNECTIONS", "64"))


class SlowImageService(ImageProvider):
    """A few seconds a picture, any number at a time."""

    info = ProviderInfo(
        provider_id="slow",
        display_name="Slow",
        description="The benchmark's local service.",
        models=(
            ImageModel(
                model_id="slow",
                name="Slow",
                description="One picture after two seconds.",
                capabilities=ExternalModelCapabilities(modes=["txt2img"]),
            ),
        ),
        default_model="slow",
        is_paid=True,
        needs_key=False,
        max_concurrency=CONNECTIONS,
    )
    _client: httpx.AsyncClient | None = None

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """One call, one picture; the receipt is kept as for any paid service."""
        if self._client is None:
            limits = httpx.Limits(max_connections=CONNECTIONS)
            self._client = httpx.AsyncClient(base_url=os.environ["BENCH_PROVIDER_URL"], timeout=60, limits=limits)
        await receipt.sent()
        answer = await self._client.post("/v1/images/generations", json={"prompt": request.prompt, "n": 1})
        await receipt.answered(answer.content)
        picture = base64.b64decode(answer.raise_for_status().json()["data"][0]["b64_json"])
        return ImageResult(images=(GeneratedImage(picture),), provider_id="slow", model_id=model.model_id)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
