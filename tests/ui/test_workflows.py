"""The workflow editor: build, run, save, load again, run again."""

from typing import Any

from tests.ui.studio_page import StudioPage
from tests.ui.workflow_editor import WorkflowEditor


def _newest_values(page: StudioPage) -> set[Any]:
    item = max(page.get("/v1/queue/default/list_all"), key=lambda item: item["item_id"])
    return {result.get("value") for result in item["session"]["results"].values()}


def test_a_workflow_is_built_run_saved_loaded_and_run_again(page: StudioPage) -> None:
    editor = WorkflowEditor(page).open_new()
    add, multiply = editor.add("Add Integers", "Multiply Integers")
    editor.set_number(add, 0, 4)
    editor.set_number(add, 1, 5)
    editor.set_number(multiply, 1, 6)
    editor.connect(add, "value", multiply, "a")
    page.invoke()
    page.wait_for_queue(completed=1, failed=0)
    assert _newest_values(page) == {9, 54}

    editor.save_as("Nine times six")
    page.until(lambda: page.get("/v1/workflows/", categories="user")["total"] == 1)
    page.page.reload()
    page.open()
    page.tab("Workflows")
    page.page.get_by_role("button", name="Choose Workflow from Library").or_(
        page.page.get_by_role("button", name="Nine times six")
    ).first.click()
    editor.choose("Nine times six")  # the server's copy instead of the browser's
    page.invoke()
    page.wait_for_queue(completed=2, failed=0)
    assert _newest_values(page) == {9, 54}
    assert page.record.count("PUT", "/opened_at") >= 1
