"""`python -m invokeai.app.prebuild_openapi`: build the OpenAPI document once, so that no start has to.

It is kept beside the web UI, and found by every server of this user that runs the same code with no node pack.
"""

import tempfile
from pathlib import Path

from invokeai.app.api.openapi import document_of
from invokeai.app.api.openapi_cache import OpenApiCache
from invokeai.app.api_app import create_app
from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.shared.cache_folder import cache_folder


def main() -> None:
    """Keep the document of an application with the built-in nodes."""
    load_core_invocations()
    with tempfile.TemporaryDirectory() as root:
        document_of(create_app(AppConfig(root=Path(root))), OpenApiCache(cache_folder()))


if __name__ == "__main__":
    main()
