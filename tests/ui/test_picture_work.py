"""Upscalers and background removers: in the workflow editor, in the viewer, and never among what generates."""

import httpx
from playwright.sync_api import expect

from tests.ui.studio_page import StudioPage
from tests.ui.uploads import upload
from tests.ui.workflow_editor import Nodes, WorkflowEditor

NODES: Nodes = {
    "blank": ("blank_image", {"width": 48, "height": 32}),
    "large": ("third_party_image_upscale", {}),
    "free": ("third_party_background_removal", {}),
}


def test_models_that_generate_nothing_are_no_choice_to_generate_with(page: StudioPage) -> None:
    page.model_button.click()
    options = page.page.locator(".picker-option").locator("visible=true")
    expect(options.filter(has_text="Sketch Mono")).to_have_count(1)
    expect(options.filter(has_text="Sketch Lanczos")).to_have_count(0)
    expect(options.filter(has_text="Sketch Edge Colour")).to_have_count(0)
    page.tab("Models")
    expect(page.page.get_by_role("heading", name="Image to Image")).to_be_visible()
    page.page.get_by_text("Sketch Lanczos Upscale").first.click()
    expect(page.page.get_by_text("invents no detail", exact=False).last).to_be_visible()


def test_a_workflow_upscales_a_picture_and_removes_its_background(page: StudioPage) -> None:
    editor = WorkflowEditor(page).load(
        "Cut out", NODES, [("blank.image", "large.image"), ("large.image", "free.image")]
    )
    editor.edit()
    editor.choose_model("large", "Sketch Lanczos Upscale")
    editor.choose_model("free", "Sketch Edge Colour Removal")
    editor.set_number("large", 0, 3)
    page.invoke()
    page.wait_for_queue(completed=1, failed=0)
    [item] = page.get("/v1/queue/default/list_all")
    results = [result for result in item["session"]["results"].values() if result["type"] == "image_output"]
    assert [(result["width"], result["height"]) for result in results] == [(48, 32), (144, 96), (144, 96)]
    metadata = page.get(f"/v1/images/i/{results[-1]['image']['image_name']}/metadata")
    assert (metadata["external_provider"], metadata["external_model_id"]) == ("sketch", "edge-colour")


def test_the_viewer_processes_a_picture(page: StudioPage) -> None:
    with httpx.Client(base_url=f"{page.server.base_url}/api/v1") as api:
        name = upload(api, "a small ship", (40, 24))
    page.open()
    page.page.locator(f'[data-item-id="{name}"]').click()
    page.page.get_by_text("Viewer", exact=True).first.click()
    page.page.get_by_label("Post-Processing (Shift + U)").locator("visible=true").first.click()
    page.page.get_by_role("button", name="Process Image").click()
    page.until(lambda: page.get("/v1/images/", limit=1)["items"][0]["image_name"] != name)
    made = page.get("/v1/images/", limit=1)["items"][0]
    assert (made["width"], made["height"]) == (80, 48)
    assert page.get(f"/v1/images/i/{made['image_name']}/metadata")["external_model_id"] == "lanczos"


def test_the_canvas_runs_a_providers_model_only_when_told_to(page: StudioPage) -> None:
    with httpx.Client(base_url=f"{page.server.base_url}/api/v1") as api:
        name = upload(api, "a small ship", (64, 64))
        api.put("/queue/default/clear").raise_for_status()
    page.open()
    page.page.locator(f'[data-item-id="{name}"]').click(button="right")
    page.page.get_by_role("menuitem", name="New Canvas from Image").hover()
    page.page.get_by_role("menuitem", name="As Raster Layer", exact=True).click()
    layer = page.page.get_by_text("Raster Layer", exact=True).locator("visible=true").first
    layer.click(button="right")
    page.page.get_by_role("menuitem", name="Filter").locator("visible=true").first.click()
    page.wait_for_queue(completed=1)  # what costs nothing is run at once
    page.page.get_by_text("Adjust Image", exact=True).locator("visible=true").last.click(force=True)
    page.page.get_by_text("Image-to-Image Model", exact=True).locator("visible=true").last.click()
    expect(page.page.get_by_text("Sketch Lanczos Upscale").locator("visible=true").first).to_be_visible()
    page.page.wait_for_timeout(1500)  # a filter that runs by itself does so after a moment
    assert page.get("/v1/queue/default/status")["queue"]["total"] == 1
    page.page.get_by_role("button", name="Process", exact=True).click()
    page.wait_for_queue(completed=2, failed=0)
    newest = max(page.get("/v1/queue/default/list_all"), key=lambda item: int(item["item_id"]))
    [node] = newest["session"]["execution_graph"]["nodes"].values()
    assert (node["type"], node["image_to_image_model"]["key"]) == (
        "spandrel_image_to_image_autoscale",
        "sketch-lanczos",
    )
    page.page.get_by_role("button", name="Apply", exact=True).click()
    expect(page.page.get_by_text("Raster Layer is filtering")).to_have_count(0)


def test_the_upscaling_tab_upscales_with_a_providers_model(page: StudioPage) -> None:
    with httpx.Client(base_url=f"{page.server.base_url}/api/v1") as api:
        name = upload(api, "a small ship", (30, 20))
        api.put("/queue/default/clear").raise_for_status()
    page.open()
    page.context_menu(page.page.locator(f'[data-item-id="{name}"]'), "Send To Upscale")
    page.tab("Upscaling")
    expect(page.page.get_by_text("Upscaling is supported for SD1.5", exact=False)).to_have_count(0)
    page.prompt("a ship at sea")
    page.invoke()
    page.wait_for_queue(completed=1, failed=0)
    made = page.get("/v1/images/", limit=1)["items"][0]
    assert (made["width"], made["height"]) == (120, 80)
    metadata = page.get(f"/v1/images/i/{made['image_name']}/metadata")
    assert (metadata["external_model_id"], metadata["positive_prompt"]) == ("lanczos", "a ship at sea")
