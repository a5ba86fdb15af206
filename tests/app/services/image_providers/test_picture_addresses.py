"""Results come from the provider's hosts in the public network alone, whatever its names and redirects lead to."""

import asyncio
import socket
from typing import Any

import httpcore
import httpx
import pytest

from invokeai.app.services.image_providers import picture_addresses, result_pictures
from invokeai.app.services.image_providers.picture_addresses import (
    MAX_PICTURE_BYTES,
    MAX_PIXELS,
    UnsafePicture,
    check_address,
    is_public,
    public_address,
    public_transport,
)
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import OutcomeUnknown
from invokeai.app.services.image_providers.providers.runware import RunwareImageService
from tests.app.services.image_providers.fake_providers import png
from tests.simulators.simulator import noise

HOSTS, OWN = ("runware.ai",), "https://api.runware.ai"
ADDRESS = "https://im.runware.ai/x.png"


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_numbers_may_be_reached(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "192.0.0.8",
        "224.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:100.64.0.1",
        "::ffff:0:10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::", "fd00::1",
        "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_private_numbers_may_not_however_they_are_written(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://im.runware.ai/x.png", "https://im.runware.ai:8443/x.png", "https://runware.ai.example.org/x.png",
        "https://notrunware.ai/x.png", "https://runware.ai@example.org/x.png", "https://user:word@im.runware.ai/x.png",
        "https://[::ffff:127.0.0.1]/x.png", "https://127.0.0.1/x.png", "https://im.runware.ai./x.png", "https:///x.png",
        "https://im.runware.ai:99999/x.png", "ftp://im.runware.ai/x.png", "", "x.png",
    ],
)  # fmt: skip
def test_only_plain_addresses_of_the_providers_hosts_pass(url: str) -> None:
    check_address("https://im.runware.ai/image/x.png?s=1", HOSTS, OWN)
    with pytest.raises(UnsafePicture):
        check_address(url, HOSTS, OWN)


class Names:
    """The name server of an attacker: the first answer is public, every later one is this machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *first: str) -> None:
        self.asked: list[str] = []
        self.first = first
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.answer)

    async def answer(self, host: Any, port: int, **_: Any) -> list[Any]:
        self.asked.append(str(host))
        numbers = self.first if len(self.asked) == 1 else ("127.0.0.1",)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]


async def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(UnsafePicture, match="private network"):
        await public_address("im.runware.ai", 443)


async def test_a_name_is_looked_up_once_and_connected_to_by_that_number(monkeypatch: pytest.MonkeyPatch) -> None:
    names, reached = Names(monkeypatch, "8.8.8.8"), []

    async def connect(_: Any, host: str, port: int, *__: Any, **___: Any) -> Any:
        reached.append((host, port))
        raise httpcore.ConnectError("far enough")

    monkeypatch.setattr("httpcore._backends.auto.AutoBackend.connect_tcp", connect)
    async with httpx.AsyncClient(transport=public_transport(), trust_env=False) as client:
        with pytest.raises(httpx.ConnectError, match="far enough"):
            await client.get("https://im.runware.ai/x.png")
    assert reached == [("8.8.8.8", 443)] and names.asked == ["im.runware.ai"]


def runware(answer: Any) -> RunwareImageService:
    provider = RunwareImageService(lambda: ProviderCredentials("sk-canary"), httpx.MockTransport(answer))
    provider.pause_seconds = 0  # type: ignore[misc]
    return provider


@pytest.mark.parametrize("leads_to", ["https://example.org/x.png", "http://im.runware.ai/x.png", "//127.0.0.1/x.png"])
async def test_each_redirect_is_checked_as_the_first_address_was(leads_to: str) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(302, headers={"location": leads_to})

    with pytest.raises(OutcomeUnknown, match="not taken over"):
        await runware(answer).fetch_picture("https://im.runware.ai/x.png")
    assert len(seen) == 1 and "sk-canary" not in str(seen[0].headers)


async def test_a_redirect_to_the_providers_own_hosts_is_followed_but_not_for_ever() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/x.png":
            return httpx.Response(302, headers={"location": "https://cdn.runware.ai/y.png"})
        if request.url.path == "/y.png":
            return httpx.Response(200, content=png(8, 8))
        return httpx.Response(302, headers={"location": "/round"})

    assert await runware(answer).fetch_picture("https://im.runware.ai/x.png") == png(8, 8)
    with pytest.raises(OutcomeUnknown, match="too many redirects"):
        await runware(answer).fetch_picture("https://im.runware.ai/round")


async def test_a_file_without_end_is_given_up_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_pictures, "MAX_PICTURE_BYTES", 1000)
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 400

    with pytest.raises(OutcomeUnknown, match="more than 1000 bytes"):
        await runware(lambda _: httpx.Response(200, content=endless())).fetch_picture("https://im.runware.ai/x.png")
    assert sent <= 4


async def test_a_file_of_as_many_pixels_as_may_be_asked_for_is_taken_over_however_little_it_compresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = 256 * 256
    for module in (result_pictures, picture_addresses):  # the true bounds, smaller by the same factor
        monkeypatch.setattr(module, "MAX_PICTURE_BYTES", MAX_PICTURE_BYTES * pixels // MAX_PIXELS)
    monkeypatch.setattr(picture_addresses, "MAX_PIXELS", pixels)
    file, wider = noise(256, 256, "a fox"), noise(257, 256, "a fox")
    assert await runware(lambda _: httpx.Response(200, content=file)).fetch_picture(ADDRESS) == file
    with pytest.raises(OutcomeUnknown, match=r"65792 pixels are too many|more than"):
        await runware(lambda _: httpx.Response(200, content=wider)).fetch_picture(ADDRESS)
