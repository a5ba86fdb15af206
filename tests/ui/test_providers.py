"""Paid providers in the browser: keys, models, pictures from every tab, and what a person reads when it goes wrong."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.simulators.alibabacloud import AlibabaCloudSimulator
from tests.simulators.gemini import GeminiSimulator
from tests.simulators.openai import OpenAISimulator
from tests.simulators.runware import RunwareSimulator
from tests.simulators.seedream import SeedreamSimulator
from tests.simulators.simulator import Fault, Simulator
from tests.simulators.stability import StabilitySimulator
from tests.simulators.workers_ai import WorkersAiSimulator
from tests.studio_process import StudioProcess
from tests.ui.canvas_page import CanvasPage
from tests.ui.studio_page import StudioPage
from tests.ui.workflow_editor import WorkflowEditor

SIMULATORS: tuple[type[Simulator], ...] = (
    AlibabaCloudSimulator,
    GeminiSimulator,
    OpenAISimulator,
    RunwareSimulator,
    SeedreamSimulator,
    StabilitySimulator,
    WorkersAiSimulator,
)
ADDRESS_TYPED_IN = "stability"
"""All others find their simulator by the settings."""


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
    addresses = json.dumps({name: s.base_url for name, s in services.items() if name != ADDRESS_TYPED_IN})
    settings = {"INVOKEAI_PROVIDER_BASE_URLS": addresses}
    process = StudioProcess(tmp_path_factory.mktemp("providers") / "root", web_ui=True, settings=settings).start()
    yield process
    process.stop()


@pytest.fixture(autouse=True)
def clean(services: dict[str, Simulator], ui_studio: StudioProcess) -> None:
    httpx.put(f"{ui_studio.base_url}/api/v1/queue/default/clear").raise_for_status()
    for simulator in services.values():
        simulator.ledger.clear()
        simulator.faults.clear()


def give_keys(page: StudioPage, services: dict[str, Simulator]) -> None:
    """As a script would, for tests about something else."""
    for name, simulator in services.items():
        body = {"api_key": simulator.key}
        if name == ADDRESS_TYPED_IN:
            body["base_url"] = simulator.base_url
        page.api.post(f"/v1/app/external_providers/config/{name}", json=body).raise_for_status()
    page.open()


def card(page: StudioPage, provider: str) -> Locator:
    """The provider's card in the External Providers panel."""
    path = f"xpath=//*[text()='{provider}']/ancestor::div[.//button[normalize-space()='Save']][1]"
    return page.page.locator(path)


def provider_config(page: StudioPage, provider: str) -> tuple[bool, str | None]:
    """Whether the provider has a key, and its address."""
    configs = page.get("/v1/app/external_providers/config")
    config = next(config for config in configs if config["provider_id"] == provider)
    return config["api_key_configured"], config["base_url"]


def status_in_settings(page: StudioPage, provider: str) -> tuple[str, str]:
    """The provider's badge in the settings, and what it says under the pointer."""
    page.page.get_by_role("button", name="Menu", exact=True).click()
    page.page.get_by_role("menuitem", name="Settings").click()
    row = page.page.get_by_role("dialog").get_by_text(provider, exact=True)
    badge = row.locator("xpath=following::*[contains(@class,'badge')][1]")
    badge.hover()
    told = page.page.get_by_role("tooltip").inner_text()
    words = badge.inner_text().upper()
    page.page.keyboard.press("Escape")
    expect(page.page.get_by_role("dialog").locator("visible=true")).to_have_count(0)
    return words, told


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


