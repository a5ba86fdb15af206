"""Pictures from prompts on the Generate tab."""

from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import expect

from tests.ui.studio_page import StudioPage


def _newest_items(page: StudioPage, count: int) -> list[dict[str, Any]]:
    items = sorted(page.get("/v1/queue/default/list_all"), key=lambda item: int(item["item_id"]))
    return items[-count:]


def _generation(item: dict[str, Any]) -> dict[str, Any]:
    """The generation node of an item with everything that ran into it."""
    nodes = item["session"]["execution_graph"]["nodes"].values()
    return next(node for node in nodes if node["type"] == "third_party_image_generation")


def test_the_page_loads_with_the_sketch_model_chosen(page: StudioPage) -> None:
    expect(page.page.get_by_role("button", name="Sketch", exact=False).first).to_be_visible()
    expect(page.page.get_by_text("No images/videos found")).to_be_visible()
    assert page.page.title() == "Invoke - Community Edition"


def test_a_prompt_becomes_a_picture_in_the_gallery(page: StudioPage) -> None:
    page.prompt("a lighthouse in the fog")
    page.invoke()
    expect(page.tiles).to_have_count(1)
    page.wait_for_queue(completed=1, failed=0)
    picture = page.get("/v1/images/", limit=1)["items"][0]
    assert (picture["width"], picture["height"]) == (1024, 1024)
    metadata = page.get(f"/v1/images/i/{picture['image_name']}/metadata")
    assert metadata["positive_prompt"] == "a lighthouse in the fog"
    assert metadata["model"]["base"] == "external"
    expect(page.page.locator(f'img[src$="{picture["image_name"]}/full"]')).to_be_visible()


def test_model_and_prompt_survive_a_reload(page: StudioPage) -> None:
    page.choose_model("Sketch Mono")
    page.prompt("something to keep")
    page.until(lambda: page.record.count("POST", "set_by_key?key=params") > 0)
    page.page.wait_for_timeout(1500)  # what was typed is stored a moment later
    page.open()
    expect(page.page.locator("textarea").first).to_have_value("something to keep")
    expect(page.model_button).to_have_text("Sketch Mono")
    page.invoke()
    page.wait_for_queue(failed=0)
    [item] = _newest_items(page, 1)
    assert _generation(item)["model"]["name"] == "Sketch Mono"


def test_three_iterations_make_three_pictures_with_three_seeds(page: StudioPage) -> None:
    before = page.get("/v1/images/")["total"]
    page.prompt("three boats")
    page.set_iterations(3)
    page.invoke()
    page.until(lambda: page.get("/v1/images/")["total"] == before + 3)
    page.wait_for_queue(failed=0)
    expect(page.tiles).to_have_count(before + 3)
    assert len({_generation(item)["seed"] for item in _newest_items(page, 3)}) == 3


def test_a_prompt_with_choices_makes_one_picture_for_each(page: StudioPage) -> None:
    before = page.get("/v1/images/")["total"]
    page.prompt("a {red|green|blue} house")
    page.until(lambda: page.record.count("POST", "utilities/dynamicprompts") > 0)
    page.page.wait_for_timeout(500)
    page.invoke()
    page.until(lambda: page.get("/v1/images/")["total"] == before + 3)
    page.wait_for_queue(failed=0)
    prompts = {_generation(item)["prompt"] for item in _newest_items(page, 3)}
    assert prompts == {"a red house", "a green house", "a blue house"}


def test_what_waits_and_runs_can_be_cancelled(page: StudioPage) -> None:
    page.prompt("far too many")
    page.set_iterations(30)
    page.invoke()
    page.page.get_by_role("button", name="Queue Actions Menu").click()
    page.page.get_by_role("menuitem", name="Cancel and Clear All Items").click()
    page.page.get_by_role("button", name="Clear", exact=True).locator("visible=true").last.click()
    counts = page.wait_for_queue(failed=0)
    assert counts["completed"] < 30
    page.set_iterations(1)
    page.prompt("one more")
    page.invoke()
    page.until(lambda: page.get("/v1/queue/default/status")["queue"]["completed"] >= 1)
    page.wait_for_queue(failed=0)


def test_a_reference_image_goes_along(page: StudioPage, tmp_path: Path) -> None:
    Image.new("RGB", (320, 200), "teal").save(tmp_path / "style.png")
    with page.page.expect_file_chooser() as chooser:
        page.page.get_by_role("button", name="Reference Image").first.click()
    chooser.value.set_files(tmp_path / "style.png")
    page.until(lambda: page.record.count("POST", "images/upload") == 1)
    page.prompt("in this style")
    page.page.wait_for_timeout(800)
    page.invoke()
    page.wait_for_queue(failed=0)
    [item] = _newest_items(page, 1)
    assert len(_generation(item)["reference_images"]) == 1


def test_a_picture_gives_its_prompt_seed_and_model_back(page: StudioPage) -> None:
    page.prompt("to be recalled")
    page.invoke()
    page.wait_for_queue(failed=0)
    [item] = _newest_items(page, 1)
    page.prompt("something else")
    page.page.get_by_role("button", name="Use All (A)").click()
    expect(page.page.locator("textarea").first).to_have_value("to be recalled")
    page.page.wait_for_timeout(300)
    page.invoke()
    page.wait_for_queue(failed=0)
    [again] = _newest_items(page, 1)
    assert _generation(again)["seed"] == _generation(item)["seed"]
