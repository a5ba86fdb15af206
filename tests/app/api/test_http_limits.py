"""Bodies over the limit get a 413 with a sentence, with and without a declared length."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import Body, FastAPI, UploadFile

from invokeai.app.api.http_limits import MULTIPART_OVERHEAD_BYTES, BodyLimit

JSON_LIMIT = 2000
UPLOAD_LIMIT = 5000


@pytest.fixture
def calls() -> list[int]:
    return []


@pytest.fixture
def client(calls: list[int]) -> httpx.AsyncClient:
    app = FastAPI()
    app.add_middleware(BodyLimit, max_request_bytes=JSON_LIMIT, max_upload_bytes=UPLOAD_LIMIT)

    @app.post("/json")
    async def take_json(value: Annotated[str, Body()]) -> int:
        calls.append(len(value))
        return len(value)

    @app.post("/file")
    async def take_file(file: UploadFile) -> int:
        data = await file.read()
        calls.append(len(data))
        return len(data)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio")


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 512):
        yield data[start : start + 512]


async def test_a_small_body_passes(client: httpx.AsyncClient) -> None:
    assert (await client.post("/json", json="x" * 1000)).json() == 1000


@pytest.mark.parametrize("declared", [True, False])
async def test_a_large_json_body_is_refused(client: httpx.AsyncClient, calls: list[int], declared: bool) -> None:
    body = b'"' + b"x" * JSON_LIMIT + b'"'
    content = body if declared else _chunks(body)
    answer = await client.post("/json", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The request is too large: this server takes at most 2000 bytes."}
    assert calls == []


async def test_a_form_has_the_limit_of_uploads(client: httpx.AsyncClient) -> None:
    assert (await client.post("/file", files={"file": b"x" * UPLOAD_LIMIT})).json() == UPLOAD_LIMIT


@pytest.mark.parametrize("declared", [True, False])
async def test_a_large_upload_is_refused(client: httpx.AsyncClient, calls: list[int], declared: bool) -> None:
    request = client.build_request("POST", "/file", files={"file": b"x" * (UPLOAD_LIMIT + MULTIPART_OVERHEAD_BYTES)})
    if not declared:
        body = request.read()
        kind = {"content-type": request.headers["content-type"]}
        request = client.build_request("POST", "/file", content=_chunks(body), headers=kind)
    answer = await client.send(request)
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The upload is too large: this server takes at most 5000 bytes."}
    assert calls == []
