"""Workflows of many kinds of node, loaded into the editor and run: batch, iterate, collect, logic, text and images."""

import re

from tests.ui.studio_page import StudioPage
from tests.ui.workflow_editor import Nodes, WorkflowEditor

NODES: Nodes = {
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


def test_a_workflow_of_many_nodes_runs_and_its_intermediates_are_cleared(page: StudioPage) -> None:
    WorkflowEditor(page).load("Stones", NODES, EDGES)
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
