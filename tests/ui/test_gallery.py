"""The gallery: boards, stars, search, uploads, downloads, selections."""

import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.studio_process import StudioProcess
from tests.ui.studio_page import StudioPage
from tests.ui.uploads import upload


@pytest.fixture(autouse=True)
def pictures(ui_studio: StudioProcess) -> list[str]:
    """Four pictures and no board, whatever the test before left, before the page is loaded."""
    with httpx.Client(base_url=f"{ui_studio.base_url}/api/v1") as api:
        items = api.get("/images/", params={"limit": 1000}).json()["items"]
        api.post("/images/delete", json={"image_names": [item["image_name"] for item in items]}).raise_for_status()
        for board in api.get("/boards/", params={"all": True}).json():
            api.delete(f"/boards/{board['board_id']}").raise_for_status()
        return [upload(api, f"picture {number}", (200 + 20 * number, 160)) for number in range(4)]


ASKED_ONCE_MORE = r"404 .*images/i/[\w-]+\.png(/metadata)?|Failed to load resource.*images/i/[\w-]+\.png(/metadata)?\)"
"""The page asks once more for the picture that it has just deleted while it was selected; 404 is the right answer."""


def _board(page: StudioPage) -> dict[str, Any]:
    [board] = page.get("/v1/boards/", all=True)
    return dict(board)


def test_a_board_is_made_renamed_filled_and_deleted(page: StudioPage, pictures: list[str]) -> None:
    page.page.get_by_role("button", name="Add Board").click()
    expect(page.page.get_by_text("My Board").first).to_be_visible()
    page.page.get_by_text("My Board").first.dblclick()
    field = page.page.locator("input:focus")
    field.fill("Boats")
    field.press("Enter")
    page.until(lambda: _board(page)["board_name"] == "Boats")

    page.page.get_by_text("Uncategorized").first.click()
    page.context_menu(page.tiles.first, "Change Board")
    page.page.get_by_role("combobox").locator("visible=true").last.click(force=True)
    page.page.keyboard.type("Boats")
    page.page.keyboard.press("Enter")
    page.page.get_by_role("button", name="Move", exact=True).click()
    page.until(lambda: _board(page)["image_count"] == 1)
    expect(page.tiles).to_have_count(3)
    page.page.get_by_text("Boats").first.click()
    expect(page.tiles).to_have_count(1)

    page.context_menu(page.page.get_by_text("Boats").first, "Delete Board")
    page.page.get_by_role("button", name="Delete Board Only").click()
    page.until(lambda: page.get("/v1/boards/", all=True) == [])
    assert page.get("/v1/images/")["total"] == 4


def test_a_star_puts_a_picture_first(page: StudioPage, pictures: list[str]) -> None:
    last = page.tiles.last
    name = last.get_attribute("data-item-id")
    last.hover()
    last.get_by_label("Star").click()
    page.until(lambda: page.get(f"/v1/images/i/{name}")["starred"])
    expect(page.tiles.first).to_have_attribute("data-item-id", str(name))


def test_a_picture_is_deleted_after_asking(page: StudioPage, pictures: list[str]) -> None:
    page.record.allow(ASKED_ONCE_MORE)
    page.context_menu(page.tiles.first, "Delete Image")
    page.page.get_by_role("alertdialog").or_(page.page.get_by_role("dialog")).get_by_role(
        "button", name="Delete"
    ).click()
    expect(page.tiles).to_have_count(3)
    assert page.get("/v1/images/")["total"] == 3


def test_search_finds_by_metadata(page: StudioPage, pictures: list[str]) -> None:
    page.page.get_by_role("button", name="Gallery Search").click()
    page.page.get_by_placeholder("Search", exact=False).locator("visible=true").last.fill("picture 2")
    expect(page.tiles).to_have_count(1)
    expect(page.tiles.first).to_have_attribute("data-item-id", pictures[2])


def test_an_upload_lands_in_the_assets(page: StudioPage, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "orange").save(tmp_path / "photo.jpg")
    with page.page.expect_file_chooser() as chooser:
        page.page.get_by_role("button", name="Upload Media").click()
    chooser.value.set_files(tmp_path / "photo.jpg")
    page.until(lambda: page.get("/v1/images/", categories="user")["total"] == 1)
    page.page.get_by_role("button", name="Assets").or_(page.page.get_by_role("tab", name="Assets")).first.click()
    expect(page.tiles).to_have_count(1)


def test_a_file_that_is_no_picture_is_refused_in_words(page: StudioPage, tmp_path: Path) -> None:
    page.record.allow("415|Image upload failed")  # the refusal itself
    (tmp_path / "fake.png").write_text("not a picture")
    with page.page.expect_file_chooser() as chooser:
        page.page.get_by_role("button", name="Upload Media").click()
    chooser.value.set_files(tmp_path / "fake.png")
    expect(page.page.get_by_text("Upload failed", exact=False).first).to_be_visible()
    assert page.get("/v1/images/")["total"] == 4


def test_several_pictures_are_downloaded_as_a_zip(page: StudioPage, tmp_path: Path) -> None:
    page.tiles.nth(0).click()
    page.tiles.nth(2).click(modifiers=["Shift"])
    page.context_menu(page.tiles.nth(1), "Download 3 Images")
    link = page.page.get_by_text("Click here to download", exact=False)
    expect(link).to_be_visible(timeout=20_000)
    with page.page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "pictures.zip")
    names = zipfile.ZipFile(tmp_path / "pictures.zip").namelist()
    assert len(names) == 3 and all(name.startswith("general/") for name in names)


def test_several_pictures_are_deleted_together(page: StudioPage) -> None:
    page.record.allow(ASKED_ONCE_MORE)
    page.tiles.nth(0).click()
    page.tiles.nth(2).click(modifiers=["Shift"])
    page.context_menu(page.tiles.nth(1), "Delete 3 Images")
    page.page.get_by_role("alertdialog").or_(page.page.get_by_role("dialog")).get_by_role(
        "button", name="Delete"
    ).click()
    expect(page.tiles).to_have_count(1)


def test_a_picture_is_downloaded(page: StudioPage, tmp_path: Path) -> None:
    name = page.tiles.first.get_attribute("data-item-id")
    with page.page.expect_download() as download:
        page.context_menu(page.tiles.first, "Download")
    assert download.value.suggested_filename == name
    download.value.save_as(tmp_path / "one.png")
    assert Image.open(tmp_path / "one.png").size == (260, 160)


def test_the_viewer_shows_what_is_known_of_a_picture(page: StudioPage) -> None:
    page.tiles.first.dblclick()
    page.page.get_by_role("button", name="Info (I)").click()
    expect(page.page.get_by_text("picture 3").first).to_be_visible()
    for tab in ("Image Details", "Workflow", "Graph", "Metadata"):
        page.page.get_by_role("tab", name=tab).locator("visible=true").first.click()
