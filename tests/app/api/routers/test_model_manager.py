"""Models and provider keys over HTTP, as the model manager tab uses them."""

import io
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from PIL import Image
from pydantic import SecretStr

from invokeai.app.api.routers.external_providers import external_providers_router
from invokeai.app.api.routers.model_install import model_install_router
from invokeai.app.api.routers.model_manager import model_manager_router
from invokeai.app.api.routers.model_relationships import model_relationships_router
from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities
from invokeai.app.services.image_providers.credentials import FILE_NAME, ProviderCredentialsStore
from invokeai.app.services.image_providers.image_model import ImageModel, PictureWork, ProviderInfo
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.metrics import ProviderMetrics
from invokeai.app.services.image_providers.providers.openai_compatible import OpenAiCompatibleImageService
from invokeai.app.services.image_providers.providers.sketch import SketchImageService
from invokeai.app.services.image_providers.receipts import ReceiptStore
from invokeai.app.services.image_providers.spend_reports import SpendReports
from invokeai.app.services.library_files.library_files import LibraryFileStore
from invokeai.app.services.model_manager.dummy_model_manager import DummyModelManagerService
from invokeai.app.services.model_manager.external_models import ExternalModels
from invokeai.app.services.model_manager.model_relationships import ModelRelationships
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.api.library_api import LibraryApi, library_api
from tests.app.services.image_providers.fake_providers import PaidImageService
from tests.simulators.openai_compatible import OpenAiCompatibleSimulator

ROUTERS = (model_manager_router, model_install_router, model_relationships_router, external_providers_router)
MODELS, PROVIDERS, RELATED = "/v2/models", "/v1/app/external_providers", "/v1/model_relationships"


class PaidWorker(PaidImageService):
    """With an upscaler that comes first by its name."""

    info: ClassVar[ProviderInfo] = replace(
        PaidImageService.info,
        models=(
            *PaidImageService.info.models,
            ImageModel(
                model_id="up",
                name="A Paid Upscaler",
                description="",
                capabilities=ExternalModelCapabilities(modes=["upscale"]),
                work=PictureWork(scales=(2,), usual_scale=2),
            ),
        ),
    )


def generation_of(studio: SimpleNamespace) -> ImageServiceManager:
    credentials = studio.provider_credentials
    providers = [PaidWorker(lambda: credentials.get("paid")), SketchImageService()]
    return ImageServiceManager(providers, ReceiptStore(studio.database, DiskObjects(studio.config.root_path)))


def models_of(studio: SimpleNamespace) -> DummyModelManagerService:
    covers = LibraryFileStore(DiskObjects(studio.config.root_path), "covers", 10_000_000)
    external = ExternalModels(studio.database, studio.image_generation, covers)
    return DummyModelManagerService(external, ModelRelationships(studio.database), studio.events)


GENERATORS = "?model_type=external_image_generator"

