"""Cloudflare Workers AI: where the account comes from, a body for every model, the codes, and what a picture costs."""

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.http_answer import HttpAnswer
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.providers.workers_ai import WorkersAiImageService
from invokeai.app.services.image_providers.receipts import CallKey
from invokeai.app.services.image_providers.workers_ai_models import MODELS
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, hole, scene
from tests.app.services.image_providers.provider_cases.workers_ai import CASE
from tests.simulators.simulator import Fault
from tests.simulators.workers_ai import ACCOUNT, WorkersAiSimulator

SCHNELL, DEV, PHOENIX = "black-forest-labs/flux-1-schnell", "black-forest-labs/flux-2-dev", "leonardo/phoenix-1.0"
INPAINT = "runwayml/stable-diffusion-v1-5-inpainting"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> WorkersAiSimulator:
    assert isinstance(bench.simulator, WorkersAiSimulator)
    return bench.simulator


def provider_at(url: str | None) -> WorkersAiImageService:
    return WorkersAiImageService(lambda: ProviderCredentials("k", url))


@pytest.mark.parametrize("ending", ["", "/", "/ai", "/ai/run/"])
def test_the_account_may_stand_in_the_base_url(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.delenv("CLOUDFLARE_ACCOUNT_ID", raising=False)
    url = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}"
    provider = provider_at(f"{url}{ending}")
    assert provider.base_url() == url and provider.is_available()


@pytest.mark.parametrize("url", [None, "https://api.cloudflare.com", "https://api.cloudflare.com/client/v4"])
def test_or_in_the_environment(monkeypatch: pytest.MonkeyPatch, url: str | None) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    assert provider_at(url).base_url() == f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}"
    for account in ("", "../../x"):
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", account)
        assert "No account id is set" in (provider_at(url).get_unavailability_reason() or "")
        with pytest.raises(ProviderUnavailable, match="CLOUDFLARE_ACCOUNT_ID"):
            provider_at(url).base_url()


async def test_a_gateway_has_the_models_right_below_it(bench: CloudBench) -> None:
    receipt = await bench.receipts.open(KEY, "workers_ai", SCHNELL, bench.request())
    provider = provider_at("https://gateway.ai.cloudflare.com/v1/acc/gate/workers-ai")
    call = provider.call_for(bench.request(model_id=SCHNELL), MODELS[1], receipt)
    assert call.path == "/@cf/black-forest-labs/flux-1-schnell"


@pytest.mark.parametrize("path", ["", "/v1/acc/gate", "/v1/acc/gate/custom-mine", "/v1/acc/workers-ai/../custom-mine"])
def test_no_other_path_of_a_gateway_gets_the_token(path: str) -> None:
    provider = provider_at(f"https://gateway.ai.cloudflare.com{path}")
    assert "/<gateway>/workers-ai" in (provider.get_unavailability_reason() or "")
    with pytest.raises(ProviderUnavailable, match="/<gateway>/workers-ai"):
        provider.base_url()


async def test_the_account_stays_out_of_the_log(bench: CloudBench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await bench.generate()
    ours = [record for record in caplog.records if not record.name.startswith("aiohttp")]  # that is the simulator
    assert ours and not any(ACCOUNT in record.getMessage() for record in ours)


async def test_schnell_gets_its_prompt_and_steps_and_nothing_else(bench: CloudBench) -> None:
    result = await bench.generate(bench.request(model_id=SCHNELL))
    assert bench.simulator.ledger[0].request == {"prompt": "a red fox in the snow", "steps": 4, "model": SCHNELL}
    assert result.cost.amount == "0.0019008" and result.cost.kind is CostKind.REPORTED
    await bench.generate(bench.request(model_id=SCHNELL, steps=8), CallKey("s", "other"))
    assert bench.simulator.ledger[1].request["steps"] == 8


async def test_flux_2_is_a_form_even_for_a_bare_prompt(bench: CloudBench) -> None:
    await bench.generate(bench.request(model_id=DEV, width=768, height=512, steps=30, seed=7, guidance=3.5))
    asked = bench.simulator.ledger[0].request
    assert (asked["width"], asked["height"], asked["steps"], asked["seed"], asked["guidance"]) == (768, 512, 30, 7, 3.5)
    assert bench.simulator.seen[0].headers["Content-Type"].startswith("multipart/form-data")


async def test_references_are_shrunk_below_a_tile(bench: CloudBench) -> None:
    pictures = (scene(1024, 512), scene(200, 100))
    await bench.generate(bench.request(reference_images=pictures))
    sent = [(name, picture.size) for name, picture in service_of(bench).sent]
    assert sent == [("input_image_0", (511, 256)), ("input_image_1", (200, 100))]


async def test_a_mask_is_white_where_something_new_goes(bench: CloudBench) -> None:
    request = bench.request("inpaint", INPAINT, init_image=scene(512, 512), mask_image=hole(512, 512))
    await bench.generate(request)
    sent: dict[str, Image.Image] = dict(service_of(bench).sent)
    assert sent["image"].size == sent["mask"].size == (512, 512) and sent["mask"].mode == "L"
    assert sent["mask"].getpixel((200, 200)) == 255 and sent["mask"].getpixel((5, 5)) == 0
    assert sent["image"].getpixel((5, 500)) == (0x2F, 0x7A, 0x3A)


async def test_the_picture_to_change_is_base64_of_the_size_asked_for(bench: CloudBench) -> None:
    model_id = "runwayml/stable-diffusion-v1-5-img2img"
    await bench.generate(bench.request("img2img", model_id, init_image=scene(100, 80), width=640, strength=0.4))
    ((name, picture),) = service_of(bench).sent
    assert name == "image_b64" and picture.size == (640, 512)
    assert bench.simulator.ledger[0].request["strength"] == 0.4


async def test_an_answer_in_bytes_is_an_estimate_also_after_a_restart(bench: CloudBench) -> None:
    first = await bench.generate(bench.request(model_id=PHOENIX, steps=50))
    assert first.cost.kind is CostKind.ESTIMATED and Decimal(first.cost.amount or 0) == bench.simulator.ledger[0].amount
    bench.restart()
    again = await bench.generate(bench.request(model_id=PHOENIX, steps=50))
    assert again.cost == first.cost and bench.simulator.paid_requests == 1


async def test_an_error_where_bytes_were_expected_is_no_picture(bench: CloudBench) -> None:
    bench.simulator.faults = [Fault("trouble", "server error")]
    with pytest.raises(OutcomeUnknown, match="Max retries exhausted"):
        await bench.generate(bench.request(model_id=PHOENIX))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model_id)
