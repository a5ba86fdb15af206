"""A picture service that takes two seconds: answers like OpenAI's images endpoint, on 127.0.0.1 only.

Every request waits the same time however many wait with it, and none is refused.
"""

import asyncio
import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.pictures import photo_like_png
from benchmarks.servers import HOST, BenchmarkFailed, free_port

SECONDS = 2.0


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, seconds: float) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                ),
                0,
            )
            await reader.readexactly(length)
            await asyncio.sleep(seconds)
            start = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(start.encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def serve(port: int, seconds: float = SECONDS, side: int = 1024) -> None:
    """Answer until the process is ended, with a picture of `side` pixels each way."""
    picture = base64.b64encode(photo_like_png(side)).decode()
    body = json.dumps({"created": 0, "data": [{"b64_json": picture}]}).encode()
    server = await asyncio.start_server(lambda r, w: _answer(r, w, body, seconds), HOST, port, backlog=256)
    async with server:
        await server.serve_forever()


@contextmanager
def running(seconds: float = SECONDS, side: int = 1024) -> Iterator[str]:
    """The service in a process of its own; its address."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.slow_provider", str(port), str(seconds), str(side)]
    process = subprocess.Popen(command)
    try:
        _wait(port)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise BenchmarkFailed("the slow provider did not start")


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
