"""Tokens of programs. Without any in the settings the routes are open; with some, one of them must come along.

Tokens are compared in constant time and appear in no log and no answer.
"""

import hashlib
import hmac
from typing import Annotated

from fastapi import Depends, Header

from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.shared.errors import ServiceError


class TokenRequired(ServiceError):
    """A request for the image router came without a token of this server. HTTP 401."""


def is_known(token: str, known: list[str]) -> bool:
    """Whether `token` is one of them; takes as long for every token, right or wrong."""
    given = hashlib.sha256(token.encode()).digest()
    found = False
    for other in known:
        found |= hmac.compare_digest(given, hashlib.sha256(other.encode()).digest())
    return found


async def require_token(services: ServicesDep, authorization: Annotated[str | None, Header()] = None) -> None:
    """Return when the request may pass. Raises TokenRequired."""
    tokens = [token.get_secret_value() for token in services.config.api_tokens]
    if not tokens:
        return
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not is_known(token.strip(), tokens):
        raise TokenRequired("This server asks programs for a token: send it as `Authorization: Bearer <token>`.")


TokenDep = Depends(require_token)
