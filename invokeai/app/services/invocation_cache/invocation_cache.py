"""Results of nodes, kept in memory and given again for equal inputs; the least recently used go first.

Everything that makes a result is in its key: type, inputs, and whether it is an intermediate. Use it on the event loop.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import orjson
from pydantic import BaseModel, Field

IMAGE_NAME = re.compile(r'"image_name":"([^"]+)"')


class InvocationCacheStatus(BaseModel):
    """The cache at a glance."""

    size: int = Field(description="Results in the cache.")
    hits: int = Field(description="How often a result was found.")
    misses: int = Field(description="How often none was found.")
    enabled: bool = Field(description="Whether results are kept and given.")
    max_size: int = Field(description="Most results that are kept.")


def cache_key(node: dict[str, Any]) -> bytes:
    """The key of a node given as JSON, whatever its id."""
    inputs = {name: value for name, value in node.items() if name != "id"}
    return hashlib.blake2b(orjson.dumps(inputs, option=orjson.OPT_SORT_KEYS), digest_size=20).digest()


class InvocationCache:
    """The cache. Of size 0 it stays empty and off."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._enabled = max_size > 0
        self._results: OrderedDict[bytes, tuple[Any, frozenset[str]]] = OrderedDict()
        self._mentions: dict[str, set[bytes]] = {}
        self._hits = 0
        self._misses = 0

    def get(self, key: bytes) -> Any | None:
        """The result for `key`, or None."""
        if not self._enabled:
            return None
        found = self._results.get(key)
        if found is None:
            self._misses += 1
            return None
        self._hits += 1
        self._results.move_to_end(key)
        return found[0]

    def put(self, key: bytes, output: Any) -> None:
        """Keep a result."""
        if not self._enabled:
            return
        self._drop(key)
        names = frozenset(IMAGE_NAME.findall(output.model_dump_json()))
        self._results[key] = output, names
        for name in names:
            self._mentions.setdefault(name, set()).add(key)
        while len(self._results) > self._max_size:
            self._drop(next(iter(self._results)))

    def forget(self, image_names: Iterable[str]) -> None:
        """Drop results that mention a picture that is gone."""
        for name in image_names:
            for key in tuple(self._mentions.get(name, ())):
                self._drop(key)

    def _drop(self, key: bytes) -> None:
        _, names = self._results.pop(key, (None, frozenset[str]()))
        for name in names:
            self._mentions[name].discard(key)
            if not self._mentions[name]:
                del self._mentions[name]

    def clear(self) -> None:
        """Drop every result and start counting anew."""
        self._results.clear()
        self._mentions.clear()
        self._hits = self._misses = 0

    def enable(self) -> None:
        """Keep and give results from now on."""
        self._enabled = self._max_size > 0

    def disable(self) -> None:
        """Neither keep nor give results from now on."""
        self._enabled = False

    def status(self) -> InvocationCacheStatus:
        """The cache at a glance."""
        return InvocationCacheStatus(
            size=len(self._results),
            hits=self._hits,
            misses=self._misses,
            enabled=self._enabled,
            max_size=self._max_size,
        )
