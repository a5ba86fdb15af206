"""A key is sent to the address that it was given for, whoever changes the address afterwards."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from invokeai.app.api.routers.external_providers import external_providers_router
from invokeai.app.api.routers.image_generation import image_generation_router
from invokeai.app.api.routers.openai_images import openai_images_router
from invokeai.app.services.image_providers.credentials import FILE_NAME, ProviderCredentialsStore
from invokeai.app.services.image_providers.idempotent_calls import IdempotentCalls
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.providers.alibabacloud import AlibabaCloudImageService
from invokeai.app.services.image_providers.providers.openai import OpenAIImageService
from invokeai.app.services.image_providers.providers.openai_compatible import OpenAiCompatibleImageService
from invokeai.app.services.image_providers.providers.runware import RunwareImageService
from invokeai.app.services.image_providers.providers.workers_ai import WorkersAiImageService
from invokeai.app.services.image_providers.receipts import ReceiptStore
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.api.library_api import LibraryApi, library_api
from tests.app.api.routers.test_image_generation import Gallery
from tests.app.api.routers.test_model_manager import SERVICES
from tests.simulators.openai import OpenAISimulator
from tests.simulators.runware_socket import RunwareSocketSimulator
from tests.simulators.simulator import Simulator

CONFIG, STATUS = "/v1/app/external_providers/config", "/v1/app/external_providers/status"
SERVED = (
    OpenAIImageService,
    OpenAiCompatibleImageService,
    RunwareImageService,
    AlibabaCloudImageService,
    WorkersAiImageService,
)
BODY = {"prompt": "a fox", "model": "openai/gpt-image-2.6-flare"}


def generation_of(studio: SimpleNamespace) -> ImageServiceManager:
    store: ProviderCredentialsStore = studio.provider_credentials
    providers: list[ImageProvider] = [kind(partial(store.get, kind.info.provider_id)) for kind in SERVED]
    store.serve(providers)
    receipts = ReceiptStore(studio.database, DiskObjects(studio.config.root_path))
    return ImageServiceManager(providers, receipts, keys_of=store.keys)


@asynccontextmanager
async def studio(root: Path, **settings: Any) -> AsyncIterator[LibraryApi]:
    """The routers, with these settings."""

    def credentials_of(made: SimpleNamespace) -> ProviderCredentialsStore:
        made.config = made.config.model_copy(update=settings)
        return ProviderCredentialsStore(made.config)

    services = {**SERVICES, "provider_credentials": credentials_of, "image_generation": generation_of}
    services["images"] = lambda _: Gallery()
    services["idempotent_calls"] = lambda studio: IdempotentCalls(studio.database, studio.images)
    routers = [external_providers_router, image_generation_router, openai_images_router]
    async with library_api(root, routers, **services) as api:
        yield api
        await api.services.image_generation.aclose()


@pytest.fixture
def stranger() -> Iterator[OpenAISimulator]:
    """Whoever stands behind an address that somebody typed in."""
    yield from running(OpenAISimulator())


def running(simulator: Any) -> Iterator[Any]:
    simulator.start()
    yield simulator
    simulator.stop()


def keys_seen_by(server: Simulator) -> set[str | None]:
    return {seen.headers.get("Authorization") for seen in server.seen} - {None}


async def told_of(api: LibraryApi, provider: str) -> dict[str, Any]:
    status: dict[str, Any] = next(s for s in await api.json("GET", STATUS) if s["provider_id"] == provider)
    return status


async def test_a_configured_key_is_not_sent_to_an_address_that_is_typed_in(
    tmp_path: Path, stranger: OpenAISimulator
) -> None:
    keys = {name: SecretStr("sk-env") for name in ("openai", "openai_compatible")}
    async with studio(tmp_path, provider_keys=keys) as api:
        for name, needs_key in (("openai", True), ("openai_compatible", False)):
            answer = await api.json("POST", f"{CONFIG}/{name}", json={"base_url": stranger.base_url})
            assert answer["base_url"] == stranger.base_url and answer["api_key_configured"] is not needs_key
            status = await told_of(api, name)
            assert status["configured"] is not needs_key
            assert "given for another address" in status["message"] and "sk-env" not in status["message"]
        said = await api.refusal("POST", "/images/generate", 503, json=BODY)
        assert "Enter a key for that address too" in said and "provider_base_urls" in said
        assert keys_seen_by(stranger) == set()

        answer = await api.json("POST", f"{CONFIG}/openai", json={"api_key": stranger.key})
        assert answer["api_key_configured"] and (await told_of(api, "openai"))["configured"]
        await api.json("POST", "/images/generate", json=BODY)
        assert keys_seen_by(stranger) == {f"Bearer {stranger.key}"}

        await api.json("POST", f"{CONFIG}/openai", json={"base_url": None})
        assert api.services.provider_credentials.keys("openai") == ["sk-env"]
        assert "environment" in await api.refusal("POST", f"{CONFIG}/openai", 400, json={"api_key": "sk-2"})


async def test_a_key_that_was_typed_in_stays_with_its_address(tmp_path: Path, stranger: OpenAISimulator) -> None:
    async with studio(tmp_path) as api:
        await api.json("POST", f"{CONFIG}/openai", json={"api_key": "sk-typed", "base_url": "http://127.0.0.1:9"})
        answer = await api.json("POST", f"{CONFIG}/openai", json={"base_url": stranger.base_url})
        assert not answer["api_key_configured"] and stranger.seen == []
        assert not (await told_of(api, "openai"))["configured"]
        answer = await api.json("POST", f"{CONFIG}/openai", json={"base_url": "http://127.0.0.1:9/v1/"})
        assert answer["api_key_configured"], "it is back where it belongs"
    async with studio(tmp_path) as api:
        store: ProviderCredentialsStore = api.services.provider_credentials
        assert store.keys("openai") == ["sk-typed"], "after a restart too"
        store.save("openai", {"base_url": stranger.base_url})
        assert store.keys("openai") == []


async def test_a_call_under_way_takes_no_key_to_a_new_address(tmp_path: Path) -> None:
    async with studio(tmp_path, provider_keys={"openai": SecretStr("sk-1,sk-2")}) as api:
        store: ProviderCredentialsStore = api.services.provider_credentials
        with api.services.image_generation.lines["openai"].keys.use() as key:
            assert store.get("openai").api_key == key
            store.save("openai", {"base_url": "https://elsewhere.example"})
            assert store.get("openai").api_key is None
            store.save("openai", {"base_url": "https://elsewhere.example", "api_key": "sk-there"})
            assert store.get("openai").api_key == "sk-there"
            store.save("openai", {"base_url": None})
            assert store.get("openai").api_key == key


async def test_a_call_under_way_keeps_the_key_that_sent_it(tmp_path: Path) -> None:
    async with studio(tmp_path) as api:
        store: ProviderCredentialsStore = api.services.provider_credentials
        store.save("openai", {"api_key": "sk-old"})
        with api.services.image_generation.lines["openai"].keys.use():
            store.save("openai", {"api_key": "sk-new"})
            assert store.get("openai").api_key == "sk-old" and store.keys("openai") == ["sk-new"]


@pytest.mark.parametrize(
    ("provider", "base_url", "goes"),
    [
        ("openai", "https://API.openai.com/v1", True),
        ("openai", "https://api.openai.com:8443", False),
        ("openai", "https://api.openai.com.evil.example", False),
        ("openai", "https://eu.api.openai.com", False),
        ("runware", "wss://ws-api.runware.ai", True),
        ("runware", "wss://ws-api.runware.ai.evil.example", False),
        ("alibabacloud", "https://dashscope.aliyuncs.com", True),
        ("alibabacloud", "https://ws-1.ap-southeast-1.maas.aliyuncs.com/api/v1", True),
        ("alibabacloud", "https://dashscope.oss-cn-beijing.aliyuncs.com", False),
        ("workers_ai", "https://gateway.ai.cloudflare.com/v1/acc/gate/workers-ai", True),
        ("workers_ai", "https://gateway.cloudflare.com/v1/acc/gate/workers-ai", False),
    ],
)
async def test_a_key_without_an_address_is_for_the_providers_own_hosts(
    tmp_path: Path, provider: str, base_url: str, goes: bool
) -> None:
    async with studio(tmp_path, provider_keys={provider: SecretStr("sk-env")}) as api:
        api.services.provider_credentials.save(provider, {"base_url": base_url})
        assert api.services.provider_credentials.keys(provider) == (["sk-env"] if goes else [])


async def test_a_key_beside_a_base_url_in_the_settings_is_for_that_address(tmp_path: Path) -> None:
    settings = {"provider_keys": {"openai": SecretStr("k")}, "provider_base_urls": {"openai": "https://mine.example"}}
    async with studio(tmp_path, **settings) as api:
        answer = await api.json("POST", f"{CONFIG}/openai", json={"base_url": "https://elsewhere.example"})
        assert answer == {"provider_id": "openai", "api_key_configured": True, "base_url": "https://mine.example"}


async def test_runwares_websocket_is_an_address_like_any_other(tmp_path: Path) -> None:
    for server in running(RunwareSocketSimulator()):
        url = server.base_url.replace("http://", "ws://", 1)
        async with studio(tmp_path) as api:
            answer = await api.json("POST", f"{CONFIG}/runware", json={"base_url": url, "api_key": server.key})
            assert answer == {"provider_id": "runware", "api_key_configured": True, "base_url": url}
            await api.json("POST", "/images/generate", json={"prompt": "a fox", "model": "runware/runware:101@1"})
            assert len(server.ledger) == 1
            answer = await api.json("POST", f"{CONFIG}/runware", json={"base_url": "wss://ws-api.runware.ai/v1"})
            assert answer["base_url"] == "wss://ws-api.runware.ai/v1" and not answer["api_key_configured"]


@pytest.mark.parametrize(
    ("provider", "base_url", "words"),
    [
        ("openai", "http://pictures.example.org", "must start with https://, so that the key is not read"),
        ("openai", "http://10.0.0.7:8000", "http:// is for this machine alone"),
        ("openai", "wss://api.openai.com", "must start with https://"),
        ("runware", "ws://ws-api.runware.ai", "must start with https:// or wss://"),
        ("openai", "https://a.example\\@api.openai.com", "nothing more"),
        ("openai", "https://name:word@a.example", "nothing more"),
        ("openai", "https://a.example/?key=1", "nothing more"),
        ("openai", "file:///etc", "nothing more"),
    ],
)
async def test_an_address_that_no_key_may_go_to_is_refused_and_nothing_changes(
    tmp_path: Path, provider: str, base_url: str, words: str
) -> None:
    async with studio(tmp_path) as api:
        await api.json("POST", f"{CONFIG}/{provider}", json={"api_key": "sk-1"})
        kept = (tmp_path / FILE_NAME).read_text()
        body = {"base_url": base_url, "api_key": "sk-2"}
        assert words in await api.refusal("POST", f"{CONFIG}/{provider}", 422, json=body)
        assert (tmp_path / FILE_NAME).read_text() == kept
        assert api.services.provider_credentials.get(provider).api_key == "sk-1"


@pytest.mark.parametrize(
    ("asked", "sent"),
    [({}, "low"), ({"quality": None}, "low"), ({"quality": "auto"}, "auto"), ({"style": "auto"}, "low")],
)
async def test_openais_routes_pass_an_explicit_auto_on_where_the_service_has_the_word(
    tmp_path: Path, stranger: OpenAISimulator, asked: dict[str, Any], sent: str
) -> None:
    settings = {
        "provider_keys": {"openai": SecretStr(stranger.key)},
        "provider_base_urls": {"openai": stranger.base_url},
        "provider_options": {"openai": {"quality": "low"}},
    }
    body = {"prompt": "a fox", "model": "openai/gpt-image-2.5-flare", "response_format": "url", **asked}
    async with studio(tmp_path, **settings) as api:
        await api.json("POST", "/v1/images/generations", json=body)
        assert [job.request["quality"] for job in stranger.ledger] == [sent]
