"""The pictures that an answer names or holds: fetched with care, or decoded, and taken over within bounds.

They are fetched without the key, from the provider's own hosts and those that the settings add.
"""

from __future__ import annotations

import asyncio
import binascii
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urljoin

from invokeai.app.services.image_providers.http_answer import AnswerLost
from invokeai.app.services.image_providers.http_failures import HttpFailures
from invokeai.app.services.image_providers.picture_addresses import (
    MAX_PICTURE_BYTES,
    PIXELS_AT_ONCE,
    ForeignHost,
    UnsafePicture,
    check_address,
    check_picture,
    most_bytes,
    same_origin,
)
from invokeai.app.services.image_providers.picture_places import WaitingBytes, take_place

if TYPE_CHECKING:
    import httpx

LARGE_BYTES = most_bytes(PIXELS_AT_ONCE)
MAX_REDIRECTS = 3
FETCH_TRIES = 4


class ResultPictures(HttpFailures):
    """The part of `HttpImageProvider` that takes pictures over."""

    result_hosts: ClassVar[tuple[str, ...]] = ()
    """Host names below which the provider keeps results."""
    pause_seconds: ClassVar[float] = 1.0
    """Before something free is asked again."""

    @abstractmethod
    def base_url(self) -> str:
        """The address in force."""

    @abstractmethod
    def _client(self, network: str) -> httpx.AsyncClient:
        """The connections to `api`, or to the public network alone."""

    async def fetch_picture(self, url: str) -> bytes:
        """A result file, without the key: only from the provider's hosts, capped in bytes and pixels; tried again.

        Raises:
            PaidPictureLate: it could not be fetched now, or from that host; the receipt keeps its address.
            OutcomeUnknown: it was paid for and is nothing that may be taken over.
        """
        for attempt in range(FETCH_TRIES):
            try:
                return await self._fetch(url)
            except AnswerLost:
                await asyncio.sleep(self.pause_seconds * attempt)
            except ForeignHost as error:
                raise self.late(f"its picture was not taken over: {error}") from None
            except UnsafePicture as error:
                raise self.unknown(f"its picture was not taken over: {error}") from None
        raise self.late("the picture could not be fetched")

    def check_result_address(self, url: str) -> None:
        """Return when a picture may be fetched from there: the provider's hosts, and those that the settings add.

        Raises:
            UnsafePicture: it may not.
        """
        check_address(url, (*self.result_hosts, *self._credentials().result_hosts), self.base_url())

    async def _fetch(self, url: str) -> bytes:
        import httpx

        for _ in range(MAX_REDIRECTS + 1):
            self.check_result_address(url)
            # what keeps results itself is reached as the base URL is; everything else must be public
            network = "api" if same_origin(url, self.base_url()) else "results"
            try:
                async with self._client(network).stream("GET", url) as answer:
                    if answer.is_redirect:
                        url = urljoin(url, answer.headers.get("location", ""))
                        continue
                    if answer.status_code != 200:
                        raise AnswerLost(f"status {answer.status_code}")
                    await take_place()
                    body = await body_up_to(MAX_PICTURE_BYTES, answer)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise AnswerLost(type(error).__name__) from None
            await take_place_for(body.size)
            return await _taken_over(body.read)
        raise UnsafePicture("too many redirects")

    async def picture_in(self, text: str) -> bytes:
        """The file in a base64 text or data URI.

        Raises:
            OutcomeUnknown: it was paid for and is no picture.
        """
        import pybase64

        try:
            return await _taken_over(lambda: pybase64.b64decode(text.rpartition(",")[2], validate=True))
        except (binascii.Error, ValueError):
            raise self.unknown("its picture is damaged") from None
        except UnsafePicture as error:
            raise self.unknown(f"its picture was not taken over: {error}") from None


async def body_up_to(limit: int, answer: httpx.Response, head: bytes = b"") -> WaitingBytes:
    """The body as it comes, out of memory where it is large.

    Raises:
        UnsafePicture: it has more bytes than `limit`.
    """
    body = WaitingBytes(head)
    async for part in answer.aiter_bytes():
        body.add(part)
        if body.size > limit:
            raise UnsafePicture(f"more than {limit} bytes")
    return body


async def _taken_over(read: Callable[[], bytes]) -> bytes:
    """The picture file that `read` (on a worker thread) has; one of many pixels once no other such one is in memory.

    Raises:
        UnsafePicture: it is none. Also what `read` raises.
    """

    def work() -> tuple[bytes, int]:
        data = read()
        return data, check_picture(data)

    data, pixels = await asyncio.to_thread(work)
    if pixels > PIXELS_AT_ONCE:
        await take_place(large=True)
    return data


async def take_place_for(size: int) -> None:
    """Wait until the call may have so many bytes in memory."""
    await take_place(large=size > LARGE_BYTES)
