"""Memory counts children too, and every server is ended by its own process id."""

import sys
import time
from pathlib import Path

import pytest

from benchmarks.servers import BenchmarkFailed, Contestant, started

SERVER = """
import http.server, pathlib, signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
root = pathlib.Path(sys.argv[2])
port = int((root / "invokeai.yaml").read_text().split("port: ")[1])
child = subprocess.Popen([sys.executable, "-c", "x = bytearray(40_000_000); import time; time.sleep(60)"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
try:
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
finally:
    child.kill()
"""


def test_resident_memory_includes_children(tmp_path: Path) -> None:
    contestant = Contestant("any", (sys.executable, "-c", SERVER))
    with started(contestant, tmp_path / "root") as server:
        for _ in range(200):
            if server.resident_bytes() > 40_000_000:
                break
            time.sleep(0.05)
        assert server.resident_bytes() > 40_000_000
        assert server.process.poll() is None
    assert server.process.poll() is not None


def test_a_server_that_ends_is_reported_with_its_log(tmp_path: Path) -> None:
    contestant = Contestant("any", (sys.executable, "-c", "raise SystemExit('no such setting')"))
    with pytest.raises(BenchmarkFailed, match="no such setting"), started(contestant, tmp_path / "root"):
        pass
