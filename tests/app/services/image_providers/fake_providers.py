"""Providers for tests: one that waits and counts, one that is paid and tells its receipt what it does."""

import asyncio
import io
from collections.abc import Callable
from typing import ClassVar

from PIL import Image

from invokeai.app.services.image_providers.capabilities import ExternalImageSize, ExternalModelCapabilities
from invokeai.app.services.image_providers.generation import (
    Cost,
    CostKind,
    GeneratedImage,
    ImageRequest,
    ImageResult,
)
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.provider import CredentialsSource, ImageProvider, ProviderCredentials
from invokeai.app.services.image_providers.receipts import Receipt

SLOW = ImageModel(
    model_id="plain",
    name="Slow Plain",
    description="One colour, after a while.",
    capabilities=ExternalModelCapabilities(
        modes=["txt2img", "img2img", "inpaint"],
        supports_seed=True,
        supports_negative_prompt=False,
        max_images_per_request=2,
        max_image_size=ExternalImageSize(width=2048, height=2048),
        mask_format="binary",
    ),
)


def png(width: int, height: int, colour: str = "red") -> bytes:
    """A picture as a provider would send it."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


class SlowImageService(ImageProvider):
    """Free; each call takes `seconds`, or until `release` is set. Counts calls and how many ran at once."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="slow",
        display_name="Slow",
        description="For tests.",
        models=(SLOW,),
        default_model="plain",
        priority=5,
        is_paid=False,
        needs_key=False,
        max_concurrency=3,
        options=frozenset({"quality"}),
    )

    def __init__(self, credentials: CredentialsSource = ProviderCredentials, seconds: float = 0.0) -> None:
        super().__init__(credentials)
        self.seconds = seconds
        self.hold: asyncio.Event | None = None
        self.calls: list[ImageRequest] = []
        self.running = self.most_at_once = self.cancelled = 0
        self.failures: list[Exception] = []

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        self.calls.append(request)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            if self.failures:
                raise self.failures.pop(0)
            await (self.hold.wait() if self.hold else asyncio.sleep(self.seconds))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        pictures = [GeneratedImage(png(request.width, request.height), request.seed) for _ in range(request.num_images)]
        return ImageResult(images=tuple(pictures), provider_id="slow", model_id=model.model_id, request_id="r-1")


class PaidImageService(ImageProvider):
    """Paid and needs a key. `script` is called where a real provider would talk to its server."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="paid",
        display_name="Paid",
        description="For tests.",
        models=(
            ImageModel(
                model_id="pro",
                name="Paid Pro",
                description="Costs money.",
                capabilities=ExternalModelCapabilities(supports_seed=True),
            ),
        ),
        default_model="pro",
        priority=1,
    )

    def __init__(self, credentials: CredentialsSource = ProviderCredentials) -> None:
        super().__init__(credentials)
        self.sent: list[str] = []
        self.asked: list[str] = []
        self.script: Callable[[], bytes] = lambda: b"red"
        self.before_sending: BaseException | None = None
        self.can_be_asked = False
        self.gate: asyncio.Event | None = None
        """Answers wait for it, where there is one."""

    def custom_model(self, model_id: str) -> ImageModel | None:
        if not model_id.startswith("my-"):
            return None
        return ImageModel(
            model_id=model_id, name=f"Paid {model_id}", description="", capabilities=ExternalModelCapabilities()
        )

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        if self.before_sending:
            raise self.before_sending
        await receipt.sent(provider_ref="job-7")
        self.sent.append(receipt.receipt_id)
        if self.gate:
            await self.gate.wait()
        raw = self.script()
        await receipt.answered(raw)
        return self._result(raw, model.model_id)

    async def resume(self, receipt: Receipt) -> ImageResult | None:
        self.asked.append(str(receipt.provider_ref))
        raw = await receipt.read_answer()
        if raw is None and self.can_be_asked:
            raw = b"blue"
        return self._result(raw, receipt.model_id) if raw else None

    def _result(self, raw: bytes, model_id: str) -> ImageResult:
        if not raw.isalpha():
            raise RuntimeError("the answer makes no sense")
        return ImageResult(
            images=(GeneratedImage(png(64, 64, raw.decode())),),
            provider_id=self.info.provider_id,
            model_id=model_id,
            cost=Cost("0.013", kind=CostKind.REPORTED),
        )
