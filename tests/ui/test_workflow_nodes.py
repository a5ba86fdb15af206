"""Workflows of many kinds of node, loaded into the editor and run: batch, iterate, collect, logic, text and images."""

import re
from typing import Any

from playwright.sync_api import expect

from tests.ui.studio_page import StudioPage

NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "words": ("string_batch", {"strings": ["amber", "jade"]}),
    "join": ("string_join", {"string_right": " stone"}),
    "numbers": ("range", {"start": 1, "stop": 4, "step": 1}),
    "each": ("iterate", {}),
    "sum": ("add", {"b": 10}),
    "all": ("collect", {}),
    "yes": ("boolean", {"value": True}),
    "choose": ("if", {}),
    "side": ("integer", {"value": 96}),
    "blank": ("blank_image", {"width": 64, "height": 64}),
    "larger": ("img_resize", {"height": 48}),
    "soft": ("img_blur", {"radius": 4}),
    "kept": ("save_image", {}),
}
EDGES = (
    ("words.value", "join.string_left"),
    ("numbers.collection", "each.collection"),
    ("each.item", "sum.a"),
    ("sum.value", "all.item"),
    ("yes.value", "choose.condition"),
    ("side.value", "choose.true_input"),
    ("choose.value", "larger.width"),
    ("blank.image", "larger.image"),
    ("larger.image", "soft.image"),
    ("soft.image", "kept.image"),
)


def workflow(page: StudioPage) -> dict[str, Any]:
    """The workflow as the editor saves it, with every node as the server describes it."""
    schemas = page.server_document()["components"]["schemas"].values()
    described = {s["properties"]["type"]["default"]: s for s in schemas if s.get("class") == "invocation"}
    nodes = []
    for place, (node_id, (kind, values)) in enumerate(NODES.items()):
        schema = described[kind]
        inputs = {
            name: {"name": name, "label": "", "description": "", "value": values.get(name, field.get("default"))}
            for name, field in schema["properties"].items()
            if field.get("field_kind") == "input" and not field.get("ui_hidden")
        }
        data = {"id": node_id, "type": kind, "version": schema["version"], "label": "", "notes": "", "isOpen": True}
        data |= {"isIntermediate": kind != "save_image", "useCache": False, "nodePack": "invokeai", "inputs": inputs}
        position = {"x": 340 * (place % 5), "y": 420 * (place // 5)}
        nodes.append({"id": node_id, "type": "invocation", "position": position, "data": data})
    edges = []
    for start, end in EDGES:
        (source, out), (target, into) = start.split("."), end.split(".")
        edge = {"id": f"{start}-{end}", "type": "default", "source": source, "sourceHandle": out}
        edges.append(edge | {"target": target, "targetHandle": into})
    texts = dict.fromkeys(("author", "description", "version", "contact", "tags", "notes"), "")
    meta = {"version": "3.0.0", "category": "user"}
    return {"name": "Stones", **texts, "exposedFields": [], "nodes": nodes, "edges": edges, "meta": meta}


def test_a_workflow_of_many_nodes_runs_and_its_intermediates_are_cleared(page: StudioPage) -> None:
    page.api.post("/v1/workflows/", json={"workflow": workflow(page)}).raise_for_status()
    page.tab("Workflows")
    page.page.get_by_role("button", name="Choose Workflow from Library").first.click()
    page.page.get_by_text("Your Workflows").first.click()
    page.page.get_by_role("dialog").get_by_text("Stones").first.click()
    page.page.get_by_role("button", name="Load", exact=True).click()
    expect(page.page.get_by_role("dialog").locator("visible=true")).to_have_count(0)
    expect(page.page.get_by_text("Loaded with Warnings")).to_have_count(0)
    page.invoke()
    page.wait_for_queue(completed=2, failed=0)
    items = page.get("/v1/queue/default/list_all")
    values = [[result.get("value") for result in item["session"]["results"].values()] for item in items]
    assert sorted(value for found in values for value in found if isinstance(value, str)) == [
        "amber stone",
        "jade stone",
    ]
    collections = [
        r["collection"] for i in items for r in i["session"]["results"].values() if len(r.get("collection") or ()) == 3
    ]
    assert [11, 12, 13] in collections
    names = page.get("/v1/gallery/item_names", is_intermediate=False)["item_names"]
    sizes = {(dto["width"], dto["height"]) for name in names for dto in [page.get(f"/v1/images/i/{name}")]}
    assert (len(names), sizes) == (2, {(96, 48)})

    assert page.get("/v1/images/intermediates") == 6
    page.page.get_by_role("button", name="Menu", exact=True).click()
    page.page.get_by_role("menuitem", name="Settings").click()
    page.page.get_by_role("button", name=re.compile("Clear 6 Intermediate")).click()
    page.until(lambda: page.get("/v1/images/intermediates") == 0)
    assert len(page.get("/v1/gallery/item_names", is_intermediate=False)["item_names"]) == 2
