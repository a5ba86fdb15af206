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
        self.studio.wait_for_queue()
        item = max(self.studio.get("/v1/queue/default/list_all"), key=lambda item: int(item["item_id"]))
        assert item["status"] == "completed", item["error_message"]
        self._wait_until_staged()
        nodes = item["session"]["execution_graph"]["nodes"].values()
        node: dict[str, Any] = next(node for node in nodes if node["type"].endswith("_image_generation"))
        return node

    def _wait_until_staged(self) -> None:
        """On a busy machine the bundle at times asks for what has changed only when something else happens."""
        for _ in range(12):
            try:
                return expect(self.accept_button).to_be_enabled(timeout=3_000)
            except AssertionError:
                graph = {"id": "g", "nodes": {"n": {"id": "n", "type": "string", "value": "x"}}, "edges": []}
                body = {"prepend": False, "batch": {"graph": graph, "runs": 1}}
                self.studio.api.post("/v1/queue/default/enqueue_batch", json=body).raise_for_status()
        expect(self.accept_button).to_be_enabled()

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
