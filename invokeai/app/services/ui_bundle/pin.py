"""Which web UI is served: one release, named by version and digests.

A new release means new digests here and a look at every pattern in `patches.py`.
"""

UI_VERSION = "6.14.2"
WHEEL_SHA256 = "7833fe4255d4d7ebe5083ee2170e6c041d91e88c39c27d0b8dfda17ecdf8ebe2"
DIST_FOLDER = "invokeai/frontend/web/dist/"
"""The only folder of the wheel that is taken."""

APP_SCRIPT = "assets/App-DvlZKGz7.js"
INDEX_SCRIPT = "assets/index-BuK6cFYB.js"
SCRIPT_SHA256 = {
    APP_SCRIPT: "00ca5d82dfb8d19be436d61373dc4923beec287669f63205690b84c4b67692b6",
    INDEX_SCRIPT: "4eb603350b35bef71d62da3ae0ff49671b6c2597a66ecfc4580d5d62f1a80d40",
}
"""Digests of the scripts that are patched, before patching."""
