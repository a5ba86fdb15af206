"""The packages that this server runs on, as the About box lists them."""

import asyncio
import platform
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version

DISTRIBUTION = "invokeai-cloud"


async def installed_packages() -> dict[str, str]:
    """Package name to installed version, the server's own first; read once."""
    return await asyncio.to_thread(_read)


@cache
def _read() -> dict[str, str]:
    names = [DISTRIBUTION, *(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in _required())]
    found = {name: known for name in dict.fromkeys(names) if (known := _version(name))}
    return {"Python": platform.python_version(), **found}


def _required() -> list[str]:
    try:
        return [line for line in requires(DISTRIBUTION) or [] if "extra ==" not in line]
    except PackageNotFoundError:
        return []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
