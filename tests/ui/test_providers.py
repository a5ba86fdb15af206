"""Paid providers in the browser: keys, models, pictures from every tab, and what a person reads when it goes wrong."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.simulators.gemini import GeminiSimulator
from tests.simulators.openai import OpenAISimulator
from tests.simulators.simulator import Fault, Simulator
from tests.simulators.stability import StabilitySimulator
from tests.simulators.workers_ai import WorkersAiSimulator
from tests.studio_process import StudioProcess
from tests.ui.studio_page import StudioPage

SIMULATORS: tuple[type[Simulator], ...] = (OpenAISimulator, GeminiSimulator, WorkersAiSimulator, StabilitySimulator)


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, Simulator]]:
    """A simulator of each service, by provider id."""
    running = {simulator.name: simulator() for simulator in SIMULATORS}
    for simulator in running.values():
        simulator.start()
    yield running
    for simulator in running.values():
        simulator.stop()


@pytest.fixture(scope="module")
def ui_studio(tmp_path_factory: pytest.TempPathFactory, services: dict[str, Simulator]) -> Iterator[StudioProcess]:
    """A studio that finds the simulators where the services would be, and has no key yet."""
    addresses = json.dumps({name: simulator.base_url for name, simulator in services.items()})
    settings = {"INVOKEAI_PROVIDER_BASE_URLS": addresses}
    process = StudioProcess(tmp_path_factory.mktemp("providers") / "root", web_ui=True, settings=settings).start()
    yield process
    process.stop()


@pytest.fixture(autouse=True)
def clean(services: dict[str, Simulator]) -> None:
    for simulator in services.values():
        simulator.ledger.clear()
        simulator.faults.clear()


def give_keys(page: StudioPage, services: dict[str, Simulator]) -> None:
    """As a script would, for tests about something else."""
    for name, simulator in services.items():
        page.api.post(f"/v1/app/external_providers/config/{name}", json={"api_key": simulator.key}).raise_for_status()
    page.open()


def card(page: StudioPage, provider: str) -> Locator:
    """The provider's card in the External Providers panel."""
    path = f"xpath=//*[text()='{provider}']/ancestor::div[.//button[normalize-space()='Save']][1]"
    return page.page.locator(path)


def newest_picture(page: StudioPage) -> dict[str, Any]:
    """Metadata of the picture made last."""
    name = page.get("/v1/images/", limit=1)["items"][0]["image_name"]
    metadata: dict[str, Any] = page.get(f"/v1/images/i/{name}/metadata")
    return metadata


def test_a_key_that_is_typed_in_brings_the_models_and_a_reset_takes_it_back(
    page: StudioPage, services: dict[str, Simulator]
) -> None:
    page.tab("Models")
    page.page.get_by_text("External Providers").first.click()
    expect(card(page, "openai").get_by_text("API key required")).to_be_visible()
    card(page, "openai").get_by_placeholder("Paste your API key").fill(services["openai"].key)
    card(page, "openai").get_by_role("button", name="Save").click()
    expect(card(page, "openai").get_by_text("Configured", exact=True)).to_be_visible()
    expect(page.page.get_by_text("GPT Image 2.6 Flare").first).to_be_visible()
    page.tab("Generate")
    page.choose_model("GPT Image 2.6 Flare")
    page.prompt("a red fox")
    page.invoke()
    page.wait_for_queue(completed=1, failed=0)
    expect(page.tiles).to_have_count(1)
    [job] = services["openai"].ledger
    metadata = newest_picture(page)
    assert metadata["cost"] == {"amount": str(job.amount), "currency": "USD", "kind": "computed"}
    assert metadata["external_provider"] == "openai" and metadata["external_model_id"] == "gpt-image-2.6-flare"
    page.tab("Models")
    card(page, "openai").get_by_role("button", name="Reset").click()
    expect(card(page, "openai").get_by_text("API key required")).to_be_visible()
    assert services["openai"].key not in page.server.log_text()


def test_a_refusal_and_an_empty_purse_are_told_with_provider_reason_and_remedy(
    page: StudioPage, services: dict[str, Simulator]
) -> None:
    page.record.allow("Invocation error")
    give_keys(page, services)
    page.choose_model("GPT Image 2.6 Flare")
    for trouble, said in (
        ("refused prompt", "OpenAI: Your request was rejected by the safety system"),
        ("no money", "OpenAI: You exceeded your current quota"),
    ):
        services["openai"].faults = [Fault("trouble", trouble)]  # type: ignore[arg-type]
        page.prompt(f"{trouble}")
        page.invoke()
        expect(page.page.get_by_text(said).first).to_be_visible()
    expect(page.page.get_by_text("Change the prompt").first).to_be_visible()
    assert services["openai"].ledger == []


def test_each_provider_makes_a_picture_of_its_own_first_size(page: StudioPage, services: dict[str, Simulator]) -> None:
    give_keys(page, services)
    before = page.get("/v1/queue/default/status")["queue"]["completed"]
    cases: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("gemini", "Nano Banana 2.1", {"aspectRatio": "1:1", "imageSize": "1K"}),
        ("workers_ai", "FLUX.2 klein 4B (Cloudflare)", {"width": 1024, "height": 1024}),
        ("stability", "Stable Image Core", {"aspect_ratio": "1:1"}),
    )
    for made, (provider, model, asked) in enumerate(cases, start=1):
        page.choose_model(model)
        page.prompt(f"a red fox by {provider}")
        page.invoke()
        page.wait_for_queue(completed=before + made)
        [job] = services[provider].ledger
        understood = job.request.get("generationConfig", {}).get("imageConfig", job.request)
        assert {name: understood[name] for name in asked} == asked
        metadata = newest_picture(page)
        assert metadata["external_provider"] == provider and Decimal(metadata["cost"]["amount"]) == job.amount
