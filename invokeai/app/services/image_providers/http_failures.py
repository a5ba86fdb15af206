"""How a provider behind HTTP says what went wrong: typed, in its own words, and never with the key in them."""

from __future__ import annotations

from typing import Any

from invokeai.app.services.image_providers.http_answer import HttpAnswer
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
)


class HttpFailures(ImageProvider):
    """The part of `HttpImageProvider` that words errors."""

    def without_key(self, text: str) -> str:
        """`text` with the key blotted out: providers like to quote it."""
        key = self._credentials().api_key
        return text.replace(key, "[key]") if key else text

    def unknown(self, why: str) -> OutcomeUnknown:
        """The request left, and what became of it cannot be told."""
        message = f"The request left for {self.info.display_name}, but {why}; it may have been billed."
        return OutcomeUnknown(message, provider_id=self.info.provider_id)

    def late(self, why: str, *, paid: bool = True) -> PaidPictureLate:
        """The picture is (`paid`: certainly) there or still made, and the provider can be asked for it later."""
        was, comes = ("was", "the picture comes") if paid else ("may have been", "what it has made comes")
        message = f"{self.info.display_name} {was} paid, but {why}; it is asked again, and {comes} by itself."
        return PaidPictureLate(message, provider_id=self.info.provider_id)

    def failure(
        self, answer: HttpAnswer, said: str, code: str | None = None, request_id: str | None = None
    ) -> ProviderError:
        """The typed error by status, in the provider's words: for what has no better rule.

        400 to 422: bad request; 401, 403: key; 402: money; 429: wait; the rest may have done work.
        """
        name = self.info.display_name
        words: dict[str, Any] = {"provider_code": code, "request_id": request_id, "provider_id": self.info.provider_id}
        message = f"{name}: {self.without_key(said)[:500] or f'status {answer.status}'}"
        if answer.status == 402:
            return ProviderQuotaExhausted(message, **words)
        if answer.status in (401, 403):
            return ProviderAuthError(f"{message} Check the key of {name}.", **words)
        if answer.status == 429:
            return ProviderRateLimited(message, retry_after=answer.retry_after, **words)
        if 400 <= answer.status < 500 and answer.status != 408:
            return ProviderBadRequest(message, **words)
        return OutcomeUnknown(f"{message} It may have been billed.", **words)
