"""Every other tab and window of the UI: it opens, shows what there is, and nothing it asks for is missing."""

from pathlib import Path

from playwright.sync_api import expect

from tests.ui.studio_page import StudioPage


def test_every_tab_opens_without_a_fault(page: StudioPage) -> None:
    for tab in ("Generate", "Canvas", "Upscaling", "Workflows", "Models", "Nodes", "Queue"):
        page.tab(tab)
        page.page.wait_for_load_state("networkidle")
        page.page.wait_for_timeout(500)
        assert not page.record.faults(), tab


def test_the_models_tab_lists_and_shows_the_models(page: StudioPage) -> None:
    page.tab("Models")
    expect(page.page.get_by_role("heading", name="External Image Generator")).to_be_visible()
    page.page.get_by_text("Sketch Mono").first.click()
    expect(page.page.get_by_text("ink contours", exact=False).last).to_be_visible()


def test_every_way_to_add_a_model_opens(page: StudioPage) -> None:
    page.tab("Models")
    for way in ("HuggingFace", "External Providers", "Scan Folder", "Starter Models", "URL or Local Path"):
        page.page.get_by_role("tab", name=way).or_(page.page.get_by_role("button", name=way)).first.click()
        page.page.wait_for_load_state("networkidle")
        assert not page.record.faults(), way


def test_the_provider_panel_shows_who_needs_a_key(page: StudioPage) -> None:
    page.tab("Models")
    page.page.get_by_role("tab", name="External Providers").click()
    expect(page.page.get_by_text("External Providers Setup")).to_be_visible()
    expect(page.page.get_by_text("Configure openai credentials", exact=False)).to_be_visible()
    expect(page.page.get_by_text("API key required", exact=False).locator("visible=true").first).to_be_visible()
    expect(page.page.get_by_text("Configure sketch credentials", exact=False)).to_have_count(0)


def test_an_install_is_refused_in_words(page: StudioPage) -> None:
    page.record.allow("400 POST .*models/install|Failed to load resource.*models/install")
    page.tab("Models")
    page.page.get_by_role("tab", name="URL or Local Path").or_(
        page.page.get_by_role("button", name="URL or Local Path")
    ).first.click()
    page.page.get_by_placeholder("URL", exact=False).locator("visible=true").first.fill(
        "https://example.org/x.safetensors"
    )
    page.page.get_by_role("button", name="Install", exact=True).click()
    expect(page.page.get_by_text("runs without local models", exact=False).first).to_be_visible()


def test_the_queue_tab_pauses_shows_cancels_retries_and_clears(page: StudioPage) -> None:
    page.tab("Queue")
    page.page.get_by_role("button", name="Pause").click()
    page.until(lambda: not page.get("/v1/queue/default/status")["processor"]["is_started"])
    # past the browser, because Invoke ends the pause
    graph = {"id": "g", "nodes": {"n": {"id": "n", "type": "string", "value": "x"}}, "edges": []}
    data = [[{"node_path": "n", "field_name": "value", "items": ["waiting"]}]]
    body = {"prepend": False, "batch": {"graph": graph, "runs": 1, "data": data}}
    page.api.post("/v1/queue/default/enqueue_batch", json=body).raise_for_status()
    # the buttons of a row are for signed-in users; those of its open details are for all
    page.page.get_by_text("waiting").locator("visible=true").first.click()
    page.page.locator("button:enabled", has_text="Cancel Item").first.click()
    page.wait_for_queue(canceled=1)
    page.page.locator("button:enabled", has_text="Retry Item").first.click()
    page.until(lambda: page.get("/v1/queue/default/status")["queue"]["pending"] == 1)
    page.page.get_by_role("button", name="Resume").click()
    page.wait_for_queue(completed=1)
    # the open details ask once more for the item that prune has just deleted
    page.record.allow(r"404 GET .*/queue/default/i/\d+$|Failed to load resource.*/queue/default/i/\d+\)$")
    page.page.get_by_role("button", name="Prune").click()
    page.wait_for_queue(total=0)


def test_settings_and_about_open(page: StudioPage) -> None:
    for name, words in (("Settings", "Reset Web UI"), ("About", "6.14.2"), ("Hotkeys", "Invoke")):
        page.page.get_by_role("button", name="Menu", exact=True).click()
        page.page.get_by_role("menuitem", name=name).click()
        expect(page.page.get_by_role("dialog").get_by_text(words, exact=False).first).to_be_visible()
        page.page.keyboard.press("Escape")
        expect(page.page.get_by_role("dialog").locator("visible=true")).to_have_count(0)


def test_a_prompt_template_is_made_and_used(page: StudioPage, tmp_path: Path) -> None:
    page.page.get_by_text("Choose Prompt Template").click()
    page.page.get_by_role("button", name="Create Prompt Template").click()
    dialog = page.page.get_by_role("dialog").locator("visible=true").last
    dialog.get_by_role("textbox").nth(0).fill("In oil")
    dialog.locator("textarea").first.fill("{prompt}, thick oil paint")
    dialog.get_by_role("button", name="Create", exact=False).or_(dialog.get_by_role("button", name="Save")).last.click()
    page.until(lambda: any(preset["name"] == "In oil" for preset in page.get("/v1/style_presets/")))
    page.page.get_by_text("In oil").locator("visible=true").first.click()
    page.prompt("a ship")
    page.page.wait_for_timeout(500)
    page.invoke()
    page.wait_for_queue(failed=0)
    newest = page.get("/v1/images/", limit=1)["items"][0]["image_name"]
    assert page.get(f"/v1/images/i/{newest}/metadata")["positive_prompt"] == "a ship, thick oil paint"


def test_every_client_route_survives_a_hard_reload(page: StudioPage) -> None:
    for route in ("app", "profile", "admin/users", "login"):
        page.page.goto(f"{page.server.base_url}/{route}")
        expect(page.invoke_button).to_be_visible(timeout=20_000)
