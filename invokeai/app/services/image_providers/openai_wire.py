"""OpenAI's image wire format, which many services speak: answers and errors.

Source of the format: the openai 3.52 package and OpenAI's published OpenAPI document. A refusal is told from a wrong
request by its code, and an empty purse from a busy server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from invokeai.app.services.image_providers.generation import Cost, GeneratedImage, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import HttpImageProvider, png_bytes
from invokeai.app.services.image_providers.provider_errors import (
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRefused,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.receipts import Receipt

REFUSALS = ("moderation_blocked", "content_policy_violation", "safety", "sensitivecontent")
NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached")


class OpenAiWireProvider(HttpImageProvider):
    """A service that answers as OpenAI's image endpoints do."""

    def cost_of(self, answer: Mapping[str, Any], model_id: str) -> Cost:
        """What the answer cost; unknown unless a service says more."""
        return Cost()

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """Pictures from `data[].b64_json` or `data[].url`."""
        return await self.result_in(await asyncio.to_thread(answer.json), answer, receipt)

    async def result_in(self, values: Any, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """The same from the answer's JSON, however it came.

        Raises:
            ProviderError: there are none in it.
        """
        items = values.get("data") if isinstance(values, dict) else None
        if not isinstance(items, list):
            raise self.failure_of(answer) if error_in(values) else self._damaged()
        pictures, faults = [], []
        for item in (item for item in items if isinstance(item, dict)):
            if isinstance(item.get("b64_json"), str):
                pictures.append(await self.picture_in(item["b64_json"]))
            elif isinstance(item.get("url"), str):
                pictures.append(await self.fetch_picture(item["url"]))
            else:
                faults.append(item.get("error") or {})
        if not pictures and not faults and error_in(values):
            raise self.failure_of(answer)
        if not pictures:
            raise self._nothing_in(answer, faults)
        used = str(values.get("model") or receipt.model_id)
        notes = [f"{len(faults)} of the pictures failed: {self._words(faults[0])}"] if faults else []
        if used != receipt.model_id:
            notes.append(f"{self.info.display_name} used {used}.")
        return ImageResult(
            images=tuple(GeneratedImage(picture) for picture in pictures),
            provider_id=self.info.provider_id,
            model_id=used,
            cost=self.cost_of(values, receipt.model_id),
            request_id=answer.headers.get("x-request-id"),
            note=" ".join(notes) or None,
        )

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By `error.code` and `error.type`, then by status."""
        error = error_in(answer.json()) or {"message": ""}
        named = [str(error.get(name) or "") for name in ("code", "type")]
        code = next((text for text in named if text and not text.isdigit()), None)
        said, request_id = self._words(error), answer.headers.get("x-request-id")
        words = {"provider_code": code, "request_id": request_id}
        name, low = self.info.display_name, (code or "").lower()
        if any(part in low for part in REFUSALS):
            stage = "output" if "output" in low else "input_image" if "image" in low else "prompt"
            return ProviderRefused(f"{name}: {said}", stage=stage, provider_id=self.info.provider_id, **words)
        if low in NO_MONEY:
            return ProviderQuotaExhausted(f"{name}: {said}", provider_id=self.info.provider_id, **words)
        return self.failure(answer, said, code, request_id)

    def _nothing_in(self, answer: HttpAnswer, faults: list[dict[str, Any]]) -> ProviderError:
        """A whole answer without a picture: what its items say, else nobody can tell."""
        if not faults or not faults[0]:
            return self._damaged()
        refused = self.failure_of(HttpAnswer(200, answer.headers, json.dumps({"error": faults[0]}).encode()))
        return refused if isinstance(refused, ProviderRefused) else self.unknown(self._words(faults[0]))

    def _damaged(self) -> ProviderError:
        return self.unknown("its answer has no picture in it")

    def _words(self, error: Mapping[str, Any]) -> str:
        return self.without_key(str(error.get("message") or error.get("code") or "no reason given"))[:500]


def error_in(values: Any) -> dict[str, Any] | None:
    """The error in a JSON answer, in one of the shapes that servers have for it: OpenAI's, vLLM's, FastAPI's."""
    if not isinstance(values, dict):
        return None
    error = values.get("error")
    if isinstance(error, dict):
        return error
    if error or values.get("detail"):
        return {"message": str(error or values["detail"])}
    return values if values.get("object") == "error" else None


def picture_call(values: Mapping[str, Any], request: ImageRequest) -> HttpCall:
    """Words alone go to `generations` as JSON; with pictures it is a form to `edits`. Slow: draws PNG files."""
    pictures = request.input_pictures
    if not pictures:
        return HttpCall("POST", "/images/generations", json=values)
    name = "image" if len(pictures) == 1 else "image[]"
    files = [(name, f"{n}.png", png_bytes(picture), "image/png") for n, picture in enumerate(pictures)]
    if request.mask_image is not None:
        files.append(("mask", "mask.png", alpha_mask(request.mask_image, pictures[0]), "image/png"))
    form = {name: str(value) for name, value in values.items()}
    return HttpCall("POST", "/images/edits", form=form, files=tuple(files))


def alpha_mask(mask: Image, picture: Image) -> bytes:
    """Our mask (black is made anew) as theirs (transparent is made anew), as large as the picture."""
    from PIL import Image as Pillow

    made = Pillow.new("RGBA", picture.size, (0, 0, 0, 0))
    made.putalpha(mask.convert("L").resize(picture.size))
    return png_bytes(made)