SERVICES: dict[str, Any] = {
    "provider_credentials": lambda studio: ProviderCredentialsStore(studio.config),
    "image_generation": generation_of,
    "model_manager": models_of,
    "spend_reports": lambda studio: SpendReports(studio.database),
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    async with library_api(tmp_path, ROUTERS, **SERVICES) as api:
        yield api


async def keys(api: LibraryApi, query: str = "") -> list[str]:
    return [model["key"] for model in (await api.json("GET", f"{MODELS}/{query}"))["models"]]


async def give_key(api: LibraryApi) -> None:
    await api.json("POST", f"{PROVIDERS}/config/paid", json={"api_key": "sk-1"})


async def test_the_list_has_every_member_that_the_ui_reads(api: LibraryApi) -> None:
    with api.database.counted() as trips:
        models = (await api.json("GET", f"{MODELS}/"))["models"]
    assert trips.count == 0
    flow = next(model for model in models if model["key"] == "sketch-flow")
    assert (
        flow["base"] == "external" and flow["type"] == "external_image_generator" and flow["format"] == "external_api"
    )
    assert flow["hash"] == "external:sketch:flow" and flow["source"] == flow["path"] == "external://sketch/flow"
    assert flow["capabilities"]["modes"] == ["txt2img", "img2img", "inpaint"]
    assert [control["name"] for control in flow["panel_schema"]["image"]] == ["dimensions", "seed"]
    assert set(flow) == {
        "key", "hash", "path", "file_size", "name", "description", "source", "source_type", "source_api_response",
        "source_url", "cover_image", "base", "type", "format", "provider_id", "provider_model_id", "capabilities",
        "default_settings", "panel_schema", "tags", "is_default",
    }  # fmt: skip


async def test_filters_and_order_of_the_list(api: LibraryApi) -> None:
    assert await keys(api, f"{GENERATORS}&order_by=name&direction=ASC") == [
        "sketch-flow",
        "sketch-mono",
        "sketch-symmetry",
    ]
    assert await keys(api, f"{GENERATORS}&order_by=name&direction=DESC") == [
        "sketch-symmetry",
        "sketch-mono",
        "sketch-flow",
    ]
    assert await keys(api, "?model_type=main") == await keys(api, "?base_models=flux") == []
    assert await keys(
        api, "?base_models=flux&base_models=external&model_type=external_image_generator&model_name=Sketch+Mono"
    ) == ["sketch-mono"]
    assert await keys(api, "missing") == []
    await api.json("GET", f"{MODELS}/?order_by=nonsense", 422)


async def test_models_that_work_on_a_picture_are_no_generators_and_a_free_upscaler_is_first(api: LibraryApi) -> None:
    await give_key(api)
    workers = await keys(api, "?model_type=spandrel_image_to_image")
    assert workers == ["sketch-lanczos", "paid-up", "sketch-edge-colour"]
    assert not set(workers) & set(await keys(api, "?model_type=external_image_generator"))
    attributes = "name=Sketch+Lanczos+Upscale&type=spandrel_image_to_image&base=external"
    assert (await api.json("GET", f"{MODELS}/get_by_attrs?{attributes}"))["key"] == "sketch-lanczos"


async def test_a_model_is_found_by_key_hash_and_attributes(api: LibraryApi) -> None:
    attributes = "name=Sketch+Flow&type=external_image_generator&base=external"
    for path in ("i/sketch-flow", "get_by_hash?hash=external:sketch:flow", f"get_by_attrs?{attributes}"):
        assert (await api.json("GET", f"{MODELS}/{path}"))["key"] == "sketch-flow"
    for path in ("i/gone", "get_by_hash?hash=x", "get_by_attrs?name=Sketch+Flow&type=main&base=sdxl"):
        assert await api.refusal("GET", f"{MODELS}/{path}", 404)


async def test_a_provider_without_a_key_shows_no_models_until_it_has_one(api: LibraryApi) -> None:
    assert "paid-pro" not in await keys(api)
    await give_key(api)
    assert "paid-pro" in await keys(api)
    await api.json("DELETE", f"{PROVIDERS}/config/paid")
    assert "paid-pro" not in await keys(api)


async def test_the_uis_own_save_of_an_external_model_is_accepted(api: LibraryApi) -> None:
    record = await api.json("GET", f"{MODELS}/i/sketch-flow")
    record["name"] = "My Flow"
    record["default_settings"] |= {"width": 768, "steps": None, "guidance": 3.5}
    record["capabilities"]["modes"] = ["txt2img"]
    changed = await api.json("PATCH", f"{MODELS}/i/sketch-flow", json=record)
    assert (changed["name"], changed["default_settings"]) == (
        "My Flow",
        {"width": 768, "height": 1024, "num_images": 1},
    )
    assert changed["capabilities"]["modes"] == ["txt2img", "img2img", "inpaint"]  # the provider's word
    fresh = models_of(api.services)
    await fresh.external.load()
    assert (await fresh.get_model("sketch-flow")).name == "My Flow"
    assert api.services.image_generation.route("sketch/flow").model.name == "My Flow"


async def test_impossible_changes_are_refused_and_change_nothing(api: LibraryApi) -> None:
    for changes in ({"provider_model_id": "other"}, {"default_settings": {"width": 0}}, {"name": "x" * 2000}):
        assert await api.refusal("PATCH", f"{MODELS}/i/sketch-flow", 422, json=changes)
    assert await api.refusal("PATCH", f"{MODELS}/i/gone", 404, json={"name": "x"})
    assert await api.database.fetch("SELECT * FROM external_models") == []


async def test_a_deleted_model_is_gone_until_it_is_installed_again(api: LibraryApi) -> None:
    assert await api.json("DELETE", f"{MODELS}/i/sketch-mono", 204) is None
    assert await keys(api, GENERATORS) == ["sketch-flow", "sketch-symmetry"]
    await api.json("DELETE", f"{MODELS}/i/sketch-mono", 404)
    done = await api.json("POST", f"{MODELS}/i/bulk_delete", json={"keys": ["sketch-flow", "gone", "sketch-flow"]})
    assert done == {"deleted": ["sketch-flow"], "failed": [{"key": "gone", "error": "There is no model 'gone'."}]}
    await api.json("POST", f"{MODELS}/install?source=external%3A%2F%2Fsketch%2Fmono&inplace=true", 201, json={})
    assert await keys(api, GENERATORS) == ["sketch-mono", "sketch-symmetry"]


async def test_installing_a_model_that_the_provider_does_not_list(api: LibraryApi) -> None:
    await give_key(api)
    api.published.clear()
    job = await api.json("POST", f"{MODELS}/install?source=external://paid/my-model&inplace=true", 201, json={})
    assert job["status"] == "completed" and job["config_out"]["key"] == "paid-my-model"
    assert job["source"] == {"provider_id": "paid", "provider_model_id": "my-model", "type": "external"}
    assert [event.event_name for event in api.published] == ["model_install_started", "model_install_complete"]
    assert api.published[1].model_dump()["config"]["name"] == "Paid my-model"
    changes = {"capabilities": {"modes": ["txt2img", "img2img"], "supports_seed": True}, "name": "Mine"}
    changed = await api.json("PATCH", f"{MODELS}/i/paid-my-model", json=changes)
    assert changed["capabilities"]["modes"] == ["txt2img", "img2img"] and changed["name"] == "Mine"
    assert api.services.image_generation.route("paid/my-model").model.capabilities.supports_seed
    assert [job["id"] for job in await api.json("GET", f"{MODELS}/install")][1:] == [job["id"]]
    assert await api.refusal("POST", f"{MODELS}/install/{job['id']}/pause", 409)
    await api.json("DELETE", f"{MODELS}/install", 204)
    await api.json("GET", f"{MODELS}/install/{job['id']}", 404)
    await api.json("DELETE", f"{MODELS}/i/paid-my-model", 204)
    assert await api.database.fetch("SELECT * FROM external_models") == []


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ("external://bad", 409, "external://provider/model"),
        ("external://acme/x", 404, "no image provider 'acme'"),
        ("external://sketch/unheard", 404, "Sketch has no model 'unheard'"),
        ("stabilityai/sdxl", 400, "without local models"),
        ("/etc/passwd", 400, "without local models"),
    ],
)
async def test_what_cannot_be_installed_is_refused_in_words(
    api: LibraryApi, source: str, status: int, words: str
) -> None:
    assert words in await api.refusal("POST", f"{MODELS}/install", status, params={"source": source}, json={})
    assert await api.json("GET", f"{MODELS}/install") == [] and api.published == []