def test_the_canvas_sends_each_model_what_it_takes_and_refuses_the_rest(
    page: StudioPage, services: dict[str, Simulator]
) -> None:
    page.record.allow("Failed to build graph")
    give_keys(page, services)
    page.tab("Canvas")
    canvas, billed = CanvasPage(page), services["runware"].ledger
    page.choose_model("Juggernaut Pro Flux")
    node = canvas.generate("a harbour")
    assert (node["mode"], node["width"], node["height"], len(billed)) == ("txt2img", 1024, 1024, 1)
    assert "inputs" not in billed[0].request
    canvas.accept(layers=1)
    page.until(lambda: "image:" in (page.get("/v1/client_state/default/get_by_key", key="canvas") or ""))
    page.open()
    expect(page.page.get_by_text("Raster Layers (1)")).to_be_visible()

    canvas.set_width(512)
    node = canvas.generate("a harbour at night")
    assert (node["mode"], len(billed)) == ("img2img", 2)
    assert (billed[1].request["width"], billed[1].request["height"]) == (512, 1024), "the size of the box"
    assert set(billed[1].request["inputs"]) == {"seedImage"}
    canvas.accept(layers=2)

    canvas.add_mask()
    page.choose_model("GPT Image 2.6 Flare")
    node = canvas.generate("a red door")
    assert node["mode"] == "inpaint" and node["init_image"] and node["mask_image"]
    [job] = services["openai"].ledger
    assert job.request["masked"] and job.request["pictures"] == 1
    canvas.accept(layers=3)

    page.choose_model("Nano Banana 2.1")
    page.invoke_button.click()
    expect(page.page.get_by_text("Nano Banana 2.1 does not support inpaint mode").first).to_be_visible()
    assert page.get("/v1/queue/default/status")["queue"]["pending"] == 0 and services["gemini"].ledger == []


def test_each_providers_node_runs_in_a_workflow(page: StudioPage, services: dict[str, Simulator]) -> None:
    give_keys(page, services)
    models = {
        "third_party": ("runware", "Juggernaut Lightning Flux"),
        "openai": ("openai", "GPT Image 2"),
        "gemini": ("gemini", "Nano Banana 2 Lite"),
        "seedream": ("seedream", "Seedream 4.0"),
        "alibabacloud": ("alibabacloud", "Qwen-Image 2.0"),
    }
    prompt = {"prompt": "a red fox"}
    editor = WorkflowEditor(page).load("Five", {n: (f"{n}_image_generation", prompt) for n in models}, [])
    editor.edit()
    for node, (_, model) in models.items():
        editor.choose_model(node, model)
    before = page.get("/v1/images/", is_intermediate=False)["total"]
    page.invoke()
    page.wait_for_queue(failed=0)
    pictures = page.get("/v1/images/", is_intermediate=False, limit=5)
    assert pictures["total"] == before + 5
    made = [page.get(f"/v1/images/i/{picture['image_name']}/metadata") for picture in pictures["items"]]
    costs = {metadata["external_provider"]: Decimal(metadata["cost"]["amount"]) for metadata in made}
    assert costs == {provider: services[provider].ledger[0].amount for provider, _ in models.values()}
    assert all(len(services[provider].ledger) == 1 for provider, _ in models.values())


def test_a_picture_tells_its_model_and_cost_and_gives_them_back(
    page: StudioPage, services: dict[str, Simulator]
) -> None:
    give_keys(page, services)
    page.model_button.click()
    name = page.page.locator(".picker-option", has_text="GPT Image 2.6 Flare").locator("visible=true")
    option = name.locator("xpath=../..")
    expect(option).to_contain_text("OPENAI")
    expect(option).to_contain_text("about 0.013 USD")
    option.click()
    page.prompt("a lighthouse")
    before = page.get("/v1/queue/default/status")["queue"]["completed"]
    page.invoke()
    page.wait_for_queue(completed=before + 1)
    page.choose_model("Nano Banana 2.1")
    page.prompt("something else")
    page.tiles.first.dblclick()
    page.page.get_by_label("Info (I)").click()
    expect(page.page.get_by_text("GPT Image 2.6 Flare (EXTERNAL)")).to_be_visible()
    page.page.get_by_role("tab", name="Metadata").click()
    [job] = services["openai"].ledger
    expect(page.page.get_by_text(f'"amount": "{job.amount}"')).to_be_visible()
    page.page.get_by_label("Use All (A)").click()
    expect(page.model_button).to_have_text("GPT Image 2.6 Flare")
    expect(page.page.locator("textarea").first).to_have_value("a lighthouse")


