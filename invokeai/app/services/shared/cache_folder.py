"""Where this user keeps what any root may use and what can be made again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`invokeai-cloud` in `XDG_CACHE_HOME`, else in `~/.cache`. It need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "invokeai-cloud"
