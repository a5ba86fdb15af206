"""Seedream: named and exact sizes, switches set on purpose, fields that some models refuse, errors inside 200."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.image_providers import openai_stream
from invokeai.app.services.image_providers.generation import Cost, CostKind
from invokeai.app.services.image_providers.http_answer import HttpAnswer
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.providers import seedream
from invokeai.app.services.image_providers.providers.seedream import SeedreamImageService
from invokeai.app.services.image_providers.seedream_models import MODELS
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench, scene
from tests.app.services.image_providers.provider_cases.seedream import CASE
from tests.simulators.seedream import SOLD, SeedreamSimulator
from tests.simulators.simulator import noise

FLASH, PRO, OLD = "dola-seedream-5-0-flash-260915", "dola-seedream-5-0-pro-260628", "seedream-4-0-250828"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> SeedreamSimulator:
    assert isinstance(bench.simulator, SeedreamSimulator)
    return bench.simulator


async def test_the_mark_is_off_and_said_so(bench: CloudBench) -> None:
    await bench.generate(bench.request(options={}))
    sent = bench.simulator.ledger[0].request
    assert sent["watermark"] is False and "optimize_prompt_options" not in sent
    assert sent["sequential_image_generation"] == "disabled" and sent["output_format"] == "png"


async def test_the_nodes_options_are_honoured(bench: CloudBench) -> None:
    await bench.generate(bench.request(options={"watermark": True, "optimize_prompt": True}))
    sent = bench.simulator.ledger[0].request
    assert sent["watermark"] is True and sent["optimize_prompt_options"] == {"mode": "standard"}


@pytest.mark.parametrize(("model_id", "kind"), [(FLASH, "png"), (OLD, "jpeg")])
async def test_fields_that_a_model_refuses_are_left_out(bench: CloudBench, model_id: str, kind: str) -> None:
    await bench.generate(bench.request(model_id=model_id))
    sent = bench.simulator.ledger[0].request
    assert ("sequential_image_generation" in sent) == (model_id == OLD)
    assert service_of(bench).formats == [kind]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"width": 2304, "height": 1728, "image_size": "2K"}, "2304x1728"),
        ({"width": 1024, "height": 1024, "image_size": "2K"}, "2K"),
        ({"width": 2000, "height": 1900}, "2000x1900"),
    ],
)
async def test_sizes_are_exact_where_they_are_known_and_named_otherwise(
    bench: CloudBench, asked: dict[str, Any], sent: str
) -> None:
    await bench.generate(bench.request(**asked))
    assert bench.simulator.ledger[0].request["size"] == sent


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 1024, "height": 1024}, "it makes from 3,686,400 to 10,404,496 pixels in all, not 1024×1024"),
        ({"width": 4096, "height": 4096}, "pixels in all"),
        ({"image_size": "4K"}, "its sizes are 2K, 3K, not 4K"),
        ({"mode": "img2img", "reference_images": (scene(16, 16),) * 14}, "at most 14 pictures"),
        ({"reference_images": (scene(16, 16),) * 15}, "at most 14 reference images"),
        ({"seed": 1}, "takes no seed"),
        ({"negative_prompt": "fog"}, "takes no negative prompt"),
    ],
)
async def test_what_it_cannot_do_is_refused_before_anything_is_sent(
    bench: CloudBench, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(**changes))
    assert not bench.simulator.seen


async def test_every_size_that_the_ui_offers_is_one_that_the_model_makes() -> None:
    for model in MODELS:
        sold = SOLD[model.model_id]
        presets = model.capabilities.resolution_presets or []
        assert {preset.image_size for preset in presets} == set(model.words) == set(sold.words)
        for preset in presets:
            assert sold.least <= preset.width * preset.height <= sold.most, preset
        first = presets[0]
        usual = model.default_settings
        assert (usual.width, usual.height) == (first.width, first.height)


async def test_fourteen_pictures_go_along(bench: CloudBench) -> None:
    references = tuple(scene(16 + n, 16) for n in range(13))
    result = await bench.generate(bench.request("img2img", reference_images=references))
    assert len(result.images) == 1


async def test_cost_counts_input_pictures_where_they_cost_something(bench: CloudBench) -> None:
    request = bench.request(model_id=PRO, reference_images=(scene(16, 16),) * 3)
    (estimate,) = bench.manager.estimate(request)
    result = await bench.generate(request)
    assert estimate is not None
    assert Decimal(result.cost.amount or 0) == Decimal(estimate.amount or 0) == bench.simulator.ledger[0].amount
    assert result.cost.amount == "0.096"


@pytest.mark.parametrize("where", ["item_error", "whole_error"])
async def test_a_refused_picture_inside_200_is_a_refusal(bench: CloudBench, where: str) -> None:
    error = {"code": "OutputImageSensitiveContentDetected", "message": "The output image is sensitive."}
    setattr(service_of(bench), where, error)
    with pytest.raises(ProviderRefused, match="The output image is sensitive") as refusal:
        await bench.generate()
    assert refusal.value.stage == "output" and (await bench.receipt_row())["state"] == "refused"
    with pytest.raises(ProviderRefused):
        await bench.generate()
    assert bench.simulator.paid_requests == 1


async def test_a_failed_picture_inside_200_that_is_not_counted_costs_nothing(bench: CloudBench) -> None:
    service_of(bench).item_error = {"code": "InternalServiceError", "message": "The worker died."}
    with pytest.raises(ProviderUnavailable, match="The worker died"):
        await bench.generate()
    assert bench.simulator.paid_requests == 1 and (await bench.receipt_row())["state"] == "failed"


async def test_another_model_than_asked_for_is_said(bench: CloudBench) -> None:
    service_of(bench).reports = "seedream-5-0-lite-270101"
    result = await bench.generate()
    assert result.model_id == "seedream-5-0-lite-270101" and "used seedream-5-0-lite-270101" in (result.note or "")
    assert result.cost.amount == "0.035"


@pytest.mark.parametrize(
    ("status", "code", "error", "stage"),
    [
        (400, "InputTextSensitiveContentDetected", ProviderRefused, "prompt"),
        (400, "InputImageSensitiveContentDetected.PrivacyInformation", ProviderRefused, "input_image"),
        (400, "OutputImageSensitiveContentDetected.PolicyViolation", ProviderRefused, "output"),
        (400, "InvalidParameter", ProviderBadRequest, None),
        (401, "AuthenticationError", ProviderAuthError, None),
        (403, "AccountOverdueError", ProviderQuotaExhausted, None),
        (429, "SetLimitExceeded", ProviderQuotaExhausted, None),
        (429, "ServerOverloaded", ProviderRateLimited, None),
        (404, "ModelNotOpen", ProviderBadRequest, None),
        (500, "InternalServiceError", OutcomeUnknown, None),
    ],
)
def test_codes_decide(status: int, code: str, error: type[ProviderError], stage: str | None) -> None:
    body = f'{{"error": {{"code": "{code}", "message": "Words.", "type": "X"}}}}'.encode()
    failure = SeedreamImageService().failure_of(HttpAnswer(status, {}, body))
    assert type(failure) is error and failure.provider_code == code and "Words." in str(failure)
    assert getattr(failure, "stage", None) == stage


def test_a_model_that_is_not_switched_on_says_where_it_is() -> None:
    body = b'{"error": {"code": "ModelNotOpen", "message": "Not activated."}}'
    assert "console.byteplus.com/ark" in str(SeedreamImageService().failure_of(HttpAnswer(404, {}, body)))


def test_other_dates_regions_and_endpoints() -> None:
    provider = SeedreamImageService()
    lite, pro = provider.custom_model("doubao-seedream-5-0-lite-260128"), provider.custom_model("doubao-" + PRO[5:])
    endpoint = provider.custom_model("ep-20261101-abcde")
    assert lite and lite.price_per_image == "0.035" and pro and pro.price_per_image == "0.09"
    assert endpoint and endpoint.price_per_image is None
    assert provider.custom_model("seedance-2-0") is None


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://ark.ap-southeast.bytepluses.com/api/v3"),
        ("https://ark.cn-beijing.volces.com", "https://ark.cn-beijing.volces.com/api/v3"),
        ("https://ark.cn-beijing.volces.com/api/v3/", "https://ark.cn-beijing.volces.com/api/v3"),
    ],
)
def test_a_region_is_a_base_url(base: str | None, url: str) -> None:
    assert SeedreamImageService(lambda: ProviderCredentials("k", base)).base_url() == url


async def test_a_series_shows_its_pictures_as_they_come(bench: CloudBench) -> None:
    shown: list[str] = []

    def listen(message: str, share: float | None, image: Any) -> None:
        assert image is not None and max(image.size) <= 512 and share is not None
        shown.append(message)

    service_of(bench).series_made = 3
    request = bench.request(options={"series": 4}, on_progress=listen)
    (estimate,) = bench.manager.estimate(request)
    result = await bench.generate(request)
    sent = bench.simulator.ledger[0].request
    assert sent["sequential_image_generation_options"] == {"max_images": 4} and sent["stream"] is True
    assert len(result.images) == 3 and shown == [f"Picture {n} of at most 4" for n in (1, 2, 3)]
    assert estimate is not None and estimate.amount == "0.140"
    assert result.cost == Cost("0.105", kind=CostKind.ESTIMATED) and bench.simulator.ledger[0].pictures == 3
    bench.restart()
    assert len((await bench.generate(request)).images) == 3 and bench.simulator.paid_requests == 1


async def test_a_picture_of_a_series_that_failed_is_said(bench: CloudBench) -> None:
    error = {"code": "OutputImageSensitiveContentDetected", "message": "The second is sensitive."}
    service_of(bench).series_fails = {1: error}
    result = await bench.generate(bench.request(options={"series": 3}))
    assert len(result.images) == 2 and "The second is sensitive" in (result.note or "")
    assert result.cost.amount == "0.070"


async def test_a_series_that_is_refused_whole_is_a_refusal(bench: CloudBench) -> None:
    error = {"code": "OutputImageSensitiveContentDetected", "message": "All are sensitive."}
    service_of(bench).series_fails = {0: error, 1: error}
    with pytest.raises(ProviderRefused, match="All are sensitive"):
        await bench.generate(bench.request(options={"series": 2}))


@pytest.mark.parametrize(("ends", "number"), [("early", 3), ("torn", 1)])
async def test_a_stream_that_breaks_off_leaves_what_had_come(bench: CloudBench, ends: Any, number: int) -> None:
    service_of(bench).stream_ends = ends
    request = bench.request(options={"series": 3})
    result = await bench.generate(request)
    assert len(result.images) == number and "broke off" in (result.note or "")
    assert result.cost.amount == str(Decimal("0.035") * number)
    bench.restart()
    assert len((await bench.generate(request)).images) == number and bench.simulator.paid_requests == 1


async def test_a_series_that_takes_too_long_leaves_what_had_come(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    service_of(bench).stream_ends = "hangs"
    bench.simulator.picture_bytes = bench.simulator.picture(16, 16, "small is quicker")
    monkeypatch.setattr(seedream, "TO_KEEP_SECONDS", MODELS[0].timeout_seconds - 1)
    result = await bench.generate(bench.request(options={"series": 3}))
    assert len(result.images) == 1 and "broke off" in (result.note or "")


async def test_a_series_longer_than_any_answer_may_be_leaves_what_had_come(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.simulator.picture_bytes = noise(160, 160, "not compressed")
    monkeypatch.setattr(openai_stream, "MAX_ANSWER_BYTES", 2.5 * len(bench.simulator.picture_bytes) * 4 / 3)
    result = await bench.generate(bench.request(options={"series": 3}))
    assert len(result.images) == 2 and "broke off" in (result.note or "")


async def test_an_error_at_the_end_of_a_series_is_said(bench: CloudBench) -> None:
    service_of(bench).stream_ends = "error"
    result = await bench.generate(bench.request(options={"series": 2}))
    assert len(result.images) == 2 and "The series was given up" in (result.note or "")


@pytest.mark.parametrize(
    ("model_id", "changes", "words"),
    [
        (FLASH, {"options": {"series": 3}}, "makes no series"),
        (OLD, {"options": {"series": 16}}, "2 to 15 pictures"),
        (OLD, {"options": {"series": True}}, "2 to 15 pictures"),
        (OLD, {"options": {"series": 12}, "reference_images": (scene(16, 16),) * 4}, "at most 15 together"),
    ],
)
async def test_a_series_that_cannot_be_is_said_and_not_sent(
    bench: CloudBench, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(model_id=model_id, **changes))
    assert not bench.simulator.seen
