"""D1's limits, checked before a statement is sent, on every engine: what runs on SQLite runs on D1."""

from invokeai.app.services.shared.database.base import (
    MAX_PARAMETERS,
    MAX_VALUE_BYTES,
    DatabaseRejected,
    SqlValue,
    Statement,
)

MAX_EXACT_INTEGER = 2**53
"""D1 carries numbers as JSON doubles; integers beyond this travel as text."""


def checked(statement: Statement) -> Statement:
    """The statement, when it is within the limits.

    Raises:
        DatabaseRejected: too many parameters, or a value too large.
    """
    if len(statement.params) > MAX_PARAMETERS:
        raise DatabaseRejected(
            f"A statement has {len(statement.params)} parameters, over the limit of {MAX_PARAMETERS}."
        )
    for value in statement.params:
        if isinstance(value, str | bytes) and len(value) * 4 > MAX_VALUE_BYTES:
            size = _size(value)
            if size > MAX_VALUE_BYTES:
                raise DatabaseRejected(f"A value may have {MAX_VALUE_BYTES:,} bytes, this one has {size:,}.")
        elif isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER:
            raise DatabaseRejected(f"The number {value} is over 2^53; store it as text.")
    return statement


def _size(value: SqlValue) -> int:
    return (
        len(value.encode("utf-8", "replace"))
        if isinstance(value, str)
        else len(value)
        if isinstance(value, bytes)
        else 8
    )
