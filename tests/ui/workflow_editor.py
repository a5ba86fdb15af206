"""The node editor with the mouse: add nodes, place them, connect them, set their numbers."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, expect

from tests.ui.studio_page import StudioPage

Nodes = dict[str, tuple[str, dict[str, Any]]]
"""By id: type, and the inputs that are not as the node has them by itself."""
KEPT = ("save_image", "_image_generation")
"""Types of nodes whose pictures go to the gallery end with one of these."""


class WorkflowEditor:
    """The Workflows tab of a page, with a new empty workflow."""

    def __init__(self, studio: StudioPage) -> None:
        self.studio = studio
        self.page = studio.page

    def open_new(self) -> "WorkflowEditor":
        """Start an empty workflow and show the editor."""
        # asked when the press comes before the page has settled
        asked = self.page.get_by_text("Your current workflow has unsaved changes.")
        self.page.add_locator_handler(asked, lambda: self.page.get_by_role("button", name="Load", exact=True).click())
        self.studio.tab("Workflows")
        self.page.get_by_role("button", name="New Workflow").first.click()
        self.page.get_by_text("Workflow Editor", exact=True).first.click()
        self.page.locator(".react-flow__pane").wait_for()
        self.page.remove_locator_handler(asked)
        return self

    def load(self, name: str, nodes: Nodes, edges: Sequence[tuple[str, str]]) -> "WorkflowEditor":
        """Put a workflow into the library and load it; an edge is a pair like ("a.value", "b.a")."""
        stored = stored_workflow(self.studio, name, nodes, edges)
        self.studio.api.post("/v1/workflows/", json={"workflow": stored}).raise_for_status()
        self.studio.tab("Workflows")
        self.page.get_by_role("button", name="Choose Workflow from Library").first.click()
        return self.choose(name)

    def choose(self, name: str) -> "WorkflowEditor":
        """Load a workflow of the library, which is shown, over whatever is in the editor."""
        opened = self.studio.record.count("PUT", "/opened_at")
        load = self.page.get_by_role("button", name="Load", exact=True)

        def is_open() -> bool:
            if load.is_visible():  # asked only when the page thinks that something is unsaved; it may go by itself
                with suppress(PlaywrightError):
                    load.click(timeout=1000)
            return self.studio.record.count("PUT", "/opened_at") > opened

        self.page.get_by_text("Your Workflows").first.click()
        self.page.get_by_role("dialog").get_by_text(name).first.click()
        self.studio.until(is_open)
        expect(self.page.get_by_role("dialog").locator("visible=true")).to_have_count(0)
        expect(self.page.get_by_text("Loaded with Warnings")).to_have_count(0)
        return self

    def edit(self) -> None:
        """Show the nodes of a loaded workflow, all of them."""
        self.page.get_by_text("Workflow Editor", exact=True).first.click()
        self.page.get_by_text("Switch to edit mode to build workflows").click()
        self.page.get_by_label("Fit View").first.click()
        self.page.wait_for_timeout(400)  # the view glides

    def add(self, *titles: str) -> list[str]:
        """Add nodes by their titles, side by side; their ids."""
        ids = [self._add(title) for title in titles]
        # the first node sets the zoom, so it is set when all are there
        for _ in range(5):
            self.page.get_by_label("Zoom Out").first.click()
        pane = self.page.locator(".react-flow__pane").bounding_box()
        assert pane
        for place, node_id in enumerate(reversed(ids)):
            x = pane["x"] + 100 + (len(ids) - 1 - place) * (pane["width"] - 120) / len(ids)
            self._drag(self._header(node_id), x, pane["y"] + 120)
        return ids

    def connect(self, source: str, output: str, target: str, field: str) -> None:
        """Draw an edge; once more where the view glided away below the mouse, and a list of nodes opened instead."""
        edges = self.page.locator(".react-flow__edge")
        before = edges.count()
        search = self.page.get_by_placeholder("Search for nodes")
        for _ in range(3):
            end = self._handle(target, field, "target").bounding_box()
            assert end
            middle = (end["x"] + end["width"] / 2, end["y"] + end["height"] / 2)
            self._drag(self._handle(source, output, "source"), *middle)
            self.studio.until(lambda: edges.count() == before + 1 or search.is_visible(), 5)
            if edges.count() == before + 1:
                return
            self.page.keyboard.press("Escape")
            expect(search).to_be_hidden()
        raise AssertionError("the edge could not be drawn")

    def set_number(self, node_id: str, place: int, value: int) -> None:
        """Type `value` into the node's number field at `place`, counted from 0."""
        field = self.node(node_id).get_by_role("spinbutton").nth(place)
        field.fill(str(value))
        field.press("Tab")

    def choose_model(self, node_id: str, name: str) -> None:
        """Choose a model in the node's field."""
        self.node(node_id).get_by_text("Select a Model").click(force=True)  # the field lies over its words
        self.page.get_by_text(name, exact=True).locator("visible=true").last.click()

    def node(self, node_id: str) -> Locator:
        """The box of a node."""
        return self.page.locator(f'.react-flow__node[data-id="{node_id}"]')

    def save_as(self, name: str) -> None:
        """Save a new workflow to the library."""
        self.page.get_by_label("Save Workflow").first.click()
        self.page.get_by_placeholder("Workflow Name").fill(name)
        self.page.get_by_role("button", name="Save As").click()

    def _add(self, title: str) -> str:
        known = self.page.locator(".react-flow__node").count()
        self.page.get_by_label("Add Node").first.click()
        self.page.get_by_placeholder("Search for nodes").fill(title)
        self.page.get_by_role("dialog").last.get_by_text(title, exact=True).first.click()
        self.studio.until(lambda: self.page.locator(".react-flow__node").count() == known + 1, 5)
        self.page.wait_for_timeout(400)  # the view glides to the new node
        return str(self.page.locator(".react-flow__node").last.get_attribute("data-id"))

    def _header(self, node_id: str) -> Locator:
        return self.node(node_id).locator("p.chakra-text").first

    def _handle(self, node_id: str, field: str, side: str) -> Locator:
        return self.page.locator(f'.react-flow__handle.{side}[data-nodeid="{node_id}"][data-handleid="{field}"]')

    def _drag(self, what: Locator, x: float, y: float) -> None:
        box = what.bounding_box()
        assert box
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.mouse.down()
        self.page.mouse.move(x, y, steps=12)
        self.page.mouse.up()


