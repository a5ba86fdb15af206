"""The Pages project in front of a server that keeps what reaches it, and in front of none."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.cloud.cloud_worker import CloudWorker
from tests.cloud.pages_site import PagesSite, build_frontend
from tests.cloud.recording_origin import RecordingOrigin
from tests.free_ports import free_port

PAGES = ("/", "/app", "/login", "/admin/users")
POLICY = "content-security-policy"


@pytest.fixture(scope="module")
def origin() -> Iterator[RecordingOrigin]:
    origin = RecordingOrigin()
    yield origin
    origin.stop()


@pytest.fixture(scope="module")
def site(origin: RecordingOrigin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesSite]:
    """The Pages project as in development."""
    build_frontend()
    site = PagesSite(tmp_path_factory.mktemp("pages"), backend_origin=origin.base_url)
    yield site
    site.stop()


@pytest.fixture
async def http(site: PagesSite, origin: RecordingOrigin) -> AsyncIterator[aiohttp.ClientSession]:
    origin.requests.clear()
    async with aiohttp.ClientSession(site.base_url) as session:
        yield session


async def test_the_server_learns_who_asks_and_where_and_nothing_that_a_visitor_made_up(
    http: aiohttp.ClientSession, site: PagesSite, origin: RecordingOrigin
) -> None:
    made_up = {"x-forwarded-for": "10.9.8.7", "x-forwarded-host": "evil.example", "x-forwarded-proto": "gopher"}
    made_up |= {"forwarded": "for=10.9.8.7", "x-real-ip": "10.9.8.7", "cookie": "a=b; c=d", "x-own": "kept"}
    made_up |= {"te": "trailers", "keep-alive": "timeout=5", "proxy-authorization": "Basic eDp5"}
    answer = await http.get(URL("/api/v1/what%2Fever%20%C3%A9?q=%2F%20x&q=2", encoded=True), headers=made_up)
    assert answer.status == 200
    [request] = origin.requests
    assert request.path == "/api/v1/what/ever é"
    headers = request.headers
    assert headers["x-forwarded-host"] == site.base_url.removeprefix("http://")
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert (headers["cookie"], headers["x-own"]) == ("a=b; c=d", "kept")
    assert {"forwarded", "x-real-ip", "te", "keep-alive", "proxy-authorization"} & set(headers) == set()


@pytest.mark.parametrize("path", ["/api/x", "/v1/models", "/ws/socket.io/", "/openapi.json", "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_call_reaches_the_server(
    http: aiohttp.ClientSession, origin: RecordingOrigin, method: str, path: str
) -> None:
    assert (await http.request(method, path, data=b"body" if method == "POST" else None)).status == 200
    assert [(request.method, request.path) for request in origin.requests] == [(method, path)]


async def test_plain_http_leads_to_https(http: aiohttp.ClientSession, origin: RecordingOrigin) -> None:
    from_outside = {"host": "studio.example"}
    for path in ("/", "/app", "/api/v1/app/version"):
        answer = await http.get(path, headers=from_outside, allow_redirects=False)
        assert (answer.status, answer.headers["location"]) == (308, f"https://studio.example{path}")
    refused = await http.post("/access", data={"token": "a token"}, headers=from_outside)
    assert refused.status == 403 and "https://studio.example" in (await refused.json())["detail"]
    assert origin.requests == []


async def test_an_upload_and_events_are_never_held_back(http: aiohttp.ClientSession, origin: RecordingOrigin) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        # the rest is sent only when the first part has arrived
        while not origin.first_chunk.is_set():
            await asyncio.sleep(0.01)
        yield b"y" * 100_000

    origin.first_chunk.clear()
    async with asyncio.timeout(20):
        answer = await http.post("/api/body", data=body())
    assert await answer.json() == {"length": 200_000}
    origin.go_on.clear()
    async with asyncio.timeout(20), http.get("/api/events") as events:
        assert await events.content.readline() == b"data: first\n"
        origin.go_on.set()
        assert b"data: second" in await events.content.read()


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_always_asked_for_anew_and_has_its_policy(http: aiohttp.ClientSession, path: str) -> None:
    answer = await http.get(path)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert "script-src 'self'" in answer.headers[POLICY] and "unsafe-eval" not in answer.headers[POLICY]
    assert answer.headers["x-frame-options"] == "DENY" and answer.headers["x-content-type-options"] == "nosniff"
    assert ('<base href="../">' in await answer.text()) == (path == "/admin/users")
    again = await http.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert again.status == 304


async def test_files_with_a_hash_are_kept_for_ever_and_others_are_not(
    http: aiohttp.ClientSession, origin: RecordingOrigin
) -> None:
    index = await (await http.get("/")).text()
    origin.requests.clear()
    script = re.findall(r'src="\./(assets/index-[^"]+\.js)"', index)[0]
    kept = await http.get(f"/{script}")
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/assets/images/invoke-favicon.svg", "/locales/en.json"):
        assert (await http.get(path)).headers["cache-control"] == "no-cache"
    for path in ("/assets/index-of-last-week.js", "/nothing", "/apis"):
        missing = await http.get(path)
        assert missing.status == 404 and "immutable" not in missing.headers.get("cache-control", "")
        assert "There is nothing here" in await missing.text()
    assert origin.requests == []


async def test_without_a_back_end_the_page_loads_and_calls_are_told_so(tmp_path: Path) -> None:
    site = PagesSite(tmp_path, backend_origin=f"http://127.0.0.1:{free_port()}")
    try:
        async with aiohttp.ClientSession(site.base_url) as http:
            assert 'id="root"' in await (await http.get("/")).text()
            for path in ("/api/v1/app/version", "/access", "/ws/socket.io/"):
                answer = await http.get(path)
                assert answer.status == 502 and "try again" in (await answer.json())["detail"]
    finally:
        site.stop()


async def test_without_the_worker_the_page_loads_and_a_closed_worker_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = PagesSite(tmp_path)
    worker = None
    try:
        async with aiohttp.ClientSession(site.base_url) as http:
            assert 'id="root"' in await (await http.get("/")).text()
            answer = await http.get("/api/v1/app/version")
            assert answer.status in (502, 503) and "try again" in (await answer.json())["detail"]
            monkeypatch.setenv("WRANGLER_REGISTRY_PATH", str(tmp_path / "registry"))
            worker = CloudWorker("http://127.0.0.1:1", {"ACCESS_TOKEN": None})
            async with asyncio.timeout(20):
                while (answer := await http.get("/", allow_redirects=False)).status == 200:
                    await asyncio.sleep(0.05)
            assert (answer.status, answer.headers["location"]) == (303, "/access")
            closed = await http.get("/access")
            assert closed.status == 503 and "ACCESS_TOKEN is not set" in (await closed.json())["detail"]
    finally:
        site.stop()
        if worker is not None:
            worker.stop()
