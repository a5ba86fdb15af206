"""Pages of records as the HTTP API answers them, and the direction of an order."""

from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

T = TypeVar("T")


class SQLiteDirection(StrEnum):
    """Direction of an order."""

    Ascending = "ASC"
    Descending = "DESC"


class OffsetPaginatedResults(BaseModel, Generic[T]):
    """A slice by offset; `total` counts the whole list."""

    limit: int
    offset: int
    total: int
    items: list[T]


class PaginatedResults(BaseModel, Generic[T]):
    """A numbered page, from 0; `total` counts the whole list and `pages` its pages."""

    page: int
    pages: int
    per_page: int
    total: int
    items: list[T]
