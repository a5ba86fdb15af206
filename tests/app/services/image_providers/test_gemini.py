"""Gemini: which picture counts, what a 200 without one means, the meanings of 429, sizes by class, and the price."""

import io
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invokeai.app.services.image_providers.gemini_models import MODELS
from invokeai.app.services.image_providers.generation import Cost, CostKind, ImageRequest, ImageResult
from invokeai.app.services.image_providers.http_answer import HttpAnswer
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.providers.gemini import GeminiImageService, cost_of
from invokeai.app.services.image_providers.receipts import CallKey
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, scene
from tests.app.services.image_providers.provider_cases.gemini import CASE
from tests.simulators.gemini import GeminiSimulator
from tests.simulators.simulator import Fault


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> GeminiSimulator:
    assert isinstance(bench.simulator, GeminiSimulator)
    return bench.simulator


def sent_config(bench: CloudBench) -> Any:
    return bench.simulator.ledger[-1].request["generationConfig"]


def size_of(result: ImageResult) -> tuple[int, int]:
    data = result.images[0].image
    assert isinstance(data, bytes)
    return Image.open(io.BytesIO(data)).size


async def test_the_last_picture_that_is_no_thought_is_the_result(bench: CloudBench) -> None:
    service_of(bench).drafts, service_of(bench).thoughts = 3, 2
    result = await bench.generate(bench.request(image_size="2K"))
    assert size_of(result) == (2048, 2048) and result.request_id == "resp-0"
    assert Decimal(result.cost.amount or 0) == bench.simulator.ledger[0].amount, "drafts are paid for too"


async def test_the_price_counts_prompt_picture_and_thoughts(bench: CloudBench) -> None:
    usage = {
        "promptTokenCount": 1000,
        "candidatesTokenCount": 1130,
        "thoughtsTokenCount": 200,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}, {"modality": "TEXT", "tokenCount": 10}],
    }
    told = cost_of({"usageMetadata": usage}, "gemini-nano-banana-2.1")
    assert told == Cost("0.036675", kind=CostKind.COMPUTED)  # .0015 in + .0336 picture + .001575 words and thoughts
    assert cost_of({"usageMetadata": usage}, "gemini-3-pro-image").amount == "0.13892"
    assert cost_of({"usageMetadata": usage}, "gemini-9-image") == Cost()
    assert cost_of({}, "gemini-nano-banana-2.1") == Cost()


async def test_without_the_kinds_of_tokens_the_price_is_an_estimate_on_the_high_side(bench: CloudBench) -> None:
    service_of(bench).details = False
    result = await bench.generate()
    assert result.cost.kind is CostKind.ESTIMATED
    assert Decimal(result.cost.amount or 0) >= bench.simulator.ledger[0].amount


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model_id)
async def test_estimates_never_understate(bench: CloudBench, model: Any) -> None:
    for number, size in enumerate(model.sizes):
        for pictures in (0, 2):
            request = bench.request(
                model_id=model.model_id, image_size=size, reference_images=(scene(64, 64),) * pictures
            )
            (estimate,) = bench.manager.estimate(request)
            await bench.generate(request, CallKey("s", f"{number} {pictures}"))
            assert estimate and Decimal(estimate.amount or 0) >= bench.simulator.ledger[-1].amount


async def test_another_model_than_asked_for_is_said_and_paid_at_its_price(bench: CloudBench) -> None:
    service_of(bench).used = "gemini-3-pro-image"
    result = await bench.generate()
    assert result.model_id == "gemini-3-pro-image" and "instead of gemini-nano-banana-2.1" in (result.note or "")
    assert Decimal(result.cost.amount or 0) == bench.simulator.ledger[0].amount


async def test_words_instead_of_a_picture_are_a_refusal_that_names_its_price(bench: CloudBench) -> None:
    service_of(bench).words = "I would rather talk about foxes."
    with pytest.raises(ProviderRefused, match=r"rather talk about foxes\..* cost 0\.\d+ USD"):
        await bench.generate()
    with pytest.raises(ProviderRefused):
        await bench.generate()
    row = await bench.receipt_row()
    assert bench.simulator.paid_requests == 1 and "Weighing" not in str(row)
    assert row["state"] == "refused" and Decimal(str(row["cost_amount"])) == bench.simulator.ledger[0].amount


def answer_with(finish: str, parts: Any = None, **more: Any) -> HttpAnswer:
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": finish, **more}
    return HttpAnswer(200, {}, json.dumps({"candidates": [candidate]}).encode())


