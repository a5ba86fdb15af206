"""Which output may be wired to which input: types of fields, compared as the editor compares them.

The check is kind: `Any` goes with everything, a union with each member, and the value is checked again when it
arrives. What it refuses could never work.
"""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Any

WIDENS: frozenset[tuple[Any, Any]] = frozenset({(int, float), (int, str), (float, str)})
"""Pairs of scalar types (from, to) that convert without asking."""


def field_type(model: type[Any], name: str) -> Any:
    """The annotation of a field of a node or output class; None when there is no such field."""
    if not model.__pydantic_complete__:
        model.model_rebuild(_types_namespace=None)
    info = model.__pydantic_fields__.get(name)
    return None if info is None else (Any if info.annotation is None else info.annotation)


def element_type(collection: Any) -> Any:
    """The type of the items of a collection type; Any when it does not say."""
    for member in _members(collection):
        if typing.get_origin(member) is list:
            return (typing.get_args(member) or (Any,))[0]
    return Any


def compatible(source: Any, target: Any) -> bool:
    """Whether a value of type `source` may go into a field of type `target`."""
    sources, targets = _members(source), _members(target)
    return any(_member_fits(a, b) for a in sources for b in targets)


def same_kind(first: Any, second: Any) -> bool:
    """Whether values of both types may lie in one collection: numbers with numbers, but no text among them."""
    if (str in _members(first)) != (str in _members(second)) and Any not in (first, second):
        return False
    return compatible(first, second) or compatible(second, first)


def _members(annotation: Any) -> list[Any]:
    """The members of a union without None; anything else as its only member."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [m for arg in typing.get_args(annotation) if arg is not type(None) for m in _members(arg)]
    if origin is typing.Literal:
        return list({type(value) for value in typing.get_args(annotation)})
    return [list[Any] if annotation is list else annotation]


def _member_fits(source: Any, target: Any) -> bool:
    if source is Any or target is Any or source == target or (source, target) in WIDENS:
        return True
    if isinstance(source, typing.TypeVar | str) or isinstance(target, typing.TypeVar | str):
        return True
    source_origin, target_origin = typing.get_origin(source), typing.get_origin(target)
    if source_origin is list and target_origin is list:
        return compatible(element_type(source), element_type(target))
    if source_origin or target_origin:
        return (source_origin or source) is (target_origin or target)
    return _class_fits(source, target)


def _class_fits(source: Any, target: Any) -> bool:
    if not (isinstance(source, type) and isinstance(target, type)):
        return False
    if bool in (source, target):
        return False  # a switch is no number
    if issubclass(source, Enum) or issubclass(target, Enum):
        return issubclass(source, target) or issubclass(target, source)
    return issubclass(source, target)