async def test_estimates_never_understate(bench: CloudBench, model: Any) -> None:
    mode = model.capabilities.modes[0]
    side = model.capabilities.max_image_size.width if mode == "txt2img" else 512
    references = (scene(300, 300),) * (model.capabilities.max_reference_images or 0)
    request = bench.request(mode, model.model_id, width=side, height=side, reference_images=references)
    if mode != "txt2img":
        request = replace(request, init_image=scene(side, side))
    (estimate,) = bench.manager.estimate(request)
    await bench.generate(request)
    assert estimate and Decimal(estimate.amount or -1) >= bench.simulator.ledger[0].amount


async def test_a_picture_far_dearer_than_its_price_is_noted(bench: CloudBench) -> None:
    service_of(bench).times_dearer = 5
    result = await bench.generate()
    assert "another model" in (result.note or "")
    assert Decimal(result.cost.amount or 0) == bench.simulator.ledger[0].amount


async def test_without_the_header_the_cost_is_an_estimate(bench: CloudBench) -> None:
    service_of(bench).tells_neurons = False
    result = await bench.generate()
    assert result.cost.kind is CostKind.ESTIMATED and Decimal(result.cost.amount or 0) > 0


@pytest.mark.parametrize(
    ("status", "code", "error", "words"),
    [
        (429, 3036, ProviderQuotaExhausted, "00:00 UTC"),
        (429, 4006, ProviderQuotaExhausted, "00:00 UTC"),
        (400, 5007, ProviderBadRequest, "retired"),
        (400, 5004, ProviderBadRequest, "words"),
        (403, 5016, ProviderBadRequest, "Accept the model's terms"),
        (403, 5035, ProviderBadRequest, "Workers Paid"),
        (403, 5018, ProviderBadRequest, "may not use"),
        (413, 3006, ProviderBadRequest, "words"),
        (408, 3007, OutcomeUnknown, "may have been billed"),
        (408, 3008, OutcomeUnknown, "may have been billed"),
    ],
)
async def test_each_code_has_its_meaning(
    bench: CloudBench, status: int, code: int, error: type[ProviderError], words: str
) -> None:
    service_of(bench).error = (status, code, "The service's words.")
    with pytest.raises(error, match=words) as failure:
        await bench.generate()
    assert failure.value.provider_code == str(code) and bench.simulator.paid_requests == 1
    assert ACCOUNT not in f"{failure.value} {await bench.receipt_row()}"


def test_a_success_that_is_none_and_an_answer_that_is_nothing() -> None:
    provider = WorkersAiImageService()
    busy = b'{"success": false, "errors": [{"code": 3040, "message": "busy"}]}'
    assert provider.failure_of(HttpAnswer(200, {}, busy)).provider_code == "3040"
    assert isinstance(provider.failure_of(HttpAnswer(502, {}, b"<html>")), OutcomeUnknown)


@pytest.mark.parametrize(
    ("model_id", "changes", "words"),
    [
        (SCHNELL, {"width": 512, "height": 512}, "1024"),
        (SCHNELL, {"seed": 1}, "seed"),
        (SCHNELL, {"steps": 9}, "steps are from 1 to 8"),
        (SCHNELL, {"prompt": "x" * 2049}, "2,048 characters"),
        (PHOENIX, {"guidance": 1.0}, "guidance is from 2 to 10"),
        (MODELS[0].model_id, {"steps": 4}, "no steps"),
        (MODELS[0].model_id, {"width": 2048, "height": 1024}, "at most 1920×1920"),
        (MODELS[0].model_id, {"width": 128, "height": 1024}, "at least 256"),
        (MODELS[0].model_id, {"reference_images": (scene(8, 8),) * 5}, "at most 4 reference"),
        (MODELS[0].model_id, {"prompt": ""}, "needs a prompt"),
    ],
)
async def test_what_a_model_cannot_do_is_refused(
    bench: CloudBench, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(model_id=model_id, **changes))
    assert not bench.simulator.seen


async def test_flux_2_starts_from_a_picture_that_is_sent_small(bench: CloudBench) -> None:
    model = "black-forest-labs/flux-2-klein-4b"
    request = bench.request("img2img", model, reference_images=(scene(64, 48),))
    [estimate] = bench.manager.estimate(request)
    await bench.generate(request)
    assert [(name, picture.size) for name, picture in service_of(bench).sent] == [
        ("input_image_0", (511, 511)),
        ("input_image_1", (64, 48)),
    ]
    assert estimate is not None and Decimal(estimate.amount or 0) >= bench.simulator.ledger[0].amount
    with pytest.raises(ProviderBadRequest, match="at most 4 pictures"):
        await bench.generate(replace(request, reference_images=(scene(64, 48),) * 4), CallKey("session", "many"))