@pytest.mark.parametrize(
    ("finish", "error", "words"),
    [
        ("IMAGE_SAFETY", ProviderRefused, "the picture was blocked .*Change the prompt or the seed"),
        ("IMAGE_RECITATION", ProviderRefused, "IMAGE_RECITATION"),
        ("PROHIBITED_CONTENT", ProviderRefused, "the prompt was blocked .*Change the prompt to"),
        ("NO_IMAGE", ProviderRefused, "nothing was drawn.*may have been billed"),
        ("IMAGE_OTHER", OutcomeUnknown, "IMAGE_OTHER.*may have been billed"),
        ("MALFORMED_RESPONSE", OutcomeUnknown, "may have been billed"),
        ("STOP", OutcomeUnknown, "may have been billed"),
    ],
)
async def test_a_200_without_a_picture(bench: CloudBench, finish: str, error: type[ProviderError], words: str) -> None:
    receipt = await bench.receipts.open(KEY, "gemini", MODELS[0].model_id, bench.request())
    with pytest.raises(error, match=words):
        await bench.provider.result_of(answer_with(finish), receipt)


async def test_a_draft_beside_a_refusal_is_no_result(bench: CloudBench) -> None:
    service_of(bench).finish = "IMAGE_SAFETY"
    with pytest.raises(ProviderRefused):
        await bench.generate()


async def test_a_picture_of_an_answer_that_broke_off_is_kept_with_a_note(bench: CloudBench) -> None:
    service_of(bench).finish = "MAX_TOKENS"
    assert "may be a draft" in ((await bench.generate()).note or "")


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    ("trouble", "error", "words"),
    [
        ("day is over", ProviderQuotaExhausted, "midnight in California"),
        ("no money", ProviderQuotaExhausted, "no pictures in it"),
    ],
)
async def test_a_quota_that_is_gone_is_no_rate_limit(
    bench: CloudBench, trouble: Any, error: type[ProviderError], words: str, listed: bool
) -> None:
    service_of(bench).listed_errors, service_of(bench).retry_delay = listed, "0.01s"
    bench.simulator.faults = [Fault("trouble", trouble)]
    with pytest.raises(error, match=words):
        await bench.generate()
    assert bench.simulator.paid_requests == 1


@pytest.mark.parametrize(("delay", "seconds"), [("52758s", 52758.0), ("3.700s", 3.7), ("soon", None)])
def test_the_hint_to_wait_is_read_from_the_details(delay: str, seconds: float | None) -> None:
    service = GeminiSimulator()
    service.retry_delay = delay
    body = service._limit(Fault("trouble", "rate limited")).body
    error = GeminiImageService().failure_of(HttpAnswer(429, {}, json.dumps(body).encode()))
    assert isinstance(error, ProviderRateLimited) and error.retry_after == seconds


def test_a_bare_429_and_an_overloaded_service() -> None:
    provider = GeminiImageService()
    assert isinstance(provider.failure_of(HttpAnswer(429, {}, b"")), ProviderRateLimited)
    overloaded = b'{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}'
    assert isinstance(provider.failure_of(HttpAnswer(503, {}, overloaded)), ProviderUnavailable)
    assert isinstance(provider.failure_of(HttpAnswer(503, {}, b"<html>")), OutcomeUnknown)
    late = b'{"error": {"code": 504, "message": "Deadline expired.", "status": "DEADLINE_EXCEEDED"}}'
    assert isinstance(provider.failure_of(HttpAnswer(504, {}, late)), OutcomeUnknown)


@pytest.mark.parametrize(
    ("width", "height", "size", "sent"),
    [
        (1024, 1024, None, ("1:1", "1K")),
        (1376, 768, "1K", ("16:9", "1K")),
        (1344, 768, None, ("16:9", "1K")),
        (1920, 1080, None, ("16:9", "2K")),
        (2048, 2048, "2K", ("1:1", "2K")),
        (4096, 4096, None, ("1:1", "4K")),
        (512, 512, None, ("1:1", "1K")),
        (3072, 384, None, ("8:1", "1K")),
        (896, 1200, "4K", ("3:4", "4K")),
    ],
)
async def test_a_size_becomes_a_ratio_and_a_class(
    bench: CloudBench, width: int, height: int, size: str | None, sent: tuple[str, str]
) -> None:
    await bench.generate(bench.request(width=width, height=height, image_size=size))
    picture = sent_config(bench)["imageConfig"]
    assert (picture["aspectRatio"], picture["imageSize"]) == sent


