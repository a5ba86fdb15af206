"""DashScope: errors inside 200, sizes with an asterisk, switches set on purpose, storage that is its own."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.image_providers.generation import Cost, CostKind
from invokeai.app.services.image_providers.http_answer import HttpAnswer
from invokeai.app.services.image_providers.picture_addresses import UnsafePicture
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.providers.alibabacloud import AlibabaCloudImageService, _addresses
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, hole, scene
from tests.app.services.image_providers.provider_cases.alibabacloud import CASE
from tests.simulators.alibabacloud import AlibabaCloudSimulator
from tests.simulators.simulator import Fault


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> AlibabaCloudSimulator:
    assert isinstance(bench.simulator, AlibabaCloudSimulator)
    return bench.simulator


async def test_switches_that_a_user_does_not_see_are_set_on_purpose(bench: CloudBench) -> None:
    await bench.generate(bench.request(width=1328, height=800, seed=2**32 - 1, negative_prompt="fog", num_images=2))
    assert bench.simulator.ledger[0].request == {
        "size": "1328*800",
        "seed": 2**31 - 1,
        "prompt_extend": False,
        "n": 2,
        "negative_prompt": "fog",
        "watermark": False,
    }


async def test_they_can_be_asked_for(bench: CloudBench) -> None:
    await bench.generate(bench.request(options={"prompt_extend": True, "watermark": True}))
    sent = bench.simulator.ledger[0].request
    assert sent["prompt_extend"] is True and sent["watermark"] is True


async def test_a_model_without_them_gets_none_and_says_so(bench: CloudBench) -> None:
    with pytest.raises(ProviderBadRequest, match="without watermark"):
        await bench.generate(bench.request(model_id="z-image-turbo", options={"watermark": True}))
    await bench.generate(bench.request(model_id="z-image-turbo", seed=7))
    assert bench.simulator.ledger[0].request == {"size": "1024*1024", "seed": 7, "prompt_extend": False}


async def test_edits_send_pictures_before_the_words(bench: CloudBench) -> None:
    await bench.generate(bench.request("img2img", init_image=scene(64, 64), reference_images=(scene(48, 48),)))
    content = service_of(bench).sent[0].input.messages[0].content
    assert [part.image is not None for part in content] == [True, True, False]
    assert content[-1].text == "a red fox in the snow"


@pytest.mark.parametrize("in_200", [False, True])
@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ("no money", ProviderQuotaExhausted),
        ("refused prompt", ProviderRefused),
        ("refused output", ProviderRefused),
        ("server error", ProviderUnavailable),
    ],
)
async def test_an_error_is_one_whatever_the_status(
    bench: CloudBench, in_200: bool, trouble: str, error: type[ProviderError]
) -> None:
    service_of(bench).errors_in_200 = in_200
    bench.simulator.faults = [Fault("trouble", trouble)]  # type: ignore[arg-type]
    with pytest.raises(error) as failure:
        await bench.generate()
    assert bench.simulator.paid_requests == 1 and not bench.simulator.ledger
    if isinstance(failure.value, ProviderRefused):
        assert failure.value.stage == ("output" if trouble == "refused output" else "prompt")


async def test_throttling_inside_200_is_waited_for(bench: CloudBench) -> None:
    service_of(bench).errors_in_200 = True
    bench.simulator.faults = [Fault("trouble", "rate limited", retry_after=0.01)]
    assert len((await bench.generate()).images) == 1
    assert bench.simulator.paid_requests == 2 and len(bench.simulator.ledger) == 1


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "InvalidApiKey", ProviderAuthError),
        (403, "Model.AccessDenied", ProviderAuthError),
        (403, "AllocationQuota.FreeTierOnly", ProviderQuotaExhausted),
        (429, "Throttling", ProviderRateLimited),
        (400, "InvalidParameter.DataInspection", ProviderRefused),
        (400, "data_inspection_failed", ProviderRefused),
        (400, "InvalidURL", ProviderBadRequest),
        (404, "ModelNotFound", ProviderBadRequest),
        (502, "", OutcomeUnknown),
    ],
)
def test_codes_decide(status: int, code: str, error: type[ProviderError]) -> None:
    body = f'{{"code": "{code}", "message": "Words."}}'.encode()
    failure = AlibabaCloudImageService().failure_of(HttpAnswer(status, {}, body))
    assert type(failure) is error and failure.provider_code == (code or None)


async def test_cost_follows_the_number_of_pictures(bench: CloudBench) -> None:
    result = await bench.generate(bench.request(model_id="qwen-image-2.0-pro", num_images=3))
    assert Decimal(result.cost.amount or 0) == bench.simulator.ledger[0].amount == Decimal("0.225")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 256, "height": 256}, "512×512 to 2048×2048"),
        ({"width": 4096, "height": 2048}, "512×512 to 2048×2048"),
        ({"negative_prompt": "x" * 501}, "at most 500 characters"),
        ({"reference_images": (scene(8, 8),) * 4}, "at most 3 reference images"),
    ],
)
async def test_what_it_cannot_do_is_refused_before_anything_is_sent(
    bench: CloudBench, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(**changes))
    assert not bench.simulator.seen


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://dashscope-intl.aliyuncs.com"),
        ("https://dashscope.aliyuncs.com/api/v1/", "https://dashscope.aliyuncs.com"),
        ("https://abc.ap-southeast-1.maas.aliyuncs.com", "https://abc.ap-southeast-1.maas.aliyuncs.com"),
        ("https://dashscope-us.aliyuncs.com/compatible-mode/v1", "https://dashscope-us.aliyuncs.com"),
    ],
)
def test_a_region_is_a_base_url(base: str | None, url: str) -> None:
    assert AlibabaCloudImageService(lambda: ProviderCredentials("k", base)).base_url() == url


def test_only_its_own_storage_is_trusted() -> None:
    provider = AlibabaCloudImageService()
    provider.check_result_address("https://dashscope-result-sgp.oss-ap-southeast-1.aliyuncs.com/a.png?Expires=1")
    for host in ("somebody.oss-cn-beijing.aliyuncs.com", "dashscope.example.org", "dashscope-aliyuncs.com"):
        with pytest.raises(UnsafePicture):
            provider.check_result_address(f"https://{host}/a.png")


def test_its_own_storage_is_fetched_over_tls() -> None:
    picture = {"image": "http://dashscope-result-sgp.oss-ap-southeast-1.aliyuncs.com/a.png"}
    answer = {"output": {"choices": [{"message": {"content": [picture, {"text": "a thought"}]}}]}}
    assert _addresses(answer) == ["https://dashscope-result-sgp.oss-ap-southeast-1.aliyuncs.com/a.png"]


def test_later_models_can_be_named_without_inventing_their_price() -> None:
    provider = AlibabaCloudImageService()
    dated, later = provider.custom_model("qwen-image-2.0-2026-03-03"), provider.custom_model("qwen-image-3.0-pro")
    assert dated and dated.price_per_image == "0.035" and later and later.price_per_image is None
    assert provider.custom_model("wan2.7-t2i") is None


WAN, EDIT = "wan2.5-t2i-preview", "wanx2.1-imageedit"


async def test_a_task_is_asked_for_after_a_restart_and_ordered_once(bench: CloudBench) -> None:
    bench.simulator.free_faults = [Fault("trouble", "server error")] * 4
    request = bench.request("txt2img", WAN, negative_prompt="fog", seed=2**31 + 5)
    with pytest.raises(PaidPictureLate):
        await bench.generate(request)
    bench.restart()
    result = await bench.generate(request)
    assert result.cost == Cost("0.03", kind=CostKind.ESTIMATED) and result.request_id == "req-task-0"
    sent = bench.simulator.ledger[0].request
    assert (sent["n"], sent["prompt_extend"], sent["watermark"], sent["seed"]) == (1, False, False, 5)
    assert bench.simulator.paid_requests == len(bench.simulator.ledger) == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("DataInspectionFailed", ProviderRefused),
        ("InvalidParameter", ProviderBadRequest),
        ("InternalError.Timeout", ProviderUnavailable),
        ("Throttling", ProviderUnavailable),
    ],
)
async def test_a_task_that_failed_costs_nothing_and_is_not_ordered_again(
    bench: CloudBench, code: str, error: type[ProviderError]
) -> None:
    service_of(bench).task_fails = {"code": code, "message": "The words of the task."}
    with pytest.raises(error, match="The words of the task") as failure:
        await bench.generate(bench.request("txt2img", WAN))
    assert failure.value.provider_code == code and not bench.simulator.ledger and bench.simulator.paid_requests == 1


async def test_pictures_that_failed_are_said_and_not_counted(bench: CloudBench) -> None:
    service_of(bench).one_fails = {"code": "InternalError.Timeout", "message": "The worker died."}
    result = await bench.generate(bench.request("txt2img", WAN, num_images=3))
    assert len(result.images) == 2 and result.cost.amount == "0.06"
    assert result.note == "1 of the pictures failed: The worker died."


async def test_a_task_whose_only_picture_failed_is_not_ordered_again(bench: CloudBench) -> None:
    service_of(bench).one_fails = {"code": "Throttling", "message": "The worker was busy."}
    with pytest.raises(ProviderUnavailable, match="The worker was busy"):
        await bench.generate(bench.request("txt2img", WAN))
    assert bench.simulator.paid_requests == 1 and not bench.simulator.ledger


async def test_a_task_that_is_forgotten_there_is_in_doubt(bench: CloudBench) -> None:
    bench.simulator.free_faults = [Fault("cut before")] * 4
    with pytest.raises(PaidPictureLate):
        await bench.generate(bench.request("txt2img", WAN))
    service_of(bench).tasks.clear()
    with pytest.raises(OutcomeUnknown, match="not known there any more"):
        await bench.generate(bench.request("txt2img", WAN))
    receipt = await bench.receipts.get(KEY.receipt_id)
    assert receipt is not None and receipt.state == "unknown" and bench.simulator.paid_requests == 1


async def test_the_mask_is_white_where_something_new_goes(bench: CloudBench) -> None:
    await bench.generate(bench.request("inpaint", EDIT, width=640, height=512, init_image=scene(300, 300)))
    files = service_of(bench).files
    mask = files["mask_image_url"].convert("L")
    assert files["base_image_url"].size == mask.size == (640, 512)
    assert hole(640, 512).getpixel((200, 150)) == 0, "ours is black there"
    assert (mask.getpixel((200, 150)), mask.getpixel((2, 2))) == (255, 0)
    assert bench.simulator.ledger[0].request["function"] == "description_edit_with_mask"


async def test_an_edit_by_words_has_a_strength(bench: CloudBench) -> None:
    await bench.generate(bench.request("img2img", EDIT, strength=0.3))
    sent = bench.simulator.ledger[0].request
    assert (sent["function"], sent["strength"], sent["watermark"]) == ("description_edit", 0.3, False)


@pytest.mark.parametrize(
    ("mode", "model_id", "changes", "words"),
    [
        ("txt2img", WAN, {"width": 512, "height": 512}, "from 768×768 to 1440×1440"),
        ("txt2img", WAN, {"width": 2304, "height": 512}, "at most 4 times"),
        ("txt2img", "wan2.2-t2i-plus", {"width": 1536, "height": 512}, "at most 1440×1440"),
        ("img2img", "wan2.7-image", {"reference_images": (scene(16, 16),) * 9}, "at most 9"),
        ("txt2img", "wan2.7-image", {"options": {"prompt_extend": True}}, "without prompt_extend"),
        ("inpaint", EDIT, {"strength": 0.5}, "no strength under a mask"),
        ("img2img", EDIT, {"width": 256}, "from 512 to 4096"),
    ],
)
async def test_what_a_model_of_wan_cannot_do_is_said_and_not_sent(
    bench: CloudBench, mode: Any, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(mode, model_id, **changes))
    assert not bench.simulator.seen
