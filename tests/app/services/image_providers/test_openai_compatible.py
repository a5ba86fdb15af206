"""A server of the user's choice: models from settings or from itself, key optional, pictures from its own address."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from invokeai.app.services.config.config import load_config
from invokeai.app.services.image_providers.credentials import ProviderCredentialsStore
from invokeai.app.services.image_providers.http_answer import HttpAnswer
from invokeai.app.services.image_providers.picture_addresses import UnsafePicture
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    PaidPictureLate,
    ProviderBadRequest,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.providers.openai_compatible import (
    OpenAiCompatibleImageService,
    picture_models,
)
from invokeai.app.services.shared.errors import NotFound
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, hole, scene
from tests.app.services.image_providers.provider_cases.openai_compatible import CASE
from tests.simulators.openai_compatible import OpenAiCompatibleSimulator
from tests.studio_process import StudioProcess


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


@pytest.fixture
async def unlisted(tmp_path: Path) -> AsyncIterator[CloudBench]:
    """In front of the same server, with no models in the settings."""
    async with cloud_bench(replace(CASE, configured_models=()), tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> OpenAiCompatibleSimulator:
    assert isinstance(bench.simulator, OpenAiCompatibleSimulator)
    return bench.simulator


async def test_without_a_base_url_it_says_what_to_set(bench: CloudBench) -> None:
    bench.base_url = ""
    with pytest.raises(ProviderUnavailable, match=r"No base URL is set .*OPENAI_COMPATIBLE_API_KEY"):
        await bench.generate()
    assert not bench.simulator.seen


async def test_a_server_without_keys_gets_none(bench: CloudBench) -> None:
    service_of(bench).asks_for_a_key, bench.key = False, ""
    assert len((await bench.generate()).images) == 1
    assert all("Authorization" not in seen.headers for seen in bench.simulator.seen)


@pytest.mark.parametrize("kind", ["url", "b64_json"])
async def test_pictures_come_as_address_or_text(bench: CloudBench, kind: str) -> None:
    service_of(bench).answers_with = kind
    result = await bench.generate()
    assert isinstance(result.images[0].image, bytes) and result.cost.amount is None
    assert len(bench.simulator.pictures) == (kind == "url")


@pytest.mark.parametrize("mode", ["txt2img", "inpaint"])
async def test_options_are_sent_as_they_are(bench: CloudBench, mode: Any) -> None:
    options = {"response_format": "b64_json", "quality": "hd"}
    await bench.generate(bench.request(mode, options=options))
    sent = bench.simulator.ledger[0].request
    assert {name: sent[name] for name in options} == options and not bench.simulator.pictures


async def test_the_server_is_asked_for_its_models_where_the_settings_name_none(unlisted: CloudBench) -> None:
    provider = unlisted.provider
    assert provider.models() == [] and provider.default_model() == ""
    await provider.refresh_models()
    assert [model.model_id for model in provider.models()] == ["stable-diffusion", "team/flux"]
    assert unlisted.manager.route().name == "openai_compatible/stable-diffusion"
    result = await unlisted.generate(unlisted.request(model_id="team/flux"))
    assert result.model_id == "team/flux"
    unlisted.base_url = "http://127.0.0.1:9"
    assert provider.models() == [], "those were the models of another server"
    await provider.refresh_models()
    assert provider.models() == []


async def test_settings_that_name_models_leave_the_server_unasked(bench: CloudBench) -> None:
    await bench.provider.refresh_models()
    assert not bench.simulator.seen and bench.provider.default_model() == "stable-diffusion"


async def test_a_model_that_is_not_listed_is_the_servers_to_refuse(bench: CloudBench) -> None:
    with pytest.raises(ProviderBadRequest, match="The model `gone` does not exist"):
        await bench.generate(bench.request(model_id="gone"))
    with pytest.raises(NotFound):
        bench.manager.route("no-such-model")


@pytest.mark.parametrize(
    ("items", "named"),
    [
        ([{"id": "a"}, {"id": "b", "type": "model"}], ("a", "b")),
        ([{"id": "chat", "type": "chat"}, {"id": "flux", "type": "image"}], ("flux",)),
        (
            [
                {"id": "x", "architecture": {"output_modalities": ["text"]}},
                {"id": "y", "architecture": {"output_modalities": ["image", "text"]}},
            ],
            ("y",),
        ),
        ("nonsense", ()),
        ([7, {"name": "no id"}], ()),
    ],
)
def test_only_models_that_make_pictures_are_listed_where_the_server_tells(items: object, named: tuple[str]) -> None:
    assert picture_models({"object": "list", "data": items}) == named


async def test_the_mask_is_transparent_where_something_new_goes(bench: CloudBench) -> None:
    await bench.generate(bench.request("inpaint", init_image=scene(64, 64), mask_image=hole(64, 64)))
    (mask,) = service_of(bench).masks
    assert mask.mode == "RGBA" and mask.size == (64, 64)
    assert mask.getpixel((24, 24))[3] == 0 and mask.getpixel((2, 2))[3] == 255


async def test_any_size_and_several_pictures_go_through(bench: CloudBench) -> None:
    pictures = (scene(32, 32), scene(48, 32))
    await bench.generate(bench.request("img2img", width=777, height=333, reference_images=pictures))
    assert bench.simulator.ledger[0].request["size"] == "777x333"
    assert bench.simulator.ledger[0].request["pictures"] == 3


async def test_another_model_than_asked_for_is_said(bench: CloudBench) -> None:
    receipt = await bench.receipts.open(KEY, "openai_compatible", "stable-diffusion", bench.request())
    service = service_of(bench)
    url = service.picture_url("x.png", service.picture(8, 8, "x"))
    body = f'{{"model": "other", "data": [{{"url": "{url}"}}]}}'.encode()
    result = await bench.provider.result_of(HttpAnswer(200, {}, body), receipt)
    assert result.model_id == "other" and "used other" in (result.note or "")


@pytest.mark.parametrize(
    ("address", "hosts", "may"),
    [
        ("https://pics.me.example:8443/a.png", (), True),
        ("https://pics.me.example/a.png", (), False),  # another port is another server
        ("https://pics.me.example:x/a.png", (), False),
        ("https://u@pics.me.example:8443/a.png", (), False),
        ("http://pics.me.example:8443/a.png", (), False),
        ("https://cdn.example/a.png", (), False),
        ("https://cdn.example/a.png", ("cdn.example",), True),
        ("https://cdn.example:444/a.png", ("cdn.example",), False),
        ("http://cdn.example/a.png", ("cdn.example",), False),
    ],
)
def test_pictures_are_fetched_from_the_server_and_from_hosts_that_the_settings_name(
    address: str, hosts: tuple[str, ...], may: bool
) -> None:
    known = ProviderCredentials(base_url="https://pics.me.example:8443/v1", result_hosts=hosts)
    provider = OpenAiCompatibleImageService(lambda: known)
    if may:
        provider.check_result_address(address)
    else:
        with pytest.raises(UnsafePicture):
            provider.check_result_address(address)


async def test_a_picture_elsewhere_can_be_had_once_its_host_is_allowed(bench: CloudBench) -> None:
    bench.simulator.picture_address = "https://cdn.example/a.png"
    with pytest.raises(PaidPictureLate, match=r"cdn\.example is not one of the provider's hosts"):
        await bench.generate()
    row = await bench.receipt_row()
    assert row["raw_answer"], "the answer is kept for the day when the host is allowed"


def test_settings_name_models_and_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOKEAI_PROVIDER_MODELS", '{"openai_compatible": "a, team/b"}')
    monkeypatch.setenv("INVOKEAI_PROVIDER_RESULT_HOSTS", '{"openai_compatible": ["cdn.example"]}')
    monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", "k")
    known = ProviderCredentialsStore(load_config(str(tmp_path))).get("openai_compatible")
    assert known.models == ("a", "team/b") and known.result_hosts == ("cdn.example",) and known.api_key == "k"


async def test_the_base_url_may_leave_the_version_out_or_have_a_path(bench: CloudBench) -> None:
    assert bench.provider.base_url() == f"{bench.simulator.base_url}/v1"
    bench.base_url = "https://host.example/v1/openai/"
    assert bench.provider.base_url() == "https://host.example/v1/openai"


def test_sizes_are_free() -> None:
    model = OpenAiCompatibleImageService().custom_model("any")
    assert model is not None and model.capabilities.max_image_size is None


async def test_a_picture_that_would_not_be_taken_over_is_not_asked_for(bench: CloudBench) -> None:
    with pytest.raises(ProviderBadRequest, match="at most 33,554,432 pixels"):
        await bench.generate(bench.request(width=8192, height=4112))
    assert bench.simulator.paid_requests == 0


def test_a_studio_asks_at_its_start_and_generates_at_once(tmp_path: Path) -> None:
    server = OpenAiCompatibleSimulator()
    server.start()
    settings = {
        "INVOKEAI_PROVIDER_BASE_URLS": f'{{"openai_compatible": "{server.base_url}/v1"}}',
        "OPENAI_COMPATIBLE_API_KEY": server.key,
    }
    studio = StudioProcess(tmp_path / "root", settings=settings)
    try:
        studio.start()
        with httpx.Client(base_url=studio.base_url, timeout=30) as client:
            for _ in range(1000):
                names = [model["name"] for model in client.get("/api/v2/models/").json()["models"]]
                if "team/flux" in names:
                    break
                time.sleep(0.01)
            body = {"prompt": "a fox", "model": "openai_compatible/team/flux", "width": 96, "height": 64}
            made = client.post("/api/images/generate", json=body).json()
    finally:
        studio.stop()
        server.stop()
    assert "team/flux" in names
    assert (made["provider"], made["model"], made["cost"]["kind"]) == ("openai_compatible", "team/flux", "unknown")
    assert [seen.path for seen in server.seen][:2] == ["/v1/models", "/v1/images/generations"]
