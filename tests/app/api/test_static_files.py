"""The web UI over HTTP: caching, client routes, and no way out of its folder."""

import gzip
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from invokeai.app.api.static_files import StaticSite
from invokeai.app.services.ui_bundle.build import write_bundle

INDEX = b"<!DOCTYPE html>\n<html>\n<head>\n<script src='./assets/index-1.js'></script></head><body></body></html>"
SCRIPT = b"console.log('a long enough script');" * 100


@pytest.fixture
def client(tmp_path: Path) -> httpx.AsyncClient:
    (tmp_path / "secret.txt").write_text("secret")
    files = {"index.html": INDEX, "assets/index-1.js": SCRIPT, "assets/images/logo.svg": b"<svg/>"}
    write_bundle(tmp_path / "bundle", files | {"locales/en.json": b"{}"})
    return _client(StaticSite(tmp_path / "bundle"))


def _client(site: StaticSite) -> httpx.AsyncClient:
    app = Starlette()
    app.router.default = site
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://studio")


@pytest.mark.parametrize("route", ["/", "/app", "/login", "/setup", "/profile", "/index.html", "/anything"])
async def test_client_routes_are_the_index_and_are_asked_for_every_time(client: httpx.AsyncClient, route: str) -> None:
    answer = await client.get(route)
    assert answer.status_code == 200 and answer.content == INDEX
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"].startswith("text/html")


async def test_a_deeper_route_leads_relative_addresses_back_to_the_top(client: httpx.AsyncClient) -> None:
    assert '<base href="../">' in (await client.get("/admin/users")).text
    assert '<base href="../../">' in (await client.get("/a/b/c")).text
    script = await client.get("/admin/assets/index-1.js")
    assert script.content == SCRIPT and script.headers["content-type"].startswith("text/javascript")


async def test_hashed_assets_are_kept_for_ever_and_other_files_are_not(client: httpx.AsyncClient) -> None:
    assert "immutable" in (await client.get("/assets/index-1.js")).headers["cache-control"]
    assert (await client.get("/assets/images/logo.svg")).headers["cache-control"] == "no-cache"
    assert (await client.get("/locales/en.json")).headers["cache-control"] == "no-cache"


async def test_a_client_that_accepts_gzip_gets_the_prepared_file(client: httpx.AsyncClient) -> None:
    plain = await client.get("/assets/index-1.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.headers["content-length"] == str(len(SCRIPT))
    async with client.stream("GET", "/assets/index-1.js", headers={"accept-encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip" and packed.headers["vary"] == "Accept-Encoding"
        raw = b"".join([chunk async for chunk in packed.aiter_raw()])
    assert len(raw) < len(SCRIPT) and gzip.decompress(raw) == SCRIPT


async def test_an_unchanged_file_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/app")
    again = await client.get("/app", headers={"if-none-match": f'"x", W/{first.headers["etag"]}'})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == first.headers["etag"]
    assert (await client.get("/app", headers={"if-none-match": '"other"'})).status_code == 200


async def test_head_has_the_headers_without_the_body(client: httpx.AsyncClient) -> None:
    answer = await client.head("/assets/index-1.js", headers={"accept-encoding": "identity"})
    assert answer.headers["content-length"] == str(len(SCRIPT)) and answer.content == b""


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/v1/nothing", "/assets/gone.js", "/robots.txt", "/locales/xx.json"]
)
async def test_what_is_not_there_is_a_404_in_json(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404 and answer.json() == {"detail": "Not Found"}


async def test_other_methods_are_a_404_in_json(client: httpx.AsyncClient) -> None:
    assert (await client.post("/app")).status_code == 404


@pytest.mark.parametrize(
    "path", ["/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/..%2fsecret.txt", "/manifest.json"]
)
async def test_nothing_outside_of_the_site_is_served(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(httpx.URL("http://studio").copy_with(raw_path=path.encode()))
    assert answer.status_code == 404 and b"secret" not in answer.content


async def test_without_a_bundle_every_page_says_so_and_the_api_answers_as_ever() -> None:
    client = _client(StaticSite(None, "The web UI could not be fetched: <no network>"))
    page = await client.get("/")
    assert page.status_code == 200
    assert "could not be fetched: &lt;no network&gt;" in page.text and "/openapi.json" in page.text
    assert (await client.get("/api/v1/nothing")).status_code == 404
