"""Routing, checks before sending, lanes, waits and counters."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from invokeai.app.services.image_providers import image_service_manager
from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.pictures import Picture, make_pictures
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    ProviderBadRequest,
    ProviderRateLimited,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.providers.sketch import SketchImageService
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptStore
from invokeai.app.services.shared.errors import NotFound
from tests.app.services.image_providers.fake_providers import PaidImageService, SlowImageService

NO_RECEIPTS: Any = ReceiptStore(None, None)  # type: ignore[arg-type] # touching it fails the test
KEY = CallKey("session", "node")


def manager_of(*providers: Any, **settings: Any) -> ImageServiceManager:
    return ImageServiceManager(providers, NO_RECEIPTS, **settings)


def a_request(**changes: Any) -> ImageRequest:
    return replace(ImageRequest(prompt="a fox", model="slow/plain", width=64, height=64), **changes)


@pytest.mark.parametrize(
    "name", ["slow/plain", "external://slow/plain", "external:slow:plain", "slow-plain", "plain", "slow"]
)
def test_every_form_of_a_models_name_finds_it(name: str) -> None:
    route = manager_of(SketchImageService(), SlowImageService()).route(name)
    assert (route.provider.info.provider_id, route.model.model_id, route.note) == ("slow", "plain", None)


def test_without_a_model_the_first_available_provider_is_used_and_says_so() -> None:
    route = manager_of(PaidImageService(), SlowImageService(), SketchImageService()).route()
    assert route.provider.info.provider_id == "slow"
    assert route.note == "No model was named; Slow made it with Slow Plain."


def test_a_default_model_of_the_settings_wins() -> None:
    assert (
        manager_of(SlowImageService(), SketchImageService(), default_model="sketch/mono").route().model.name
        == "Sketch Mono"
    )


async def test_a_picture_that_could_not_be_stored_is_not_paid() -> None:
    paid = PaidImageService(lambda: ProviderCredentials(api_key="k"))
    with pytest.raises(ProviderBadRequest, match="at most 4,095 pixels here, not 64×64"):
        await manager_of(paid, most_pixels=64 * 64 - 1).generate(a_request(model="paid/pro"), KEY)
    assert paid.sent == []


async def test_an_unavailable_model_is_not_swapped_for_another() -> None:
    slow = SlowImageService()
    with pytest.raises(ProviderUnavailable, match=r"No API key is set for Paid.*Enter an API key"):
        await manager_of(PaidImageService(), slow).generate(a_request(model="paid/pro"), KEY)
    assert slow.calls == []


def test_unknown_and_ambiguous_models_are_refused() -> None:
    class Other(SlowImageService):
        info = replace(SlowImageService.info, provider_id="other")

    manager = manager_of(SlowImageService(), Other())
    with pytest.raises(NotFound, match="'nothing'"):
        manager.route("nothing")
    with pytest.raises(NotFound, match="Slow has no model 'gone'"):
        manager.route("slow/gone")
    with pytest.raises(ProviderBadRequest, match="slow/plain, other/plain"):
        manager.route("plain")
    with pytest.raises(ProviderBadRequest, match="is a model of Slow, not of gemini"):
        manager.route_of("slow/plain", "gemini")


async def test_a_request_that_does_not_fit_is_never_sent() -> None:
    slow = SlowImageService()
    with pytest.raises(ProviderBadRequest, match="it takes no steps; it takes no guidance"):
        await manager_of(slow).generate(a_request(steps=4, guidance=2.0), KEY)
    assert slow.calls == []


async def test_a_provider_never_runs_more_calls_than_its_limit() -> None:
    slow = SlowImageService()
    slow.hold = asyncio.Event()
    manager = manager_of(slow)
    tasks = [asyncio.create_task(manager.generate(a_request(), KEY)) for _ in range(8)]
    await settled(lambda: slow.running == 3)
    counted = manager.metrics["slow"]
    assert (counted.in_flight, counted.waiting) == (3, 5)
    slow.hold.set()
    await asyncio.gather(*tasks)
    assert slow.most_at_once == 3 and len(slow.calls) == 8
    assert (counted.requests, counted.images, counted.in_flight, counted.waiting) == (8, 8, 0, 0)


async def test_calls_cancelled_while_waiting_or_running_leave_the_lanes_free() -> None:
    slow = SlowImageService()
    slow.hold = asyncio.Event()
    manager = manager_of(slow)
    tasks = [asyncio.create_task(manager.generate(a_request(), KEY)) for _ in range(5)]
    await settled(lambda: slow.running == 3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    slow.hold = None
    await asyncio.gather(*(manager.generate(a_request(), KEY) for _ in range(3)))
    assert slow.cancelled == 3
    assert (manager.metrics["slow"].in_flight, manager.metrics["slow"].waiting) == (0, 0)


async def test_a_rate_limit_is_waited_for_as_long_as_the_provider_says(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = recorded_sleeps(monkeypatch)
    slow = SlowImageService()
    slow.failures = [ProviderRateLimited("slow down", retry_after=7.5), ProviderRateLimited("slow down")]
    result = await manager_of(slow).generate(a_request(), KEY)
    assert len(result.images) == 1 and len(slow.calls) == 3
    assert waits == [7.5, 4.0]


async def test_a_rate_limit_that_does_not_end_or_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = recorded_sleeps(monkeypatch)
    slow = SlowImageService()
    slow.failures = [ProviderRateLimited("slow down", retry_after=1) for _ in range(9)]
    manager = manager_of(slow)
    with pytest.raises(ProviderRateLimited):
        await manager.generate(a_request(), KEY)
    assert len(slow.calls) == 3 and waits == [1, 1]
    slow.failures = [ProviderRateLimited("come back tomorrow", retry_after=4000)]
    with pytest.raises(ProviderRateLimited, match="tomorrow"):
        await manager.generate(a_request(), KEY)
    assert len(slow.calls) == 4
    assert manager.metrics["slow"].failures == {"ProviderRateLimited": 2}
    told = "come back tomorrow. Nothing was billed. Try again in 67 minutes, or choose another provider's model."
    assert manager.metrics["slow"].last_failure == told


async def test_more_images_than_a_model_makes_at_once_become_several_calls() -> None:
    slow = SlowImageService()
    request = a_request(num_images=5, seed=100, call_id="c")
    pictures = await collected(manager_of(slow), request)
    assert [(call.num_images, call.seed, call.call_id) for call in slow.calls] == [
        (2, 100, "c"),
        (2, 102, "c:2"),
        (1, 104, "c:4"),
    ]
    assert len(pictures) == 5


async def test_pictures_of_earlier_calls_are_there_when_a_later_call_fails() -> None:
    slow = SlowImageService()
    manager, seen = manager_of(slow), []
    with pytest.raises(ProviderUnavailable):
        async for picture in make_pictures(manager, a_request(num_images=4), KEY):
            seen.append(picture)
            slow.failures = [ProviderUnavailable("gone")]
    assert len(seen) == 2


async def test_metadata_says_who_made_it_and_what_is_known_of_the_cost() -> None:
    request = a_request(seed=5, image_size="2K", options={"quality": "high"})
    (picture,) = await collected(
        manager_of(SlowImageService()), request, metadata={"positive_prompt": "x", "steps": None}
    )
    assert picture.metadata == {
        "positive_prompt": "x",
        "app_version": "6.14.2",
        "external_provider": "slow",
        "external_model_id": "plain",
        "external_request_id": "r-1",
        "external_seed": 5,
        "cost": {"amount": None, "currency": "USD", "kind": "unknown"},
        "slow_quality": "high",
    }


async def test_sketch_says_that_it_costs_nothing_and_why() -> None:
    request = a_request(model="sketch", num_images=2)
    first, second = await collected(manager_of(SketchImageService()), request)
    assert first.metadata["cost"] == {"amount": "0", "currency": "USD", "kind": "computed", "images": 2}
    assert second.metadata["external_seed"] == first.metadata["external_seed"] + 1


async def test_a_key_that_appears_makes_its_provider_available() -> None:
    keys = {"key": ""}
    paid = PaidImageService(lambda: ProviderCredentials(api_key=keys["key"]))
    manager = manager_of(paid)
    assert list(manager.available()) == []
    keys["key"] = "secret"
    assert [model.model_id for _, model in manager.available()] == ["pro"]
    assert "secret" not in repr(ProviderCredentials(api_key="secret"))


async def collected(manager: ImageServiceManager, request: ImageRequest, **more: Any) -> list[Picture]:
    return [picture async for picture in make_pictures(manager, request, KEY, **more)]


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


def recorded_sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds:
            waits.append(seconds)
        await real_sleep(0)

    monkeypatch.setattr(image_service_manager.asyncio, "sleep", sleep)
    return waits
