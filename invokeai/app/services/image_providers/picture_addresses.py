"""Which results may be taken over: from the provider's own hosts, from the public network, of bearable size.

A host name is looked up once, checked and connected to by the address found, so a second lookup cannot lead elsewhere.
"""

from __future__ import annotations

import io
import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from invokeai.app.services.image_providers.trusted_roots import trusted_roots

if TYPE_CHECKING:
    import httpx

MAX_PIXELS = 8192 * 8192
PIXELS_AT_ONCE = 4096 * 4096
"""Of all pictures of one call together: they are in memory at once, and are split into calls accordingly."""
MAX_PIXELS_GENERATED = 2 * PIXELS_AT_ONCE
"""Of one generated picture; whatever it costs, the answer with it is taken over."""
HOLDS_IPV4 = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
"""IPv6 addresses whose last 32 bits are the IPv4 address that is reached."""
NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "2002::/16", "2001::/32", "64:ff9b:1::/48", "fec0::/10")))
"""What `is_global` passes though it is private, or may lead into a private network."""


class UnsafePicture(Exception):
    """The address or the content of a result is nothing that may be taken over."""


class ForeignHost(UnsafePicture):
    """Nobody has said that the provider keeps results on that host; the settings may."""

    def __init__(self, host: str) -> None:
        said = f"{host} is not one of the provider's hosts"
        super().__init__(f"{said} (if it belongs to them, add it to provider_result_hosts)")


def most_bytes(pixels: int) -> int:
    """The length of a file that does not compress at all: 8 bits a channel, alpha, and room for its marks and words."""
    return 4 * pixels + 2**20


MAX_PICTURE_BYTES = most_bytes(MAX_PIXELS)


def check_address(url: str, hosts: tuple[str, ...], own: str) -> None:
    """Return when `url` is https on one of `hosts` (or below), or lies on this machine as `own`, the base URL, does.

    Raises:
        UnsafePicture: it is neither; `ForeignHost` where only the host is at fault.
    """
    try:
        parts, base = urlsplit(url), urlsplit(own)
        port = parts.port
    except ValueError:
        raise UnsafePicture("not an address") from None
    host = (parts.hostname or "").lower()
    if parts.username is not None or parts.password is not None:
        raise UnsafePicture("an address with a password in it")
    if is_loopback(host) and (parts.scheme, host, port) == (base.scheme, base.hostname, base.port):
        return
    if parts.scheme != "https" or port not in (None, 443):
        raise UnsafePicture("not a plain https address")
    if not any(host == allowed or host.endswith(f".{allowed}") for allowed in hosts):
        raise ForeignHost(host)


def same_origin(url: str, own: str) -> bool:
    """Whether both have the same scheme, host and port."""
    usual = {"https": 443, "http": 80}
    try:
        there, here = (
            (parts.scheme, parts.hostname, parts.port or usual.get(parts.scheme))
            for parts in (urlsplit(url), urlsplit(own))
        )
    except ValueError:
        return False
    return there == here


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its name or number."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_picture(data: bytes) -> int:
    """How many pixels `data` has, which is a picture of bearable size; reads the header only.

    Raises:
        UnsafePicture: it is not.
    """
    from PIL import Image as Pillow

    if len(data) > MAX_PICTURE_BYTES:
        raise UnsafePicture(f"more than {MAX_PICTURE_BYTES} bytes")
    try:
        with Pillow.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            pixels = picture.width * picture.height
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        raise UnsafePicture("not a picture") from None
    if pixels > MAX_PIXELS:
        raise UnsafePicture(f"{pixels} pixels are too many")
    return pixels


def public_transport() -> httpx.AsyncHTTPTransport:
    """A transport that connects to public addresses only, and to the very address that was checked."""
    import httpcore
    import httpx

    class PublicNetwork(httpcore.AsyncNetworkBackend):
        def __init__(self) -> None:
            from httpcore._backends.auto import AutoBackend  # httpcore's own default has no public name

            self._network = AutoBackend()

        async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> Any:
            return await self._network.connect_tcp(await public_address(host, port), port, *args, **options)

        async def sleep(self, seconds: float) -> None:
            await self._network.sleep(seconds)

    transport = httpx.AsyncHTTPTransport(verify=trusted_roots())
    # httpx hands no network backend on to its pool
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=trusted_roots(), network_backend=PublicNetwork(), keepalive_expiry=15.0
    )
    return transport


async def public_address(host: str, port: int) -> str:
    """The address of a host in the public network.

    Raises:
        UnsafePicture: one of its addresses is private.
        httpcore.ConnectError: it is not known.
    """
    import asyncio

    import httpcore

    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise httpcore.ConnectError("the host is not known") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(map(is_public, addresses)):
        raise UnsafePicture(f"{host} leads into a private network")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether a number leads into the public network and to one host, also where it is wrapped up in another."""
    number = ipaddress.ip_address(address)
    if isinstance(number, ipaddress.IPv6Address) and any(number in network for network in HOLDS_IPV4):
        number = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
    if number.is_multicast or any(number in network for network in NOT_PUBLIC if network.version == number.version):
        return False
    return number.is_global
