"""Which answers are compressed, and that they arrive whole."""

import httpx
import orjson
import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse

from invokeai.app.api.compression import THREAD_FROM_BYTES, GzipJson


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    app.add_middleware(GzipJson)

    @app.get("/json/{size}")
    async def json_answer(size: int) -> Response:
        return Response(orjson.dumps("x" * (size - 2)), media_type="application/json", headers={"x-kept": "yes"})

    @app.get("/png")
    async def png() -> Response:
        return Response(b"x" * 5000, media_type="image/png")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter([b"[1,", b"2]"]), media_type="application/json")

    @app.get("/packed")
    async def packed() -> Response:
        return Response(b"x" * 5000, media_type="application/json", headers={"content-encoding": "br"})

    @app.get("/ws/poll")
    async def poll() -> JSONResponse:
        return JSONResponse("x" * 5000)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio")


@pytest.mark.parametrize("size", [1000, 50_000, THREAD_FROM_BYTES + 1])
async def test_json_from_a_thousand_bytes_is_compressed(client: httpx.AsyncClient, size: int) -> None:
    answer = await client.get(f"/json/{size}")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < size
    assert answer.headers["x-kept"] == "yes" and answer.headers["vary"] == "Accept-Encoding"
    assert len(answer.content) == size


async def test_a_short_answer_is_left_alone(client: httpx.AsyncClient) -> None:
    answer = await client.get("/json/999")
    assert "content-encoding" not in answer.headers and len(answer.content) == 999


async def test_a_client_that_does_not_accept_gzip_gets_plain_json(client: httpx.AsyncClient) -> None:
    answer = await client.get("/json/5000", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers and len(answer.content) == 5000


async def test_pictures_streams_compressed_answers_and_the_socket_pass_untouched(client: httpx.AsyncClient) -> None:
    assert "content-encoding" not in (await client.get("/png")).headers
    assert "content-encoding" not in (await client.get("/ws/poll")).headers
    stream = await client.get("/stream")
    assert stream.json() == [1, 2] and "content-encoding" not in stream.headers
    async with client.stream("GET", "/packed") as packed:
        assert packed.headers["content-encoding"] == "br"
        assert b"".join([chunk async for chunk in packed.aiter_raw()]) == b"x" * 5000
