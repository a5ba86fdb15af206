"""Simulates a deployed studio's address: https, and the two questions that its Worker answers.

What it knows (whether it is deployed, its secrets) stands in the file of the simulated wrangler.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "localhost.pem"
"""For 127.0.0.1; whoever asks has to trust it (`SSL_CERT_FILE`)."""


class DeployedStudio(ThreadingHTTPServer):
    """Answers `/healthz` to anyone and `/readyz` to the owner.

    `ails` are answered first, one each, as status 503; `elsewhere` is an address to which everybody is redirected;
    with `has_files_alone` every path is a page.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(CERTIFICATE)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.state: Path | None = None
        self.ails: list[str] = []
        self.elsewhere: str | None = None
        self.has_files_alone = False
        self.asked: list[str] = []

    @property
    def domain(self) -> str:
        """What Cloudflare would list as the project's domain."""
        return f"127.0.0.1:{self.server_port}"

    def answer(self, path: str, authorization: str | None) -> tuple[int, dict[str, str]]:
        """Status and JSON."""
        self.asked.append(path)
        if self.elsewhere or self.has_files_alone:
            return (302 if self.elsewhere else 200), {}
        assert self.state is not None
        account = json.loads(self.state.read_text())
        if not any(account["pages"].values()):
            return 404, {"detail": "nothing is deployed here"}
        if path == "/healthz":
            return 200, {"status": "ok"}
        tokens = [secrets.get("ACCESS_TOKEN") for secrets in account["workers"].values()]
        if path != "/readyz" or authorization not in [f"Bearer {token}" for token in tokens]:
            return 401, {"detail": "Sign in at /access"}
        return (503, {"storage": self.ails.pop(0)}) if self.ails else (200, {"status": "ok"})


class _Handler(BaseHTTPRequestHandler):
    server: DeployedStudio

    def do_GET(self) -> None:
        status, said = self.server.answer(self.path, self.headers["Authorization"])
        body = json.dumps(said).encode()
        self.send_response(status)
        if self.server.elsewhere:
            self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Type", "text/html" if self.server.has_files_alone else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def deployed_studio() -> Iterator[DeployedStudio]:
    """One that listens."""
    with DeployedStudio() as studio:
        thread = threading.Thread(target=studio.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield studio
        finally:
            studio.shutdown()
            thread.join()
