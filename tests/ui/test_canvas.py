"""The canvas: a picture changed as a whole and in a painted part, the staging area, filters."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.studio_process import StudioProcess
from tests.ui.studio_page import StudioPage
from tests.ui.uploads import upload


@pytest.fixture(autouse=True)
def picture(ui_studio: StudioProcess) -> str:
    """One picture as large as a new canvas, and nothing else in the gallery."""
    with httpx.Client(base_url=f"{ui_studio.base_url}/api/v1") as api:
        items = api.get("/images/", params={"limit": 1000}).json()["items"]
        api.post("/images/delete", json={"image_names": [item["image_name"] for item in items]}).raise_for_status()
        api.put("/queue/default/clear").raise_for_status()
        return upload(api, "base", (1024, 1024))


@pytest.fixture
def canvas(page: StudioPage) -> StudioPage:
    """The canvas with the picture as its raster layer."""
    page.tiles.first.click(button="right")
    page.page.get_by_role("menuitem", name="New Canvas from Image").hover()
    page.page.get_by_role("menuitem", name="As Raster Layer", exact=True).click()
    expect(page.page.get_by_text("Raster Layers (1)")).to_be_visible()
    return page


def _generation(page: StudioPage) -> dict[str, Any]:
    item = max(page.get("/v1/queue/default/list_all"), key=lambda item: int(item["item_id"]))
    assert item["status"] == "completed", item["error_message"]
    assert item["destination"].startswith("canvas:")
    nodes = item["session"]["execution_graph"]["nodes"].values()
    return next(node for node in nodes if node["type"] == "third_party_image_generation")


def test_a_picture_is_changed_as_a_whole_and_accepted(canvas: StudioPage) -> None:
    canvas.prompt("a harbour")
    canvas.invoke()
    accept = canvas.page.get_by_label("Accept (Enter)")
    expect(accept).to_be_enabled(timeout=30_000)
    canvas.wait_for_queue(completed=1, failed=0)
    node = _generation(canvas)
    assert node["mode"] == "img2img" and node["init_image"] and not node["mask_image"]
    assert canvas.get("/v1/images/", is_intermediate=False)["total"] == 1
    accept.click()
    expect(canvas.page.get_by_text("Raster Layers (2)")).to_be_visible()


def test_only_the_painted_part_is_changed(canvas: StudioPage) -> None:
    canvas.page.get_by_text("Inpaint Mask", exact=True).locator("visible=true").first.click()
    canvas.page.get_by_label("Brush (B)").click()
    box = canvas.page.locator("canvas").first.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    canvas.page.mouse.move(x - 60, y)
    canvas.page.mouse.down()
    canvas.page.mouse.move(x + 60, y + 40, steps=10)
    canvas.page.mouse.up()
    canvas.prompt("a red door")
    canvas.invoke()
    expect(canvas.page.get_by_label("Accept (Enter)")).to_be_enabled(timeout=30_000)
    canvas.wait_for_queue(completed=1, failed=0)
    node = _generation(canvas)
    assert node["mode"] == "inpaint" and node["init_image"] and node["mask_image"]


def test_a_result_is_saved_to_the_gallery_and_the_rest_discarded(canvas: StudioPage) -> None:
    canvas.prompt("a harbour")
    canvas.invoke()
    expect(canvas.page.get_by_label("Accept (Enter)")).to_be_enabled(timeout=30_000)
    canvas.page.get_by_label("Save To Gallery").click()
    canvas.until(lambda: canvas.get("/v1/images/", is_intermediate=False)["total"] == 2)
    canvas.page.get_by_label("Discard All").click()
    expect(canvas.page.get_by_label("Accept (Enter)")).to_have_count(0)
    expect(canvas.page.get_by_text("Raster Layers (1)")).to_be_visible()
