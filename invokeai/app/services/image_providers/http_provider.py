"""What providers behind HTTP share: one lazy connection pool, limits on what is read, and checked result addresses.

The key travels to the provider's own address only, never with a picture's address and never into an error's words.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urljoin, urlsplit

from invokeai.app.services.image_providers.provider import CredentialsSource, ImageProvider, ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import ProviderAuthError, ProviderBadRequest

if TYPE_CHECKING:
    import httpx
    from PIL.Image import Image

MAX_ANSWER_BYTES = 96 * 1024 * 1024
MAX_PICTURE_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 8192 * 8192
MAX_REDIRECTS = 3
CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0


class NotSent(Exception):
    """No connection came about, so no byte of the request has left."""


class AnswerLost(Exception):
    """The request may have left, but no whole answer came."""


class UnsafePicture(Exception):
    """The address or the content of a result is nothing that may be taken over."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """The provider's hint in seconds, if it gave one as a number."""
        try:
            return max(0.0, float(self.headers.get("retry-after", "")))
        except ValueError:
            return None


class HttpImageProvider(ImageProvider):
    """A provider behind HTTP. `transport` replaces the network in tests."""

    default_base_url: ClassVar[str]
    result_hosts: ClassVar[tuple[str, ...]] = ()
    """Host names below which the provider keeps results."""

    def __init__(
        self,
        credentials: CredentialsSource = ProviderCredentials,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(credentials)
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def base_url(self) -> str:
        """The address in force, without a slash at the end.

        Raises:
            ProviderBadRequest: an address without TLS that is not this machine.
        """
        url = (self._credentials().base_url or self.default_base_url).rstrip("/")
        parts = urlsplit(url)
        if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
            message = f"The base URL of {self.info.display_name} must start with https://."
            raise ProviderBadRequest(message, provider_id=self.info.provider_id)
        return url

    def without_key(self, text: str) -> str:
        """`text` with the key blotted out: providers like to quote it."""
        key = self._credentials().api_key
        return text.replace(key, "[key]") if key else text

    async def post_json(self, path: str, body: bytes) -> HttpAnswer:
        """Send JSON with the key to the provider itself.

        Raises:
            NotSent, AnswerLost: no whole answer came.
            ProviderAuthError: no key is set.
        """
        import httpx

        key = self._credentials().api_key
        if not key:
            raise ProviderAuthError(self.get_setup_instructions(), provider_id=self.info.provider_id)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            async with self._http().stream("POST", self.base_url() + path, content=body, headers=headers) as answer:
                content = await _read(answer, MAX_ANSWER_BYTES)
                return HttpAnswer(answer.status_code, dict(answer.headers), content.replace(key.encode(), b"[key]"))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(type(error).__name__) from None
        except (httpx.HTTPError, UnsafePicture) as error:
            raise AnswerLost(type(error).__name__) from None

    async def fetch_picture(self, url: str) -> bytes:
        """A result file, without the key: only from the provider's hosts, capped in bytes and pixels.

        Raises:
            UnsafePicture: not such an address, or not such a file.
            AnswerLost: it could not be read.
        """
        import httpx

        for _ in range(MAX_REDIRECTS + 1):
            await self._check_address(url)
            try:
                async with self._http().stream("GET", url) as answer:
                    if answer.is_redirect:
                        url = urljoin(url, answer.headers.get("location", ""))
                        continue
                    if answer.status_code != 200:
                        raise AnswerLost(f"status {answer.status_code}")
                    data = await _read(answer, MAX_PICTURE_BYTES)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise AnswerLost(type(error).__name__) from None
            await asyncio.to_thread(check_picture, data)
            return data
        raise UnsafePicture("too many redirects")

    async def _check_address(self, url: str) -> None:
        try:
            parts, own = urlsplit(url), urlsplit(self.base_url())
            port = parts.port
        except ValueError:
            raise UnsafePicture("not an address") from None
        host = (parts.hostname or "").lower()
        if parts.scheme == own.scheme and (host, port) == (own.hostname, own.port) and _is_loopback(host):
            return
        if parts.scheme != "https" or port not in (None, 443) or parts.username is not None:
            raise UnsafePicture("not a plain https address")
        if not any(host == allowed or host.endswith(f".{allowed}") for allowed in self.result_hosts):
            raise UnsafePicture(f"{host} is not one of the provider's hosts")
        if self._transport is None:
            await _check_is_public(host)

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx

            timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
            self._client = httpx.AsyncClient(transport=self._transport, timeout=timeout, trust_env=False)
        return self._client


async def _read(answer: httpx.Response, limit: int) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > limit:
            raise UnsafePicture(f"more than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


async def _check_is_public(host: str) -> None:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 443)
    except OSError:
        raise AnswerLost("the host is not known") from None
    if not found or any(not ipaddress.ip_address(entry[4][0]).is_global for entry in found):
        raise UnsafePicture(f"{host} leads into a private network")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_picture(data: bytes) -> None:
    """Return when `data` is a picture of bearable size; reads the header only.

    Raises:
        UnsafePicture: it is not.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            pixels = picture.width * picture.height
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        raise UnsafePicture("not a picture") from None
    if pixels > MAX_PIXELS:
        raise UnsafePicture(f"{pixels} pixels are too many")


def png_bytes(image: Image) -> bytes:
    """The picture as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
