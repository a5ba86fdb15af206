"""What every paid provider owes the studio, asked of each one in front of its simulator, which keeps the bill."""

import asyncio
import io
import logging
import struct
import zlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from invokeai.app.services.image_providers.generation import CostKind, ImageRequest, ImageResult
from invokeai.app.services.image_providers.paid_work import see_through, wait_for_paid_work
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderAuthError,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.receipts import CallKey
from invokeai.app.services.shared.invocation_scope import CancelFlag
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, scene
from tests.app.services.image_providers.provider_cases import ProviderCase, all_cases
from tests.simulators.simulator import Fault

CASES = all_cases()
MODES = [(case, model.model_id, mode) for case in CASES for model in case.models() for mode in model.capabilities.modes]
EXTRA = [(case, model_id, "txt2img") for case in CASES for model_id in case.extra_models]


@pytest.fixture(params=CASES, ids=lambda case: case.label)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(request.param, tmp_path) as bench:
        yield bench


@pytest.mark.parametrize(("case", "model_id", "mode"), MODES + EXTRA, ids=lambda v: getattr(v, "label", v))
async def test_every_mode_of_every_model_makes_one_billed_picture(
    case: ProviderCase, model_id: str, mode: str, tmp_path: Path
) -> None:
    async with cloud_bench(case, tmp_path) as bench:
        model = bench.manager.route(f"{case.name}/{model_id}").model
        request = bench.request(mode, model_id)  # type: ignore[arg-type]
        result = await bench.generate(request)
        _check_pictures(result, 1)
        if model.work is not None:
            _check_size_and_alpha(result, request)
        assert result.model_id == model_id and result.provider_id == case.name and len(bench.simulator.ledger) == 1
        if model.capabilities.supports_reference_images and mode == "txt2img":
            references = (scene(256, 256), scene(320, 256))[: model.capabilities.max_reference_images or 2]
            request = bench.request("txt2img", model_id, reference_images=references)
            _check_pictures(await bench.generate(request, _other_key()), 1)
            assert len(bench.simulator.ledger) == 2


async def test_several_pictures_of_one_call_are_one_bill(bench: CloudBench) -> None:
    at_once = bench.manager.route(bench.request().model).model.capabilities.max_images_per_request or 4
    number = min(3, at_once)
    _check_pictures(await bench.generate(bench.request(num_images=number)), number)
    assert sum(job.pictures for job in bench.simulator.ledger) == number


async def test_cost_is_as_the_provider_can_tell_and_never_a_false_zero(bench: CloudBench) -> None:
    request = bench.request()
    estimates = bench.manager.estimate(request)
    result = await bench.generate(request)
    assert result.cost.kind is bench.case.cost_kind
    if result.cost.kind in (CostKind.REPORTED, CostKind.COMPUTED):
        assert Decimal(result.cost.amount or 0) == sum(job.amount for job in bench.simulator.ledger) > 0
    if result.cost.kind is CostKind.UNKNOWN:
        assert result.cost.amount is None
    for estimate in estimates:
        assert estimate is None or (estimate.kind is CostKind.ESTIMATED and Decimal(estimate.amount or 0) > 0)


def test_a_model_list_can_show_what_a_picture_would_cost() -> None:
    for case in CASES:
        for model in case.models():
            cost = case.provider().estimate(ImageRequest(prompt=""), model)
            assert cost is None or Decimal(cost.amount or -1) >= 0


async def test_a_wrong_key_is_said_without_showing_it(bench: CloudBench, caplog: pytest.LogCaptureFixture) -> None:
    bench.key = "sk-wrong-key-canary"
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderAuthError) as refusal:
        await bench.generate()
    assert "canary" not in f"{refusal.value!r} {refusal.value} {caplog.text} {await bench.receipt_row()}"
    assert not bench.simulator.ledger and (await bench.receipt_row())["state"] == "failed"


