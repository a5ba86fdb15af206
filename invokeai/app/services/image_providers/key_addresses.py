"""Which address a key belongs to: the one that it was given for, and no other gets it.

Addresses are compared by scheme, host and port; an empty one is the provider's own, which stands in its class.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from invokeai.app.services.image_providers.picture_addresses import is_loopback
from invokeai.app.services.shared.errors import InvalidInput

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.provider import ImageProvider

OWN = ""
PLAIN = {"https": "http", "wss": "ws"}
"""What a scheme is without TLS."""
SAME = {"wss": "https", "ws": "http"}
"""A WebSocket begins as a request to the same place."""
PORTS = {"https": 443, "http": 80}
ADDRESS = re.compile(r"[a-z]+://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^\s\\?#@]*)?", re.ASCII)
"""Nothing that two readers of addresses might understand differently."""


def checked_base_url(url: str, provider: ImageProvider | None) -> str:
    """The base URL without a slash at its end.

    Raises:
        InvalidInput: the provider cannot be reached there, or a key would travel in the clear.
    """
    schemes = provider.base_url_schemes if provider else ("https",)
    starts = " or ".join(f"{scheme}://" for scheme in schemes)
    if not ADDRESS.fullmatch(url):
        raise InvalidInput(f"The base URL must be {starts}, then a host and perhaps a port and a path, nothing more.")
    parts = urlsplit(url)
    if parts.scheme in schemes or (
        parts.scheme in (PLAIN[scheme] for scheme in schemes) and is_loopback(parts.hostname or "")
    ):
        return url.rstrip("/")
    raise InvalidInput(
        f"The base URL must start with {starts}, so that the key is not read on its way; "
        f"{PLAIN[schemes[0]]}:// is for this machine alone."
    )


def address_of(base_url: str | None) -> str:
    """Scheme, host and port of a base URL; `OWN` where there is none."""
    if not base_url:
        return OWN
    try:
        parts = urlsplit(base_url)
        scheme = SAME.get(parts.scheme, parts.scheme)
        return f"{scheme}://{parts.hostname}:{parts.port or PORTS.get(scheme)}"
    except ValueError:  # from the settings, and no provider can be reached there
        return base_url


def is_for(key_address: str, address: str, provider: ImageProvider | None) -> bool:
    """Whether a key that was given for `key_address` may travel to `address`: both are one, or the provider's own."""
    return key_address == address or (_is_own(key_address, provider) and _is_own(address, provider))


def _is_own(address: str, provider: ImageProvider | None) -> bool:
    if address == OWN:
        return True
    if provider is None or not address.startswith("https://") or not address.endswith(":443"):
        return False
    host = urlsplit(address).hostname or ""
    usual = urlsplit(provider.default_base_url).hostname
    return host == usual or any(host == own or host.endswith(f".{own}") for own in provider.api_hosts)
