"""Pictures that were paid for and cannot be fetched at once: they come as soon as it is possible, and are paid once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from invokeai.app.services.image_providers.provider_errors import PaidPictureLate
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench
from tests.app.services.image_providers.fake_providers import png
from tests.app.services.image_providers.provider_cases import all_cases

CASES = [case for case in all_cases() if case.serves_addresses]


@pytest.fixture(params=CASES, ids=lambda case: case.label)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(request.param, tmp_path) as bench:
        yield bench


async def test_a_picture_on_a_host_that_is_new_comes_once_the_settings_name_it(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.simulator.picture_address = "https://cdn.new.example/x.png"
    with pytest.raises(PaidPictureLate, match=r"cdn\.new\.example.*add it to provider_result_hosts"):
        await bench.generate()
    assert (await bench.receipt_row())["state"] == "answered"
    bench.restart()
    known = bench.provider._credentials
    monkeypatch.setattr(bench.provider, "_credentials", lambda: replace(known(), result_hosts=("new.example",)))
    answering = httpx.MockTransport(lambda request: httpx.Response(200, content=png(8, 8)))
    monkeypatch.setitem(bench.provider._clients, "results", httpx.AsyncClient(transport=answering))
    result: Any = await bench.generate()
    assert [picture.image for picture in result.images] == [png(8, 8)]
    assert bench.simulator.paid_requests == len(bench.simulator.ledger) == 1