@pytest.mark.parametrize(
    ("model_id", "changes", "words"),
    [
        (MODELS[0].model_id, {"width": 1000, "height": 2700}, "aspect ratios are 1:1"),
        (MODELS[0].model_id, {"image_size": "512"}, "sizes 1K, 2K, 4K"),
        (MODELS[0].model_id, {"width": 5120, "height": 5120}, "5120×5120 is none of them"),
        (MODELS[0].model_id, {"seed": 2**31}, "seeds are below"),
        (MODELS[0].model_id, {"options": {"thinking_level": "low"}}, "levels are minimal, medium, high, not low"),
        (MODELS[0].model_id, {"options": {"temperature": 2.5}}, "temperature"),
        (MODELS[0].model_id, {"prompt": " "}, "needs a prompt"),
        (MODELS[0].model_id, {"negative_prompt": "fog"}, "negative prompt"),
        ("gemini-3-pro-image", {"options": {"thinking_level": "high"}}, "none that can be set"),
        ("gemini-3-pro-image", {"width": 1024, "height": 256}, "aspect ratios"),
        ("gemini-3.1-flash-lite-image", {"image_size": "2K"}, "sizes 1K"),
        ("gemini-3.1-flash-image", {}, "retired.*gemini-nano-banana-2.1"),
        ("gemini-2.5-flash-image", {}, "retired"),
    ],
)
async def test_what_a_model_cannot_do_is_refused(
    bench: CloudBench, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(model_id=model_id, **changes))
    assert not bench.simulator.ledger


async def test_options_and_seed_are_sent(bench: CloudBench) -> None:
    options = {"thinking_level": "high", "temperature": 0.5}
    await bench.generate(bench.request(seed=7, options=options))
    assert sent_config(bench)["seed"] == 7 and sent_config(bench)["temperature"] == 0.5
    assert sent_config(bench)["thinkingConfig"] == {"thinkingLevel": "high"}
    await bench.generate(bench.request(), CallKey("session", "other"))
    assert sent_config(bench)["thinkingConfig"] == {"thinkingLevel": "medium"}, "thinking costs, so it is always named"
    assert "seed" not in sent_config(bench) and "temperature" not in sent_config(bench)


async def test_the_picture_to_edit_comes_first_and_fourteen_are_the_most(bench: CloudBench) -> None:
    others = tuple(scene(40 + n, 30) for n in range(13))
    await bench.generate(bench.request("img2img", init_image=scene(64, 48), reference_images=others))
    assert [picture.size for picture in service_of(bench).pictures_seen] == [(64, 48), *(p.size for p in others)]
    with pytest.raises(ProviderBadRequest, match="at most 14 pictures"):
        await bench.generate(
            bench.request("img2img", init_image=scene(64, 48), reference_images=(*others, scene(9, 9))),
            CallKey("session", "other"),
        )


async def test_a_picture_too_large_as_png_goes_as_jpeg(bench: CloudBench) -> None:
    noise = Image.effect_noise((1800, 1800), 90).convert("RGB")
    noise = Image.merge("RGB", (noise.getchannel(0), *(Image.effect_noise(noise.size, 90) for _ in range(2))))
    await bench.generate(bench.request("img2img", init_image=noise))
    assert [picture.format for picture in service_of(bench).pictures_seen] == ["JPEG"]


async def test_the_key_travels_in_its_own_header_alone(bench: CloudBench) -> None:
    await bench.generate()
    (seen,) = bench.simulator.seen
    assert seen.headers["x-goog-api-key"] == bench.key and "Authorization" not in seen.headers


def test_the_resolutions_that_the_ui_shows() -> None:
    presets = MODELS[0].capabilities.resolution_presets or []
    assert len(presets) == 3 * 14 and presets[0].label == "1:1 (1K)"
    wide = next(preset for preset in presets if (preset.aspect_ratio, preset.image_size) == ("16:9", "2K"))
    assert (wide.width, wide.height) == (2752, 1536)
    assert all(
        model.choice(preset.width, preset.height, preset.image_size) == (preset.aspect_ratio, preset.image_size)
        for model in MODELS
        for preset in model.capabilities.resolution_presets or ()
    )


def test_models_of_tomorrow_can_be_asked_for_and_others_not() -> None:
    provider = GeminiImageService()
    fox = ImageRequest(prompt="a red fox")
    dated = provider.custom_model("gemini-nano-banana-2.1-11-2026")
    assert dated is not None and "gemini-3.1" not in dated.name and provider.estimate(fox, dated)
    later = provider.custom_model("gemini-nano-banana-3")
    assert later is not None and provider.estimate(fox, later) is None
    assert provider.custom_model("gemini-3-pro") is None and provider.custom_model("a/../gemini-image") is None


def test_the_version_may_stand_in_the_base_url() -> None:
    for url in ("https://g.example", "https://g.example/v1beta/"):
        known = ProviderCredentials("k", url)
        assert GeminiImageService(lambda known=known: known).base_url() == "https://g.example/v1beta"  # type: ignore[misc]
