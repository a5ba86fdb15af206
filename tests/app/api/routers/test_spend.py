"""Spend reports, caps, estimates, metrics and error answers over HTTP."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from invokeai.app.api.routers.external_providers import external_providers_router
from invokeai.app.api.routers.image_generation import image_generation_router
from invokeai.app.api.routers.metrics import metrics_router
from invokeai.app.api.routers.spend import spend_router
from invokeai.app.services.image_providers.credentials import ProviderCredentialsStore
from invokeai.app.services.image_providers.generation import Cost, CostKind
from invokeai.app.services.image_providers.idempotent_calls import IdempotentCalls
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderAuthError,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.receipts import ReceiptStore
from invokeai.app.services.image_providers.spend_caps import SpendCaps
from invokeai.app.services.image_providers.spend_reports import SpendReports
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.api.library_api import LibraryApi, library_api
from tests.app.api.routers.test_image_generation import Gallery
from tests.app.services.image_providers.fake_providers import PaidImageService, SlowImageService

ROUTERS = [image_generation_router, spend_router, metrics_router, external_providers_router]
BODY = {"prompt": "a fox", "model": "paid/pro"}


class Priced(PaidImageService):
    def estimate(self, request: Any, model: Any) -> Cost | None:
        return Cost("0.02", kind=CostKind.ESTIMATED)


def generation_of(studio: SimpleNamespace) -> ImageServiceManager:
    studio.paid = Priced(lambda: ProviderCredentials(api_key="k"))
    receipts = ReceiptStore(studio.database, DiskObjects(studio.config.root_path), studio.spend_caps)
    return ImageServiceManager([studio.paid, SlowImageService()], receipts)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    services: dict[str, Any] = {
        "images": lambda _: Gallery(),
        "provider_credentials": lambda studio: ProviderCredentialsStore(studio.config),
        "spend_caps": lambda studio: SpendCaps(studio.config, studio.database, {}),
        "spend_reports": lambda studio: SpendReports(studio.database),
        "image_generation": generation_of,
        "idempotent_calls": lambda studio: IdempotentCalls(studio.database, studio.images),
    }
    async with library_api(tmp_path, ROUTERS, **services) as api:
        yield api


async def test_what_was_spent_is_told_by_everything(api: LibraryApi) -> None:
    for _ in range(2):
        await api.json("POST", "/images/generate", json=BODY)
    today = datetime.now(UTC).date().isoformat()
    for by, name in {"day": today, "user": "system", "provider": "paid", "model": "paid/pro"}.items():
        with api.database.counted() as trips:
            report = await api.json("GET", "/v1/app/spend", params={"by": by, "from": today, "to": today})
        assert trips.count == 1
        (row,) = report["rows"]
        assert (row["name"], row["amount"], row["currency"], row["images"]) == (name, "0.026", "USD", 2)
    assert (await api.json("GET", "/v1/app/spend", params={"to": "2001-01-01"}))["rows"] == []
    await api.json("GET", "/v1/app/spend", 422, params={"by": "moon"})
    answer = await api.client.get("/api/v1/app/spend", params={"by": "model", "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    (line,) = csv.DictReader(io.StringIO(answer.text))
    assert (line["name"], line["amount"], line["images_of_unknown_cost"]) == ("paid/pro", "0.026", "0")


async def test_the_status_tells_what_today_cost_and_what_ails_a_provider(api: LibraryApi) -> None:
    async def paid() -> dict[str, Any]:
        with api.database.counted() as trips:
            statuses = await api.json("GET", "/v1/app/external_providers/status")
        assert trips.count == 1
        status: dict[str, Any] = next(status for status in statuses if status["provider_id"] == "paid")
        return status

    assert await paid() == {"provider_id": "paid", "configured": True, "message": None}
    for _ in range(2):
        await api.json("POST", "/images/generate", json=BODY)
    assert (await paid())["message"] == "Today (UTC): 0.026 USD for 2 pictures."
    api.services.paid.before_sending = ProviderRefused("A secret of somebody's prompt.")
    await api.json("POST", "/images/generate", 422, json=BODY)
    assert (await paid())["message"] == "Today (UTC): 0.026 USD for 2 pictures."
    api.services.paid.before_sending = ProviderAuthError("Paid: wrong key.")
    await api.json("POST", "/images/generate", 503, json=BODY)
    told = await paid()
    assert not told["configured"] and told["message"].startswith("The last call failed: Paid: wrong key. Today")
    await api.json("POST", "/v1/app/external_providers/config/paid", json={"base_url": "http://127.0.0.1:9"})
    assert (await paid())["configured"], "what was wrong may have been set right"
    api.services.paid.before_sending = None

    def lose() -> bytes:
        raise OutcomeUnknown("lost")

    api.services.paid.script = lose
    await api.json("POST", "/images/generate", 502, json=BODY)
    assert (await paid())["message"].endswith("for 2 pictures, perhaps something for 1 call without an answer.")


async def test_a_cap_that_is_set_stops_the_next_call(api: LibraryApi) -> None:
    caps = await api.json("PATCH", "/v1/app/spend/caps", json={"daily_spend_cap": "0.03"})
    assert caps == {"daily_spend_cap": "0.03", "daily_spend_cap_per_user": None, "assumed_image_cost": None}
    await api.json("POST", "/images/generate", json=BODY)
    answer = await api.client.post("/api/images/generate", json=BODY)
    assert answer.status_code == 402 and "cap on the server's day is 0.03 USD" in answer.json()["detail"]
    assert answer.json()["error"]["type"] == "SpendCapReached" and len(api.services.paid.sent) == 1
    await api.json("PATCH", "/v1/app/spend/caps", json={"daily_spend_cap": None})
    await api.json("POST", "/images/generate", json=BODY)
    for wrong in ({"daily_spend_cap": -1}, {"daily_spend_cap": "NaN"}, {"sparkle": 1}):
        await api.json("PATCH", "/v1/app/spend/caps", 422, json=wrong)


async def test_an_estimate_is_told_and_nothing_is_sent(api: LibraryApi) -> None:
    estimate = await api.json("POST", "/images/estimate", json=BODY)
    assert estimate["total"] == {"amount": "0.02", "currency": "USD", "kind": "estimated"}
    unknown = await api.json("POST", "/images/estimate", json={"prompt": "x", "model": "slow", "num_images": 3})
    assert [call["amount"] for call in unknown["calls"]] == [None, None]
    assert unknown["total"] == {"amount": None, "currency": "USD", "kind": "unknown"}
    await api.json("POST", "/images/estimate", 422, json=BODY | {"steps": 4})
    assert api.services.paid.sent == [] and await api.database.fetch("SELECT 1 FROM generation_receipts") == []


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (ProviderRefused("Blocked by safety.", stage="output", provider_code="safety"), 422, {}),
        (ProviderRateLimited("too fast", retry_after=99.2), 429, {"retry-after": "100", "x-should-retry": "true"}),
        (ProviderQuotaExhausted("no credit"), 402, {}),
        (ProviderAuthError("bad key"), 503, {}),
        (ProviderUnavailable("away", retry_after=5), 503, {"retry-after": "5"}),
        (OutcomeUnknown("lost"), 502, {"x-should-retry": "false"}),
    ],
)
async def test_each_failure_has_its_status_and_the_providers_own_words(
    api: LibraryApi, error: ProviderError, status: int, headers: dict[str, str]
) -> None:
    error.request_id = "req-1"
    api.services.paid.before_sending = error
    answer = await api.client.post("/api/images/generate", json=BODY)
    facts = answer.json()["error"]
    assert answer.status_code == status and answer.json()["detail"] == str(error)
    assert (facts["provider"], facts["model"], facts["request_id"]) == ("paid", "pro", "req-1")
    assert (facts["type"], facts["provider_code"]) == (type(error).__name__, error.provider_code)
    assert facts["may_be_billed"] is (status == 502)
    assert {name: answer.headers.get(name) for name in headers} == headers


async def test_metrics_are_in_prometheus_format(api: LibraryApi) -> None:
    await api.json("POST", "/images/generate", json=BODY)
    api.services.paid.before_sending = ProviderRefused("no")
    await api.json("POST", "/images/generate", 422, json=BODY)
    answer = await api.client.get("/api/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'invokeai_provider_requests_total{provider="paid"} 2' in lines
    assert 'invokeai_provider_images_total{provider="paid"} 1' in lines
    assert 'invokeai_provider_failures_total{provider="paid",kind="ProviderRefused"} 1' in lines
    assert 'invokeai_provider_circuit{provider="slow"} 0' in lines
    assert lines.count("# TYPE invokeai_provider_requests_total counter") == 1


async def test_a_fallback_is_named_in_the_answer(api: LibraryApi) -> None:
    api.services.paid.before_sending = ProviderUnavailable("away")
    answer = await api.json("POST", "/images/generate", json=BODY | {"fallback": ["slow/plain"]})
    assert (answer["asked"], answer["provider"], answer["model"]) == ("paid/pro", "slow", "plain")
    (kept,) = api.services.images.metadata()
    assert kept["external_model_asked"] == "paid/pro" and kept["model"]["key"] == "slow-plain"
