"""Who passes the Worker: closed without a secret, no forged cookie, no request on behalf of another site."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from fastapi.routing import APIRoute

from invokeai.app.api.api_tokens import require_token
from invokeai.app.api_app import create_app
from invokeai.app.services.config.config import AppConfig
from tests.cloud.cloud_worker import ACCESS_TOKEN, BEARER, CloudWorker
from tests.cloud.recording_origin import RecordingOrigin

VISIT = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def origin() -> Iterator[RecordingOrigin]:
    """A server behind the Worker that keeps what reaches it."""
    origin = RecordingOrigin()
    yield origin
    origin.stop()


@pytest.fixture(scope="module")
def worker(origin: RecordingOrigin) -> Iterator[CloudWorker]:
    worker = CloudWorker(origin.base_url, {"INVOKEAI_API_TOKENS": "token-of-program-one, token-of-program-two"})
    yield worker
    worker.stop()


@pytest.fixture(autouse=True)
def nothing_recorded(origin: RecordingOrigin) -> None:
    origin.requests.clear()


@pytest.fixture
async def http(worker: CloudWorker) -> AsyncIterator[aiohttp.ClientSession]:
    # another address each time, so that no test uses up another's attempts
    jar = aiohttp.DummyCookieJar()
    headers = {"cf-connecting-ip": f"192.0.2.{next(ADDRESSES)}"}
    async with aiohttp.ClientSession(worker.base_url, headers=headers, cookie_jar=jar) as session:
        yield session


PICTURES_OF_THE_ROUTER = ("/api/v1/images/i/{image_name}/full", "/api/v1/images/i/{image_name}/thumbnail")
ADDRESSES = iter(range(1, 250))


@pytest.mark.parametrize(
    ("secret", "token", "why"),
    [
        ("ACCESS_TOKEN", None, "ACCESS_TOKEN is not set"),
        ("ACCESS_TOKEN", "short", "ACCESS_TOKEN is shorter than 16 characters"),
        ("INVOKEAI_API_TOKENS", "token-of-program-one,short", "INVOKEAI_API_TOKENS holds a token shorter than 16"),
    ],
)
async def test_without_proper_secrets_every_door_is_shut(
    origin: RecordingOrigin, secret: str, token: str | None, why: str
) -> None:
    worker = CloudWorker(origin.base_url, {secret: token})
    try:
        async with aiohttp.ClientSession(worker.base_url) as http:
            for path in ("/", "/access", "/api/v1/app/version", "/ws/socket.io/", "/api/v1/images/i/a.png/full"):
                answer = await http.get(path, headers={"authorization": f"Bearer {token}"})
                assert answer.status == 503, path
                assert why in (await answer.json())["detail"]
            assert (await http.post("/access", json={"token": token or ""})).status == 503
            assert (await (await http.get("/healthz")).json()) == {"status": "ok"}
        assert origin.requests == []
    finally:
        worker.stop()


async def test_the_page_asks_for_the_token_and_leads_to_the_studio(http: aiohttp.ClientSession) -> None:
    first = await http.get("/", headers=VISIT, allow_redirects=False)
    assert (first.status, first.headers["location"]) == (303, "/access")
    page = await http.get("/access", headers=VISIT)
    text = await page.text()
    assert page.status == 200 and '<label for="token">' in text and "<script" not in text
    assert "<code>invokeai-cloud deploy --new-access-token</code>" in text, "where a lost token comes from"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY" and page.headers["cache-control"] == "no-store"

    wrong = await http.post("/access", data={"token": "wrong"}, allow_redirects=False)
    assert wrong.status == 401 and 'role="alert"' in await wrong.text() and "set-cookie" not in wrong.headers

    right = await http.post("/access", data={"token": ACCESS_TOKEN}, allow_redirects=False)
    assert (right.status, right.headers["location"]) == (303, "/")
    cookie = right.headers["set-cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"} <= set(cookie.split("; "))
    signed_in = {"cookie": cookie.partition(";")[0]}
    assert (await http.get("/api/v1/app/version", headers=signed_in)).status == 200
    session = await (await http.get("/access/session", headers=signed_in)).json()
    assert session["user"] == "system"
    assert "Sign out" in await (await http.get("/access", headers=signed_in)).text()

    left = await http.post("/access/leave", headers=signed_in, allow_redirects=False)
    assert (left.status, left.headers["location"]) == (303, "/access") and "Max-Age=0" in left.headers["set-cookie"]


async def test_nobody_passes_without_a_session(http: aiohttp.ClientSession, origin: RecordingOrigin) -> None:
    for path in (
        "/api/v1/app/version",
        "/openapi.json",
        "/ws/socket.io/?EIO=4",
        "/metrics",
        "/access/session",
        "/readyz",
    ):
        answer = await http.get(path)
        assert answer.status == 401 and (await answer.json())["detail"], path
    assert origin.requests == []


async def test_a_session_cannot_be_forged(worker: CloudWorker, http: aiohttp.ClientSession) -> None:
    cookie = worker.sign_in()["cookie"]
    name, _, session = cookie.partition("=")
    version, user, ends, signature = session.split(".")
    later = str(int(ends) + 1000)
    forged = [
        f"{version}.{user}.{later}.{signature}",
        f"{version}.admin.{ends}.{signature}",
        f"{version}.{user}.{ends}.{'A' * len(signature)}",
        f"{version}.{user}.{ends}.{signature}.x",
        f"{version}.{user}.{ends}",
        "",
        "v1...",
    ]
    for value in forged:
        assert (await http.get("/access/session", headers={"cookie": f"{name}={value}"})).status == 401, value
    assert (await http.get("/access/session", headers={"cookie": f"a=b; {cookie}"})).status == 200


async def test_another_token_signs_everyone_out(worker: CloudWorker, http: aiohttp.ClientSession) -> None:
    cookie = worker.sign_in()["cookie"]
    other = CloudWorker("http://127.0.0.1:1", {"ACCESS_TOKEN": ACCESS_TOKEN + "-2"})
    try:
        async with aiohttp.ClientSession(other.base_url) as elsewhere:
            assert (await elsewhere.get("/access/session", headers={"cookie": cookie})).status == 401
    finally:
        other.stop()


async def test_a_session_ends(worker: CloudWorker, http: aiohttp.ClientSession) -> None:
    ended = worker.sign("system", 1_000_000_000)
    assert (await http.get("/access/session", headers={"cookie": f"studio={ended}"})).status == 401
    lasting = worker.sign("system", 4_000_000_000)
    assert (await http.get("/access/session", headers={"cookie": f"studio={lasting}"})).status == 200


async def test_other_sites_change_nothing(
    worker: CloudWorker, http: aiohttp.ClientSession, origin: RecordingOrigin
) -> None:
    cookie = {"cookie": worker.sign_in()["cookie"]}
    for headers in ({}, {"origin": "https://elsewhere.example"}, {"origin": "null"}):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = await http.request(method, "/api/v1/boards/", headers=cookie | headers)
            assert answer.status == 403, (method, headers)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect("/ws/socket.io/?EIO=4&transport=websocket", headers=cookie | headers)
        assert refused.value.status == 403
    signing_in = await http.post(
        "/access", data={"token": ACCESS_TOKEN}, headers={"origin": "https://elsewhere.example"}
    )
    assert signing_in.status == 403
    assert origin.requests == []
    assert (await http.post("/api/v1/boards/", headers=cookie | {"origin": worker.base_url})).status == 200


async def test_a_program_needs_no_origin_and_its_token_stays_here(
    http: aiohttp.ClientSession, origin: RecordingOrigin
) -> None:
    assert (await http.post("/api/v1/boards/", headers=BEARER)).status == 200
    assert "authorization" not in origin.requests[-1].headers
    assert (await http.get("/api/v1/boards/", headers={"authorization": "Bearer wrong"})).status == 401
    assert len(origin.requests) == 1


async def test_the_session_and_what_visitors_claim_stay_here(
    worker: CloudWorker, http: aiohttp.ClientSession, origin: RecordingOrigin
) -> None:
    cookie = worker.sign_in()["cookie"]
    claims = {"x-forwarded-for": "10.0.0.1", "x-forwarded-host": "evil.example", "forwarded": "for=10.0.0.1"}
    claims["cf-container-target-port"] = "22"
    await http.get("/api/v1/app/version", headers={"cookie": f"theme=dark; {cookie}; a=b"} | claims)
    received = origin.requests[-1].headers
    assert received["cookie"] == "theme=dark; a=b"
    assert received["x-forwarded-host"] == worker.base_url.removeprefix("http://")
    assert received["x-forwarded-proto"] == "http"
    assert "forwarded" not in received and "10.0.0.1" not in str(received)
    assert "cf-container-target-port" not in received, "a visitor chose a port of the container"


async def test_programs_with_api_tokens_reach_the_image_router_alone(
    http: aiohttp.ClientSession, origin: RecordingOrigin
) -> None:
    program = {"authorization": "Bearer token-of-program-two"}
    for path in ("/v1/models", "/api/images/models", "/api/health/images", "/metrics", "/api/v1/images/i/a.png/full"):
        assert (await http.get(path, headers=program)).status == 200, path
        assert origin.requests[-1].headers["authorization"] == "Bearer token-of-program-two"
    count = len(origin.requests)
    for method, path in (
        ("GET", "/api/v1/boards/"),
        ("DELETE", "/api/v1/images/i/a.png"),
        ("GET", "/api/v1/queue/default/status"),
    ):
        assert (await http.request(method, path, headers=program)).status == 403
    assert len(origin.requests) == count
    # the owner needs no second token
    assert (await http.get("/v1/models", headers=BEARER)).status == 200
    assert origin.requests[-1].headers["authorization"] == "Bearer token-of-program-one"


async def test_every_route_that_asks_for_an_api_token_opens_for_one_and_no_other_does(
    http: aiohttp.ClientSession, origin: RecordingOrigin, tmp_path: Path
) -> None:
    program = {"authorization": "Bearer token-of-program-two"}
    asking = []
    for route in create_app(AppConfig(root=tmp_path)).routes:
        if not isinstance(route, APIRoute) or route.path in PICTURES_OF_THE_ROUTER:
            continue
        path = re.sub(r"{[^}]+}", "a", route.path)
        asks = any(dependency.call is require_token for dependency in route.dependant.dependencies)
        for method in route.methods:
            answer = await http.request(method, path, headers=program)
            assert answer.status == (200 if asks else 403), (method, path)
            if asks:
                assert origin.requests[-1].headers["authorization"] == "Bearer token-of-program-two"
                assert (await http.request(method, path, headers=BEARER)).status == 200
                assert origin.requests[-1].headers["authorization"] == "Bearer token-of-program-one", (
                    "the owner needs no second"
                )
                asking.append(path)
    assert {"/v1/images/generations", "/api/images/generate", "/metrics"} <= set(asking)


async def test_guessing_is_slowed_down(http: aiohttp.ClientSession) -> None:
    answers = [(await http.post("/access", json={"token": f"guess {n}"})).status for n in range(14)]
    assert answers.count(401) <= 10 and 429 in answers
    page = await http.post("/access", data={"token": "guess"})
    assert page.status == 429 and "Too many attempts" in await page.text()
    bearer = await http.get("/api/v1/app/version", headers={"authorization": "Bearer guess"})
    assert bearer.status == 429 and bearer.headers["retry-after"]


async def test_who_guesses_too_often_is_not_told_which_token_is_right(
    http: aiohttp.ClientSession, origin: RecordingOrigin
) -> None:
    async def ask(token: str, **headers: str) -> int:
        return (await http.get("/v1/models", headers={"authorization": f"Bearer {token}", **headers})).status

    # the right ones are not counted
    assert {await ask(token) for token in ("token-of-program-one", ACCESS_TOKEN) for _ in range(12)} == {200}
    answers = [await ask(f"guess {n}") for n in range(14)]
    assert answers[0] == 401 and answers[-1] == 429
    reached = len(origin.requests)
    assert [await ask("token-of-program-one"), await ask(ACCESS_TOKEN)] == [429, 429]
    assert len(origin.requests) == reached
    assert await ask("token-of-program-one", **{"cf-connecting-ip": "198.51.100.1"}) == 200


async def test_the_servers_answers_leave_with_security_headers(
    worker: CloudWorker, http: aiohttp.ClientSession
) -> None:
    answer = await http.get("/cached", headers=BEARER)
    assert answer.headers["cache-control"] == "private, max-age=60"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_over_https_the_cookie_belongs_to_this_host_alone(worker: CloudWorker, origin: RecordingOrigin) -> None:
    studio = "https://studio.example"
    own = {"origin": studio}
    form = {"content-type": "application/x-www-form-urlencoded"}
    signed_in = worker.dispatch(f"{studio}/access", "POST", headers=own | form, body=f"token={ACCESS_TOKEN}")
    assert signed_in["status"] == 303 and signed_in["headers"]["strict-transport-security"]
    cookie = signed_in["headers"]["set-cookie"].split("; ")
    assert cookie[0].startswith("__Host-studio=v1.") and {"Secure", "HttpOnly", "Path=/"} <= set(cookie)
    visit = {"cookie": cookie[0], "cf-ray": "8a1b-FRA"}
    assert worker.dispatch(f"{studio}/api/v1/boards/", "POST", headers=visit | own)["status"] == 200
    received = origin.requests[-1].headers
    assert (received["x-forwarded-proto"], received["x-forwarded-host"]) == ("https", "studio.example")
    assert received["x-request-id"] == "8a1b-FRA" and "cookie" not in received
    for elsewhere in ("http://studio.example", "https://evil.example", "https://studio.example.evil.example"):
        refused = worker.dispatch(f"{studio}/api/v1/boards/", "POST", headers=visit | {"origin": elsewhere})
        assert refused["status"] == 403, elsewhere
    plain = {"cookie": cookie[0].removeprefix("__Host-")}
    assert worker.dispatch(f"{studio}/access/session", headers=plain)["status"] == 401


def test_plain_http_leads_to_https_and_takes_no_token(worker: CloudWorker, origin: RecordingOrigin) -> None:
    for method in ("GET", "HEAD"):
        visit = worker.dispatch("http://studio.example:8080/access?a=%2Fb", method, headers=BEARER)
        assert (visit["status"], visit["headers"]["location"]) == (308, "https://studio.example/access?a=%2Fb")
    form = {"content-type": "application/x-www-form-urlencoded", "origin": "http://studio.example"}
    signing_in = worker.dispatch("http://studio.example/access", "POST", headers=form, body=f"token={ACCESS_TOKEN}")
    for answer in (signing_in, worker.dispatch("http://studio.example/v1/images/generations", "POST", headers=BEARER)):
        assert answer["status"] == 403 and "set-cookie" not in answer["headers"]
        assert "https://studio.example" in json.loads(answer["body"])["detail"]
    assert origin.requests == []
    assert worker.dispatch("http://localhost:8787/api/v1/app/version", headers=BEARER)["status"] == 200


async def test_the_server_is_not_overrun_and_pictures_do_not_count(origin: RecordingOrigin) -> None:
    worker = CloudWorker(origin.base_url, {"ALLOWED_ORIGINS": "https://other.example"}, api_limit=5)
    worker.put("images/a.png", b"a picture")
    try:
        headers = {"cookie": worker.sign_in()["cookie"], "origin": "https://other.example"}
        async with aiohttp.ClientSession(worker.base_url, headers=headers) as http:
            for _ in range(20):
                assert (await http.get("/api/v1/images/i/a.png/full")).status == 200
            answers = [(await http.post("/api/v1/boards/")).status for _ in range(12)]
        assert answers.count(200) in range(1, 11) and set(answers) == {200, 429}
        assert len(origin.requests) == answers.count(200)
        assert ACCESS_TOKEN not in worker.log_text()
    finally:
        worker.stop()


async def test_a_304_leaves_the_headers_of_what_the_browser_has(http: aiohttp.ClientSession) -> None:
    answer = await http.get("/unchanged", headers=BEARER)
    assert (answer.status, answer.headers["etag"]) == (304, '"1"')
    assert "content-security-policy" not in answer.headers and "cache-control" not in answer.headers


async def test_an_absent_server_is_told_in_a_sentence() -> None:
    worker = CloudWorker("http://127.0.0.1:1")
    try:
        async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
            answer = await http.get("/api/v1/app/version")
            assert answer.status == 503 and answer.headers["retry-after"] == "3"
            assert "try again" in (await answer.json())["detail"]
    finally:
        worker.stop()


async def test_a_body_that_is_no_token_is_not_read(http: aiohttp.ClientSession) -> None:
    for body in (b"{", b"[]", b"null", b'{"token": 5}', b" " * 5000 + json.dumps({"token": ACCESS_TOKEN}).encode()):
        answer = await http.post("/access", data=body, headers={"content-type": "application/json"})
        assert answer.status == 401
