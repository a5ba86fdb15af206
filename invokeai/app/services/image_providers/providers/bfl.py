"""Black Forest Labs: FLUX by jobs. The polling address is used as given, and only on their hosts with the key.

What a job costs is said when it is taken, in credits of a cent, and kept with the job's address. A status that is not
known means that the job still runs. Source of the format: docs.bfl.ai and Black Forest Labs' skills, November 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.bfl_bodies import body_of
from invokeai.app.services.image_providers.bfl_models import MODELS, BflModelConfig, price_of
from invokeai.app.services.image_providers.generation import Cost, CostKind, GeneratedImage, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import nothing_empty
from invokeai.app.services.image_providers.image_model import ProviderInfo
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.image_providers.picture_addresses import UnsafePicture, check_address
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
)

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.image_model import ImageModel
    from invokeai.app.services.image_providers.receipts import Receipt

REFUSED_AT = {"request moderated": "prompt", "content moderated": "output"}
FAILED = ("error", "failed", "task not found")
CREDITS_PER_DOLLAR = 100


class BflImageService(JobImageProvider):
    """`POST /v1/{model}`, then the polling address it answers with."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="bfl",
        display_name="Black Forest Labs",
        description="FLUX from its makers: FLUX 3, FLUX.2, Kontext, Fill and Expand.",
        models=MODELS,
        default_model="flux-3-image-klein",
        priority=55,
        max_concurrency=20,  # 24 tasks at once are allowed for an account
        options=frozenset({"safety_tolerance", "grounding", "raw"}),
    )
    default_base_url = "https://api.bfl.ai"
    api_hosts = ("bfl.ai",)
    result_hosts = ("bfl.ai",)

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return "Create a key at https://dashboard.bfl.ai and set BFL_API_KEY, or enter it in the model manager."

    def key_headers(self, key: str) -> dict[str, str]:
        """A header of their own."""
        return {"x-key": key}

    def custom_model(self, model_id: str) -> ImageModel | None:
        """Later models of FLUX.2 (`flux-2-…`); their prices are not known."""
        if not model_id.startswith("flux-2-") or "/" in model_id:
            return None
        like = next(model for model in MODELS if model.model_id == "flux-2-pro")
        return replace(like, model_id=model_id, name=model_id, first_megapixel=None)

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """By the size and the pictures given."""
        assert isinstance(model, BflModelConfig)
        price = price_of(model, request)
        return None if price is None else Cost(str(price * request.num_images), kind=CostKind.ESTIMATED)

    # --- the job ---------------------------------------------------------------------------------------------------

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """What the model's family takes."""
        assert isinstance(model, BflModelConfig)
        return HttpCall("POST", f"/v1/{model.model_id}", json=nothing_empty(body_of(request, model)))

    def job_of(self, answer: HttpAnswer) -> str:
        """JSON: the polling address and the credits, which no later answer tells."""
        values = _values(answer)
        address = values.get("polling_url")
        if not isinstance(address, str):
            raise self.unknown("its answer names no job")
        try:
            check_address(address, self.api_hosts, self.base_url())
        except UnsafePicture as error:
            raise self.unknown(f"it named an address for asking that is not its own ({error})") from None
        return json.dumps({"id": values.get("id"), "polling_url": address, "cost": values.get("cost")})

    def question_for(self, job: str) -> HttpCall:
        """The address as it was given."""
        return HttpCall("GET", str(json.loads(job)["polling_url"]))

    def is_done(self, answer: HttpAnswer) -> bool:
        """By `status`, whatever the HTTP status is."""
        values = _values(answer)
        status, request_id = str(values.get("status") or ""), str(values.get("id") or "") or None
        low = status.lower()
        words: dict[str, Any] = {
            "provider_id": self.info.provider_id,
            "provider_code": status,
            "request_id": request_id,
        }
        details = values.get("details")
        said = f" ({self.without_key(json.dumps(details))[:300]})" if details else ""
        if low in REFUSED_AT:
            raise ProviderRefused(f"Black Forest Labs: {status}{said}.", stage=REFUSED_AT[low], **words)
        if low in FAILED:
            raise OutcomeUnknown(f"Black Forest Labs: {status}{said}. It may have been billed.", **words)
        if not status and answer.status in (401, 403):
            raise self.failure_of(answer)
        if not status and answer.status >= 400:
            raise self.unknown(f"asking for the picture was answered with status {answer.status}")
        return low == "ready"

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """`result.sample` is an address that lives for minutes; the cost is what the job's start said."""
        values, job = _values(answer), json.loads(receipt.provider_ref or "{}")
        result = values.get("result")
        result = result if isinstance(result, dict) else {}
        if not isinstance(result.get("sample"), str):
            raise self.unknown("its answer has no picture in it")
        picture, seed = await self.fetch_picture(result["sample"]), result.get("seed")
        return ImageResult(
            images=(GeneratedImage(picture, seed=seed if isinstance(seed, int) else None),),
            provider_id=self.info.provider_id,
            model_id=receipt.model_id,
            cost=_cost(job.get("cost")),
            request_id=str(job.get("id") or "") or None,
        )

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """By status; the words are in `message` or `detail`, the time to wait in the body."""
        values = _values(answer)
        detail, code = values.get("detail"), str(values.get("error") or "") or None
        if isinstance(detail, list):
            parts = [part for part in detail if isinstance(part, dict)]
            detail = "; ".join(f"{'.'.join(map(str, p.get('loc') or []))}: {p.get('msg')}" for p in parts)
        said = str(values.get("message") or detail or code or "")
        error = self.failure(answer, said, code)
        hint = values.get("retry_after")
        if isinstance(error, ProviderRateLimited) and isinstance(hint, int | float):
            error.retry_after = max(0.0, float(hint))
        return error


def _values(answer: HttpAnswer) -> Mapping[str, Any]:
    values = answer.json()
    return values if isinstance(values, dict) else {}


def _cost(credits: object) -> Cost:
    try:
        amount = Decimal(str(credits)) / CREDITS_PER_DOLLAR
    except InvalidOperation:
        return Cost()
    return Cost(str(amount), kind=CostKind.REPORTED) if amount.is_finite() and amount > 0 else Cost()
