"""Whom connections trust. The certificates are read once for all of them: they take 30 ms and megabytes each time."""

from functools import cache
from ssl import SSLContext


@cache
def trusted_roots() -> SSLContext:
    """The context that every client of a provider shares; `SSL_CERT_FILE` and `SSL_CERT_DIR` hold."""
    import httpx

    return httpx.create_ssl_context()
