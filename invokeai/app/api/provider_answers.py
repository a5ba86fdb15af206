"""How a failed provider call is answered: a status that says what to do, and everything the provider said.

A request that may have been billed is never marked as one to send again.
"""

import math
from typing import Any

from fastapi import Request

from invokeai.app.api.json_answer import JsonAnswer
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
    SpendCapReached,
)

STATUS_OF_PROVIDER_ERROR: dict[type[ProviderError], int] = {
    ProviderBadRequest: 422,
    ProviderRefused: 422,
    ProviderRateLimited: 429,
    ProviderQuotaExhausted: 402,
    SpendCapReached: 402,
    ProviderAuthError: 503,
    ProviderUnavailable: 503,
    OutcomeUnknown: 502,
}


def status_of(error: ProviderError) -> int:
    """The status of the direct routes."""
    return next((status for kind, status in STATUS_OF_PROVIDER_ERROR.items() if isinstance(error, kind)), 503)


def error_facts(error: ProviderError) -> dict[str, Any]:
    """Provider, model, and the provider's own code and request id; `retryable` where sending again costs nothing."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "provider": error.provider_id or None,
        "model": error.model_id,
        "provider_code": error.provider_code,
        "request_id": error.request_id,
        "stage": getattr(error, "stage", None),
        "may_be_billed": error.may_be_billed,
        "retry_after": getattr(error, "retry_after", None),
    }


def retry_headers(error: ProviderError) -> dict[str, str]:
    """When to try again; `x-should-retry` keeps OpenAI's clients from repeating what waiting does not mend."""
    seconds = getattr(error, "retry_after", None)
    headers = {"x-should-retry": "true" if isinstance(error, ProviderRateLimited) else "false"}
    if seconds is not None:
        headers["retry-after"] = str(max(1, math.ceil(seconds)))
    return headers


async def answer_provider_error(_: Request, error: Exception) -> JsonAnswer:
    """`detail` as everywhere, and `error` with the facts."""
    assert isinstance(error, ProviderError)
    body = {"detail": str(error), "error": error_facts(error)}
    return JsonAnswer(body, status_of(error), headers=retry_headers(error))
