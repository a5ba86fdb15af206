"""From a batch to its items.

Runs repeat all, outer lists multiply (the last varies fastest), inner lists go in step.
"""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from invokeai.app.services.shared.errors import InvalidInput, TooLarge

if TYPE_CHECKING:
    from invokeai.app.services.session_queue.queue_models import Batch, BatchDatum

MAX_PARAMETER_BYTES = 1_500_000
"""Items are sent to the database in JSON texts of at most this size."""


def count_items(batch: Batch) -> int:
    """How many items the batch asks for."""
    return batch.runs * math.prod(len(group[0].items) for group in batch.data or [] if group)


def item_values(batch: Batch) -> Iterator[list[dict[str, Any]]]:
    """The values of each item, in the order of the items."""
    groups = [list(_in_step(group)) for group in batch.data or [] if group]
    for _ in range(batch.runs):
        for combination in itertools.product(*groups):
            yield [value for step in combination for value in step]


def new_items(batch: Batch, at_most: int) -> list[str]:
    """JSON texts, each a list of new items as `{s: session id, f: JSON text of the values}`.

    Raises:
        TooLarge: the values of one item do not fit into one text.
        InvalidInput: a value cannot be stored.
    """
    texts: list[str] = []
    current: list[bytes] = []
    size = 0
    for values in itertools.islice(item_values(batch), at_most):
        item = orjson.dumps({"s": str(uuid.uuid4()), "f": json_bytes("batch data", values).decode()})
        if len(item) > MAX_PARAMETER_BYTES:
            raise TooLarge(
                f"The batch values of one item have {len(item):,} bytes; at most {MAX_PARAMETER_BYTES:,} can be stored."
            )
        if size + len(item) > MAX_PARAMETER_BYTES:
            texts.append(_json_list(current))
            current, size = [], 0
        current.append(item)
        size += len(item) + 1
    texts.append(_json_list(current))
    return texts


def json_bytes(what: str, value: Any) -> bytes:
    """`value` as JSON.

    Raises:
        InvalidInput: it holds what JSON cannot carry or what is nested too deep; `what` names it.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise InvalidInput(f"The {what} cannot be stored as JSON: {error}.") from None


def _json_list(items: list[bytes]) -> str:
    return "[" + b",".join(items).decode() + "]"


def _in_step(group: list[BatchDatum]) -> Iterator[list[dict[str, Any]]]:
    for values in zip(*(datum.items for datum in group), strict=True):
        yield [
            {"node_path": datum.node_path, "field_name": datum.field_name, "value": value}
            for datum, value in zip(group, values, strict=True)
        ]
