"""The canvas with the mouse: its box, its layers, a mask, the staging area."""

from typing import Any

from playwright.sync_api import Locator, expect

from tests.ui.studio_page import StudioPage


class CanvasPage:
    """The Canvas tab of a page."""

    def __init__(self, studio: StudioPage) -> None:
        self.studio = studio
        self.page = studio.page

    @property
    def accept_button(self) -> Locator:
        """Takes the staged picture over."""
        return self.page.get_by_label("Accept (Enter)")

    def generate(self, prompt: str) -> dict[str, Any]:
        """Have the model paint into the box and wait for the staged picture; the generation node as it ran."""
        self.studio.prompt(prompt)
        self.studio.invoke()
        expect(self.accept_button).to_be_enabled(timeout=30_000)
        item = max(self.studio.get("/v1/queue/default/list_all"), key=lambda item: int(item["item_id"]))
        nodes = item["session"]["execution_graph"]["nodes"].values()
        node: dict[str, Any] = next(node for node in nodes if node["type"].endswith("_image_generation"))
        return node

    def accept(self, layers: int) -> None:
        """Take the staged picture over, which makes so many raster layers."""
        self.accept_button.click()
        expect(self.page.get_by_text(f"Raster Layers ({layers})")).to_be_visible()

    def set_width(self, pixels: int) -> None:
        """Make the box so wide."""
        field = self.page.get_by_role("spinbutton", name="Width")
        field.click()
        field.press("Control+A")
        field.press_sequentially(str(pixels))
        field.press("Tab")
        self.studio.rest()

    def add_mask(self) -> None:
        """Add an inpaint mask and paint a stroke near the middle."""
        self.page.get_by_label("Add Layer").click()
        self.page.get_by_role("menuitem", name="Inpaint Mask").locator("visible=true").click()
        self.page.get_by_label("Brush (B)").click()
        box = self.page.locator("canvas").first.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x - 60, y)
        self.page.mouse.down()
        self.page.mouse.move(x + 60, y + 40, steps=10)
        self.page.mouse.up()