async def test_covers(api: LibraryApi) -> None:
    await api.json("GET", f"{MODELS}/i/sketch-flow/image", 404)
    buffer = io.BytesIO()
    Image.new("RGB", (900, 300), "teal").save(buffer, "PNG")
    files = {"image": ("cover.png", buffer.getvalue(), "image/png")}
    assert await api.json("PATCH", f"{MODELS}/i/sketch-flow/image", files=files) is None
    first = (await api.json("GET", f"{MODELS}/i/sketch-flow"))["cover_image"]
    answer = await api.client.get(f"/{first}")
    assert answer.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).size == (256, 85)
    await api.json("PATCH", f"{MODELS}/i/sketch-flow/image", files=files)
    assert (await api.json("GET", f"{MODELS}/i/sketch-flow"))["cover_image"] != first
    assert len(list((api.root / "covers").iterdir())) == 1
    text = {"image": ("cover.png", b"not a picture", "image/png")}
    assert await api.refusal("PATCH", f"{MODELS}/i/sketch-flow/image", 415, files=text)
    assert await api.refusal("PATCH", f"{MODELS}/i/gone/image", 404, files=files)
    await api.json("DELETE", f"{MODELS}/i/sketch-flow/image", 204)
    assert (await api.json("GET", f"{MODELS}/i/sketch-flow"))["cover_image"] is None
    assert list((api.root / "covers").iterdir()) == []