async def test_the_key_stays_out_of_everything(bench: CloudBench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        result = await bench.generate()
    kept = b"".join(path.read_bytes() for path in bench.folder.rglob("*") if path.is_file())
    assert kept and bench.key.encode() not in kept
    assert bench.key not in f"{result} {caplog.text} {await bench.receipt_row()} {bench.provider!r}"


async def test_without_a_key_nothing_is_sent(bench: CloudBench) -> None:
    if not bench.provider.info.needs_key:
        return  # its own cases say what happens then
    bench.key = ""
    with pytest.raises(ProviderError):
        await bench.generate()
    assert not bench.simulator.seen


async def test_a_rate_limit_is_waited_for_as_long_as_the_provider_says(bench: CloudBench) -> None:
    if not bench.case.hints_waits:
        return  # it is waited for seconds then
    bench.simulator.faults = [Fault("trouble", "rate limited", retry_after=0.05)]
    _check_pictures(await bench.generate(), 1)
    assert len(bench.simulator.ledger) == 1 and bench.simulator.paid_requests == 2


async def test_a_long_rate_limit_is_an_answer(bench: CloudBench) -> None:
    if not bench.case.hints_waits:
        return
    bench.simulator.faults = [Fault("trouble", "rate limited", retry_after=3000)] * 5
    with pytest.raises(ProviderRateLimited) as limit:
        await asyncio.wait_for(bench.generate(), 20)
    assert limit.value.provider_id == bench.case.name
    assert not bench.simulator.ledger and (await bench.receipt_row())["state"] == "failed"


async def test_an_empty_purse_is_not_waited_for(bench: CloudBench) -> None:
    bench.simulator.faults = [Fault("trouble", "no money")]
    with pytest.raises(ProviderQuotaExhausted) as failure:
        await bench.generate()
    assert failure.value.provider_code is not None or str(failure.value)
    assert bench.simulator.paid_requests == 1 and not bench.simulator.ledger


@pytest.mark.parametrize("trouble", ["refused prompt", "refused output"])
async def test_a_refusal_is_final_and_in_the_providers_words(bench: CloudBench, trouble: str) -> None:
    bench.simulator.faults = [Fault("trouble", trouble)]  # type: ignore[arg-type]
    with pytest.raises(ProviderRefused) as refusal:
        await bench.generate()
    assert len(str(refusal.value)) > 20 and bench.simulator.paid_requests == 1
    with pytest.raises(ProviderRefused):
        await bench.generate()
    assert bench.simulator.paid_requests == 1, "a refused call was sent again"


async def test_a_server_error_is_never_sent_again_by_itself(bench: CloudBench) -> None:
    bench.simulator.faults = [Fault("trouble", "server error")]
    with pytest.raises(bench.case.server_error) as failure:
        await bench.generate()
    assert failure.value.provider_id == bench.case.name and failure.value.model_id
    assert bench.simulator.paid_requests == 1


async def test_what_was_never_sent_is_certainly_free(bench: CloudBench) -> None:
    bench.base_url = "http://127.0.0.1:9"
    with pytest.raises(ProviderUnavailable):
        await bench.generate()
    assert (await bench.receipt_row())["state"] == "failed"
    bench.base_url = bench.simulator.base_url
    _check_pictures(await bench.generate(), 1)
    assert len(bench.simulator.ledger) == 1


@pytest.mark.parametrize("kind", ["cut after", "truncate", "garbage"])
async def test_a_lost_answer_is_found_or_said_and_never_paid_twice(bench: CloudBench, kind: str) -> None:
    bench.simulator.faults = [Fault(kind)]  # type: ignore[arg-type]
    for _ in range(3):
        try:
            result: ImageResult | None = await bench.generate()
        except OutcomeUnknown as error:
            result = None
            assert "may have been billed" in str(error)
        assert len(bench.simulator.ledger) == 1
        bench.restart()
    assert (result is not None) == bench.case.lost_answer_is_found


@pytest.mark.parametrize("status", [None, 502, 503, 504])
async def test_work_that_was_taken_before_an_error_is_found_or_said(bench: CloudBench, status: int | None) -> None:
    if status is None and not bench.case.server_error.may_be_billed:
        return  # the service's own words mean that nothing was made
    bench.simulator.faults = [Fault("error after", status=status)]
    if bench.case.lost_answer_is_found:
        _check_pictures(await bench.generate(), 1)
    else:
        with pytest.raises(OutcomeUnknown):
            await bench.generate()
        assert (await bench.receipt_row())["state"] == "unknown"
    assert len(bench.simulator.ledger) == bench.simulator.paid_requests == 1


async def test_a_cut_before_anything_was_done_is_said_too(bench: CloudBench) -> None:
    bench.simulator.faults = [Fault("cut before")]
    try:
        _check_pictures(await bench.generate(), 1)
    except ProviderError as error:
        assert bench.case.lost_answer_is_found or isinstance(error, OutcomeUnknown)
        assert not bench.simulator.ledger
    assert len(bench.simulator.ledger) <= 1


async def test_a_paid_answer_survives_a_restart(bench: CloudBench) -> None:
    first = await bench.generate()
    bench.restart()
    again = await bench.generate()
    assert [image.image for image in again.images] == [image.image for image in first.images]
    assert again.cost == first.cost and again.model_id == first.model_id
    assert len(bench.simulator.ledger) == 1


async def test_a_paid_answer_is_read_without_the_provider(bench: CloudBench) -> None:
    first = await bench.generate()
    paid = bench.simulator.paid_requests
    bench.restart()
    receipt = await bench.receipts.get(KEY.receipt_id)
    assert receipt is not None and receipt.raw_answer
    result = await bench.provider.resume(receipt)
    assert result is not None and result.images[0].image == first.images[0].image
    assert bench.simulator.paid_requests == paid


@pytest.mark.parametrize("trouble", ["no money", "rate limited", "server error"])
async def test_a_job_is_paid_once_though_it_may_not_be_asked_for(bench: CloudBench, trouble: str) -> None:
    leading = [Fault("slow")] * bench.case.free_requests_first
    bench.simulator.free_faults = [*leading, Fault("trouble", trouble, retry_after=0.01)]  # type: ignore[arg-type]
    try:
        await bench.generate()
    except OutcomeUnknown:
        bench.simulator.free_faults = []
        bench.restart()
        _check_pictures(await bench.generate(), 1)
    assert len(bench.simulator.ledger) == bench.simulator.paid_requests == 1


async def test_giving_up_waiting_sends_nothing_again(bench: CloudBench) -> None:
    bench.simulator.faults = [Fault("slow", seconds=0.3)]
    task = asyncio.create_task(bench.generate())
    while not bench.simulator.paid_requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.restart()
    try:
        await bench.generate()
    except OutcomeUnknown:
        assert not bench.case.lost_answer_is_found or not bench.simulator.ledger
    assert len(bench.simulator.ledger) <= 1


async def canceled(bench: CloudBench, *, for_good: bool) -> None:
    """Ask for a picture and cancel that while the request is on its way; then wait for what goes on."""
    bench.simulator.faults = [Fault("slow", seconds=0.1)]
    flag = CancelFlag()
    making = asyncio.create_task(see_through(bench.generate(), flag))
    while not bench.simulator.paid_requests:
        await asyncio.sleep(0.01)
    flag.set(for_good=for_good)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    await wait_for_paid_work(20)


async def test_a_job_that_the_user_cancels_is_taken_back_where_that_can_be(bench: CloudBench) -> None:
    bench.simulator.stalls = bench.case.takes_back
    await canceled(bench, for_good=True)
    row, billed = await bench.receipt_row(), len(bench.simulator.ledger)
    if bench.case.takes_back:
        assert len(bench.simulator.taken_back) == 1 and billed == 0
        assert row["state"] in ("failed", "unknown") and row["cost_amount"] is None
    else:
        assert row["state"] == "answered" and billed == 1, "its picture is still fetched, to be stored"


async def test_a_server_that_only_leaves_a_job_does_not_take_it_back(bench: CloudBench) -> None:
    await canceled(bench, for_good=False)
    assert not bench.simulator.taken_back
    assert (await bench.receipt_row())["state"] == "answered" and len(bench.simulator.ledger) == 1


@pytest.mark.parametrize(
    "address",
    ["https://pictures.example.org/x.png", "http://169.254.169.254/latest", "https://127.0.0.1/x.png", "file:///etc/x"],
)
async def test_a_foreign_address_is_not_followed(bench: CloudBench, address: str) -> None:
    if not bench.case.serves_addresses:
        assert not bench.case.provider.result_hosts, "a provider with result hosts answers with addresses"
        return
    bench.simulator.picture_address = address
    with pytest.raises(OutcomeUnknown, match="not taken over"):
        await bench.generate()


async def test_a_picture_that_would_fill_the_memory_is_not_taken_over(bench: CloudBench) -> None:
    bench.simulator.picture_bytes = _bomb()
    with pytest.raises(OutcomeUnknown, match="not taken over"):
        await bench.generate()


async def test_something_else_than_a_picture_is_not_taken_over(bench: CloudBench) -> None:
    bench.simulator.picture_bytes = b"<html>not a picture</html>"
    with pytest.raises(OutcomeUnknown):
        await bench.generate()


@pytest.mark.parametrize("more", ["\u201d", "\n", " x"])
async def test_a_key_that_no_header_takes_is_said_and_not_repeated(bench: CloudBench, more: str) -> None:
    bench.key += more
    with pytest.raises(ProviderAuthError, match="copy it once more") as error:
        await bench.generate()
    assert bench.simulator.key not in f"{error.value} {dict(await bench.receipt_row())}"
    assert bench.simulator.paid_requests == 0 and (await bench.receipt_row())["state"] == "failed"


async def test_a_base_url_without_tls_gets_no_key(bench: CloudBench) -> None:
    bench.base_url = "http://pictures.example.org"
    with pytest.raises(ProviderError, match="https"):
        await bench.generate()


def test_each_provider_tells_how_it_is_set_up() -> None:
    for case in CASES:
        info, provider = case.provider.info, case.provider()
        assert info.is_paid and case.default_model() in {model.model_id for model in case.models()}
        assert len(provider.get_setup_instructions()) > 30
        if info.needs_key or not case.provider.default_base_url:
            assert info.display_name in (provider.get_unavailability_reason() or "")


def _check_pictures(result: ImageResult, number: int) -> None:
    assert len(result.images) == number
    for made in result.images:
        assert isinstance(made.image, bytes), "the file is kept as it came"
        with Image.open(io.BytesIO(made.image)) as picture:
            picture.verify()


def _check_size_and_alpha(result: ImageResult, request: ImageRequest) -> None:
    """As asked for, or nearly where the model chooses; a picture without its background has transparent pixels."""
    data = result.images[0].image
    assert isinstance(data, bytes)
    with Image.open(io.BytesIO(data)) as picture:
        assert abs(picture.width / request.width - 1) < 0.02 and abs(picture.height / request.height - 1) < 0.02
        if request.mode == "remove_background":
            assert picture.convert("RGBA").getchannel("A").getextrema()[0] == 0


def _other_key() -> CallKey:
    return CallKey("session", "another node")


def _bomb() -> bytes:
    """A PNG of 40,000 × 40,000 pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
