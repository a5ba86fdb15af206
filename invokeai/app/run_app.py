"""The console command `invokeai-web`: settings, web UI, server, until a signal ends it.

What a user can mend (a setting, a taken port) ends the start with one sentence on standard error and exit code 2.
The first SIGTERM or SIGINT lets running work finish within the configured time. SIGINT after that ends at once; another
SIGTERM changes nothing, as what watches over a process may send it again.
"""

import argparse
import gc
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

    from invokeai.app.api.health import Application
    from invokeai.app.api.static_files import StaticSite
    from invokeai.app.services.config.config import AppConfig

logger = logging.getLogger("invokeai")

EXIT_WRONG_SETTING = 2
EXIT_START_FAILED = 3
M_ARENA_MAX = -8
"""As in glibc's malloc.h."""
CLOSE_SECONDS = 3
"""How long open connections may take to end once a signal came; the drain of running sessions comes after."""


def main(arguments: list[str] | None = None) -> int:
    """Run the studio; the exit code."""
    options = _parser().parse_args(arguments)
    from invokeai.app.services.config.config import ConfigurationError, load_config

    overrides = {name: value for name, value in (("host", options.host), ("port", options.port)) if value is not None}
    try:
        config = load_config(options.root, **overrides)
        config.root_path.mkdir(parents=True, exist_ok=True)
        listener = bind(config.host, config.port)
    except (ConfigurationError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_WRONG_SETTING
    set_up_logging(config.log_level, config.log_format)
    share_one_heap()
    # what a start makes is there to stay: looking it through for garbage would take a seventh of the start
    gc.disable()
    return serve(config, listener)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="invokeai-web", description="The InvokeAI studio without the GPU box.")
    parser.add_argument(
        "--root", help="folder of everything the server keeps (default: INVOKEAI_ROOT, else ~/invokeai)"
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 takes a free one (default: 9090)")
    return parser


def bind(host: str, port: int) -> socket.socket:
    """A socket that holds the address before anything slow happens.

    Raises:
        OSError: with a sentence, when the address is taken or is not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise OSError(f"The host {host} is not known here ({error.strerror}); set another with --host.") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with --port.") from None
    listener.set_inheritable(True)
    return listener


def set_up_logging(level: str, form: str = "plain") -> None:
    """Log lines on standard error, `plain` or `json`; the loggers of libraries from warning upwards."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    if form == "json":
        from invokeai.app.services.shared.json_logs import JsonLines

        handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("invokeai").setLevel(level.upper())
    if level == "debug":
        logging.getLogger("uvicorn").setLevel(logging.DEBUG)


def share_one_heap() -> None:
    """Keep threads from having heaps of their own: what pictures needed for a moment would stay taken in each."""
    import ctypes

    with suppress(AttributeError, TypeError, OSError):  # only glibc knows it
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def web_ui(config: "AppConfig") -> "StaticSite":
    """The web UI as the settings ask; a page that says why when it cannot be had."""
    from invokeai.app.api.static_files import StaticSite
    from invokeai.app.services.shared.cache_folder import cache_folder
    from invokeai.app.services.ui_bundle.build import ensure_bundle, find_bundle
    from invokeai.app.services.ui_bundle.patches import UiBundleError

    if config.web_ui == "none":
        return StaticSite(None)
    folders: tuple[Path, ...] = (cache_folder(), config.root_path / "cache")
    try:
        bundle = find_bundle(*folders)
        if bundle is None:
            logger.info("The web UI is fetched once and kept in %s.", folders[0])
            bundle = ensure_bundle(*folders)
    except (UiBundleError, OSError) as error:
        logger.error("The web UI is not there: %s The API is served without it.", error)
        return StaticSite(None, f"The web UI could not be fetched: {error} Start the server again to try once more.")
    return StaticSite(bundle)


def serve(config: "AppConfig", listener: socket.socket) -> int:
    """Serve on `listener` until a signal ends it; the exit code."""
    import uvicorn

    from invokeai.app.api.health import StartGate
    from invokeai.app.api.request_log import RequestLog

    def build() -> "Application":
        from invokeai.app.api_app import create_app

        site = web_ui(config)
        app = create_app(config)
        app.router.default = site
        return app, lambda: app.state.services

    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    exit_code = 0

    def started(is_up: bool) -> None:
        nonlocal exit_code
        gc.freeze()
        gc.enable()
        if is_up:
            logger.info("Serving %s at http://%s:%d", config.root_path, shown, port)
        else:
            exit_code = EXIT_START_FAILED
            server.should_exit = True

    gate = StartGate(build, started)
    settings = uvicorn.Config(
        RequestLog(gate) if config.log_format == "json" else gate,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        ws="websockets-sansio",
        log_config=None,
        access_log=config.log_level == "debug",
        server_header=False,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
    server = _server(settings)
    server.run(sockets=[listener])
    return exit_code


def _server(settings: "uvicorn.Config") -> "uvicorn.Server":
    import uvicorn

    class Server(uvicorn.Server):
        """A server that ends at once, without draining, on Ctrl-C while it is ending."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit:
                if sig == signal.SIGINT:
                    signal.signal(sig, signal.SIG_DFL)
                    os.kill(os.getpid(), sig)
                return
            self.should_exit = True
            logger.info("Stopping: running work may finish; Ctrl-C (SIGINT) ends at once.")

    return Server(settings)


if __name__ == "__main__":
    sys.exit(main())