async def test_questions_about_local_models_are_answered_truthfully(api: LibraryApi) -> None:
    assert await api.json("GET", f"{MODELS}/hf_login") == "invalid"
    assert await api.json("GET", f"{MODELS}/stats") is None
    assert await api.json("GET", f"{MODELS}/starter_models") == {"starter_models": [], "starter_bundles": {}}
    assert await api.json("GET", f"{MODELS}/sync/orphaned") == []
    assert await api.json("POST", f"{MODELS}/empty_model_cache") is None
    refused = (
        ("GET", "scan_folder?scan_path=/"), ("GET", "hugging_face?hugging_face_repo=a/b"),
        ("PUT", "convert/sketch-flow"), ("POST", "i/sketch-flow/reidentify"), ("GET", "install/huggingface?source=a/b"),
    )  # fmt: skip
    for method, path in refused:
        assert "without local models" in await api.refusal(method, f"{MODELS}/{path}", 400)
    assert "token" in await api.refusal("POST", f"{MODELS}/hf_login", 400, json={"token": "hf_x"})


async def test_relations(api: LibraryApi) -> None:
    pair = {"model_key_1": "sketch-mono", "model_key_2": "sketch-flow"}
    assert await api.json("POST", f"{RELATED}/batch", json={"model_keys": []}) == []
    await api.json("POST", f"{RELATED}/", 204, json=pair)
    await api.json("POST", f"{RELATED}/", 204, json=pair)
    assert await api.json("GET", f"{RELATED}/i/sketch-flow") == ["sketch-mono"]
    assert await api.json("POST", f"{RELATED}/batch", json={"model_keys": ["sketch-mono"]}) == ["sketch-flow"]
    assert await api.refusal("POST", f"{RELATED}/", 404, json=pair | {"model_key_1": "gone"})
    assert await api.refusal("POST", f"{RELATED}/", 422, json=dict.fromkeys(pair, "sketch-flow"))
    await api.json("DELETE", f"{RELATED}/", 204, json=pair)
    assert await api.refusal("DELETE", f"{RELATED}/", 404, json=pair)
    assert await api.json("GET", f"{RELATED}/i/sketch-flow") == []


async def test_sketch_counts_as_configured_and_takes_no_key(api: LibraryApi) -> None:
    assert await api.json("GET", f"{PROVIDERS}/config") == [
        {"provider_id": "paid", "api_key_configured": False, "base_url": None},
    ]
    paid, sketch = await api.json("GET", f"{PROVIDERS}/status")
    assert paid["message"].startswith("No API key is set for Paid.") and not paid["configured"]
    assert sketch["configured"]
    assert await api.refusal("POST", f"{PROVIDERS}/config/sketch", 400, json={"api_key": "k"}) == "Sketch needs no key."


