"""JSON answers built by a service: plain values to bytes, without another pass through a model."""

import json
from typing import Any

import orjson
from starlette.responses import Response


class JsonAnswer(Response):
    """An answer whose content is plain JSON values."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The content as JSON bytes; what orjson refuses (halves of characters) goes out escaped."""
        try:
            return orjson.dumps(content)
        except TypeError:
            return json.dumps(content).encode()
