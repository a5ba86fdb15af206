"""Lists travel to the database as one JSON parameter, read there with `json_each(?)`."""

from collections.abc import Sequence

import orjson


def json_list(values: Sequence[str]) -> str:
    """`values` as JSON text."""
    return orjson.dumps(list(values)).decode()