def test_a_wrong_key_is_told_an_address_is_kept_and_a_reset_takes_the_models_away(
    page: StudioPage, services: dict[str, Simulator]
) -> None:
    page.record.allow("Invocation error")
    stability = services["stability"]
    page.api.delete("/v1/app/external_providers/config/stability").raise_for_status()
    page.tab("Models")
    page.page.get_by_role("tab", name="External Providers").click()
    panel = card(page, "stability")
    panel.get_by_placeholder("Paste your API key").fill("not-the-key")
    panel.locator("label", has_text="Override Base URL").click()
    panel.get_by_label("Base URL", exact=False).last.fill(stability.base_url)
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_text("Configured", exact=True)).to_be_visible()
    expect(panel.get_by_placeholder("API key configured")).to_have_value("")
    assert provider_config(page, "stability") == (True, stability.base_url)
    page.tab("Generate")
    page.choose_model("Stable Image Core")
    page.prompt("a red fox")
    page.invoke()
    expect(page.page.get_by_text("Check the key of Stability AI").first).to_be_visible()
    badge, told = status_in_settings(page, "stability")
    assert badge == "API KEY REQUIRED" and "The last call failed" in told and "not-the-key" not in told
    page.tab("Models")
    panel.get_by_placeholder("API key configured").fill(stability.key)
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_placeholder("API key configured")).to_have_value("")
    page.tab("Generate")
    page.invoke()
    page.until(lambda: len(stability.ledger) == 1)
    page.wait_for_queue()
    badge, told = status_in_settings(page, "stability")
    assert badge == "CONFIGURED" and re.search(r"^Today \(UTC\): 0\.\d+ USD for \d+ picture", told)
    page.tab("Models")
    expect(page.page.get_by_text("Stable Image Core").first).to_be_visible()
    panel.get_by_role("button", name="Reset").click()
    expect(panel.get_by_text("API key required")).to_be_visible()
    expect(page.page.get_by_text("Stable Image Core")).to_have_count(0)
    assert provider_config(page, "stability") == (False, None)


def test_a_lost_answer_a_cap_a_limit_and_a_key_that_is_gone_are_told(
    page: StudioPage, services: dict[str, Simulator]
) -> None:
    page.record.allow("Invocation error")
    give_keys(page, services)

    def told(model: str, words: str) -> None:
        page.choose_model(model)
        page.prompt("a red fox")
        page.invoke()
        expect(page.page.get_by_text(re.compile(words)).first).to_be_visible()

    services["openai"].faults = [Fault("garbage")]
    told("GPT Image 2.6 Flare", "OpenAI.* may have been billed.* running it again may cost a second time")
    page.api.patch("/v1/app/spend/caps", json={"daily_spend_cap": "0.01"}).raise_for_status()
    told("GPT Image 2.6 Sunburst", r"cap on the server's day is 0\.01 USD.* about 0\.\d+ USD\. Nothing was sent")
    page.api.patch("/v1/app/spend/caps", json={"daily_spend_cap": None}).raise_for_status()
    services["alibabacloud"].faults = [Fault("trouble", "rate limited", retry_after=7200)]
    told("Qwen-Image 2.0", r"Alibaba Cloud: .*Nothing was billed\. Try again in 2 hours, or choose another")
    page.api.delete("/v1/app/external_providers/config/alibabacloud").raise_for_status()
    page.invoke()
    expect(page.page.get_by_text("No API key is set for Alibaba Cloud. Create a key at").first).to_be_visible()
    assert len(services["openai"].ledger) == 1 and services["alibabacloud"].ledger == []
