"""Errors in the shape of OpenAI's API, so that its clients raise what their users expect."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from invokeai.app.api.api_tokens import TokenRequired
from invokeai.app.api.json_answer import JsonAnswer
from invokeai.app.api.provider_answers import error_facts, retry_headers, status_of
from invokeai.app.services.image_providers import provider_errors
from invokeai.app.services.image_providers.provider_errors import ProviderError
from invokeai.app.services.shared import errors
from invokeai.app.services.shared.database.base import DatabaseError, DatabaseUnavailable

INVALID = "invalid_request_error"
Answer = tuple[int, str, str | None]

PROVIDER_ANSWERS: dict[type[ProviderError], Answer] = {
    provider_errors.ProviderRefused: (400, "image_generation_user_error", "moderation_blocked"),
    provider_errors.ProviderBadRequest: (400, INVALID, None),
    provider_errors.ProviderRateLimited: (429, "requests", "rate_limit_exceeded"),
    provider_errors.ProviderQuotaExhausted: (429, "insufficient_quota", "insufficient_quota"),
    provider_errors.SpendCapReached: (402, "insufficient_quota", "spend_cap_reached"),
    provider_errors.OutcomeUnknown: (502, "server_error", "outcome_unknown"),
}
SERVICE_ANSWERS: dict[type[Exception], Answer] = {
    TokenRequired: (401, INVALID, "invalid_api_key"),
    errors.NotFound: (404, INVALID, "model_not_found"),
    errors.Conflict: (409, INVALID, "idempotency_key_used"),
    errors.TooLarge: (413, INVALID, None),
    errors.UnsupportedMedia: (400, INVALID, "invalid_image"),
    errors.Unavailable: (503, "server_error", None),
    DatabaseUnavailable: (503, "server_error", None),
}


class FaultyParameter(errors.InvalidInput):
    """A parameter of a request to OpenAI's routes cannot be done here; `param` is its name."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


class OpenAIRoute(APIRoute):
    """A route whose errors look like OpenAI's: `{"error": {"message", "type", "param", "code"}}`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with its errors answered."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                fault = error.errors()[0]
                param = ".".join(str(part) for part in fault["loc"][1:]) or None
                return _answer(f"{param or 'The request'}: {fault['msg']}", (400, INVALID, None), param)
            except HTTPException as error:
                return _answer(str(error.detail), (error.status_code, INVALID, None))
            except (errors.ServiceError, DatabaseUnavailable) as error:
                return answer_to(error)

        return answered


def answer_to(error: errors.ServiceError | DatabaseError) -> JsonAnswer:
    """What OpenAI would answer."""
    if not isinstance(error, ProviderError):
        kinds = (answer for kind, answer in SERVICE_ANSWERS.items() if isinstance(error, kind))
        return _answer(str(error), next(kinds, (400, INVALID, None)), getattr(error, "param", None))
    kinds = (answer for kind, answer in PROVIDER_ANSWERS.items() if isinstance(error, kind))
    answer = next(kinds, (status_of(error), "server_error", error.provider_code))
    return _answer(str(error), answer, None, error_facts(error), retry_headers(error))


def _answer(
    message: str,
    answer: Answer,
    param: str | None = None,
    facts: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> JsonAnswer:
    status, kind, code = answer
    error = {**(facts or {}), "message": message, "type": kind, "param": param, "code": code}
    return JsonAnswer({"error": error}, status, headers=headers or {"x-should-retry": "false"})
