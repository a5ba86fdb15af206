"""The library in the browser: shipped workflows, prompt templates, boards."""

from pathlib import Path

from playwright.sync_api import expect

from tests.ui.studio_page import StudioPage


def test_a_shipped_workflow_is_loaded_without_a_warning_and_run(page: StudioPage) -> None:
    page.tab("Workflows")
    page.page.get_by_role("button", name="Choose Workflow from Library").first.click()
    library = page.page.get_by_role("dialog")
    expect(library.get_by_text("Text to Image (2)")).to_be_visible()
    library.get_by_text("Text to Image - one picture for each choice").click()
    page.page.get_by_role("button", name="Load", exact=True).click()
    expect(page.page.get_by_text("Most pictures")).to_be_visible()
    page.invoke()
    page.wait_for_queue(completed=1, failed=0)
    assert page.get("/v1/gallery/item_names", is_intermediate=False)["total_count"] == 6
    opened = page.get("/v1/workflows/", has_been_opened=True)
    assert [workflow["workflow_id"] for workflow in opened["items"]] == ["default_cloud_prompt_choices"]


def test_a_prompt_template_is_made_used_and_taken_along(page: StudioPage, tmp_path: Path) -> None:
    page.tab("Generate")
    page.page.get_by_role("button", name="Choose Prompt Template").click()
    expect(page.page.get_by_text("Ink drawing")).to_be_visible()
    page.page.get_by_role("button", name="Create Prompt Template").click()
    form = page.page.get_by_role("dialog").filter(has=page.page.locator("input[name=name]"))
    form.locator("input[name=name]").fill("Oil")
    texts = form.locator("textarea")
    texts.nth(0).fill("oil painting of {prompt}, thick brush")
    texts.nth(1).fill("photo")
    form.get_by_role("button", name="Create").or_(form.get_by_role("button", name="Save")).first.click()
    expect(form).to_have_count(0)
    (made,) = [preset for preset in page.get("/v1/style_presets/") if preset["type"] == "user"]
    assert made["preset_data"] == {
        "positive_prompt": "oil painting of {prompt}, thick brush", "negative_prompt": "photo"
    }  # fmt: skip
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="Export My Prompt Templates (CSV)").click()
    file = tmp_path / "templates.csv"
    download.value.save_as(file)
    assert file.read_text().splitlines()[1] == 'Oil,"oil painting of {prompt}, thick brush",photo'


def test_a_board_is_made_and_picked_up_by_the_next_picture(page: StudioPage) -> None:
    page.tab("Generate")
    page.page.get_by_role("button", name="Add Board").click()
    expect(page.page.get_by_text("My Board").first).to_be_visible()
    page.prompt("a lighthouse")
    page.invoke()
    page.until(lambda: page.get("/v1/boards/", all=True)[0]["image_count"] == 1)
    (board,) = page.get("/v1/boards/", all=True)
    (name,) = page.get(f"/v1/boards/{board['board_id']}/image_names", categories="general", is_intermediate=False)
    assert board["cover_image_name"] == name