def stored_workflow(page: StudioPage, name: str, wanted: Nodes, joined: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The workflow as the editor saves it, with every node as the server describes it."""
    schemas = page.server_document()["components"]["schemas"].values()
    described = {s["properties"]["type"]["default"]: s for s in schemas if s.get("class") == "invocation"}
    nodes = []
    for place, (node_id, (kind, values)) in enumerate(wanted.items()):
        schema = described[kind]
        inputs = {
            key: {"name": key, "label": "", "description": "", "value": values.get(key, field.get("default"))}
            for key, field in schema["properties"].items()
            if field.get("field_kind") == "input" and not field.get("ui_hidden")
        }
        data = {"id": node_id, "type": kind, "version": schema["version"], "label": "", "notes": "", "isOpen": True}
        data |= {"isIntermediate": not kind.endswith(KEPT), "useCache": False, "nodePack": "invokeai", "inputs": inputs}
        position = {"x": 340 * (place % 5), "y": 420 * (place // 5)}
        nodes.append({"id": node_id, "type": "invocation", "position": position, "data": data})
    edges = []
    for start, end in joined:
        (source, out), (target, into) = start.split("."), end.split(".")
        edge = {"id": f"{start}-{end}", "type": "default", "source": source, "sourceHandle": out}
        edges.append(edge | {"target": target, "targetHandle": into})
    texts = dict.fromkeys(("author", "description", "version", "contact", "tags", "notes"), "")
    meta = {"version": "3.0.0", "category": "user"}
    return {"name": name, **texts, "exposedFields": [], "nodes": nodes, "edges": edges, "meta": meta}