async def test_the_usual_model_comes_first_where_no_order_is_asked_for(api: LibraryApi) -> None:
    await give_key(api)
    assert (await keys(api))[0] == "paid-pro"
    api.services.image_generation._default_model = "sketch/mono"
    assert (await keys(api))[0] == "sketch-mono" and (await keys(api, "?order_by=name"))[0] == "paid-pro"
    api.services.image_generation._default_model = "nobody/nothing"
    assert (await keys(api))[0] == "paid-pro"


async def test_a_first_key_tells_the_browsers_that_models_have_come(api: LibraryApi) -> None:
    await give_key(api)
    assert [event.event_name for event in api.published] == ["model_install_started", "model_install_complete"]
    assert api.published[1].model_dump()["key"] == "paid-pro"
    await give_key(api)
    assert len(api.published) == 2, "a second key is no news"


async def test_an_address_that_is_typed_in_brings_the_models_that_its_server_names(api: LibraryApi) -> None:
    server = OpenAiCompatibleSimulator()
    server.start()
    provider = OpenAiCompatibleImageService(lambda: api.services.provider_credentials.get("openai_compatible"))
    api.services.image_generation._providers["openai_compatible"] = provider
    api.services.image_generation.metrics["openai_compatible"] = ProviderMetrics()
    body = {"api_key": server.key, "base_url": server.base_url}
    answer = await api.json("POST", f"{PROVIDERS}/config/openai_compatible", json=body)
    await provider.aclose()
    server.stop()
    assert answer["api_key_configured"] and answer["base_url"] == server.base_url
    assert {"openai_compatible-stable-diffusion", "openai_compatible-team-flux"} <= set(await keys(api))
    assert api.published[-1].model_dump()["key"] == "openai_compatible-stable-diffusion"
    assert [seen.path for seen in server.seen] == ["/v1/models"]


async def test_a_key_goes_in_and_never_comes_out(api: LibraryApi) -> None:
    body = {"api_key": "sk-very-secret", "base_url": "http://127.0.0.1:9"}
    answer = await api.json("POST", f"{PROVIDERS}/config/paid", json=body)
    assert answer == {"provider_id": "paid", "api_key_configured": True, "base_url": "http://127.0.0.1:9"}
    assert stat.S_IMODE((api.root / FILE_NAME).stat().st_mode) == 0o600
    for path in (f"{PROVIDERS}/config", f"{PROVIDERS}/status", f"{MODELS}/"):
        assert "very-secret" not in (await api.client.get(f"/api{path}")).text
    cleared = await api.json("POST", f"{PROVIDERS}/config/paid", json={"base_url": None})
    assert cleared["base_url"] is None and not cleared["api_key_configured"], "it was for that address"
    gone = await api.json("DELETE", f"{PROVIDERS}/config/paid")
    assert gone == {"provider_id": "paid", "api_key_configured": False, "base_url": None}


async def test_wrong_provider_settings_are_refused(api: LibraryApi) -> None:
    assert await api.refusal("POST", f"{PROVIDERS}/config/acme", 404, json={"api_key": "k"})
    assert await api.refusal("POST", f"{PROVIDERS}/config/paid", 400, json={})
    assert await api.refusal("POST", f"{PROVIDERS}/config/paid", 422, json={"api_key": "a b"})
    assert await api.refusal("POST", f"{PROVIDERS}/config/paid", 422, json={"base_url": "file:///etc"})


async def test_a_key_from_the_environment_wins_and_says_so(api: LibraryApi) -> None:
    api.services.config.provider_keys["paid"] = SecretStr("sk-env")
    assert "environment" in await api.refusal("POST", f"{PROVIDERS}/config/paid", 400, json={"api_key": "k"})
    paid, _ = await api.json("GET", f"{PROVIDERS}/status")
    assert paid["configured"] and "settings or environment" in paid["message"]
