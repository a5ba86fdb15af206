"""kill -9 amid queued generations: every item ends completed once, with one picture, and nothing is lost."""

import sqlite3
import time
from pathlib import Path

from tests.app.services.session_processor.studio_calls import call, fetch, wait_for
from tests.studio_process import StudioProcess

ITEMS = 30
KILLS = 5

NODE_PACK = '''
import asyncio

from PIL import Image

from invokeai.invocation_api import AsyncInvocationContext, BaseInvocation, ImageField, ImageOutput
from invokeai.invocation_api import InputField, invocation


@invocation("slow_picture", version="1.0.0", use_cache=False)
class SlowPicture(BaseInvocation):
    """A picture after a while."""

    shade: int = InputField(default=0)

    async def invoke(self, context: AsyncInvocationContext) -> ImageOutput:
        await asyncio.sleep(0.05)
        dto = await context.images.save(Image.new("RGB", (64, 64), (self.shade, 0, 0)))
        await asyncio.sleep(0.05)
        return ImageOutput(image=ImageField(image_name=dto.image_name), width=64, height=64)
'''


def test_every_item_ends_completed_once_with_one_picture(tmp_path: Path) -> None:
    root = tmp_path / "root"
    pack = root / "nodes" / "slow_pack"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(NODE_PACK)
    studio = StudioProcess(root, settings={"INVOKEAI_MAX_CONCURRENT_SESSIONS": "4"}).start()
    try:
        shades = [{"node_path": "p", "field_name": "shade", "items": list(range(ITEMS))}]
        graph = {"id": "g", "nodes": {"p": {"id": "p", "type": "slow_picture"}}, "edges": []}
        call(studio, "/api/v1/queue/default/enqueue_batch", {"batch": {"graph": graph, "runs": 1, "data": [shades]}})
        for kill in range(KILLS):
            wait_for(studio, (kill + 1) * (ITEMS // (KILLS + 1)) - 2)
            time.sleep(0.017 * kill)
            studio.kill()
            studio.start()
        wait_for(studio, ITEMS)
        items = call(studio, "/api/v1/queue/default/list_all")
        pictures = [result["image"]["image_name"] for item in items for result in item["session"]["results"].values()]
        assert [item["status"] for item in items] == ["completed"] * ITEMS
        assert len(pictures) == len(set(pictures)) == ITEMS
        listed = call(studio, "/api/v1/gallery/item_names?board_id=none&categories=general&is_intermediate=false")
        assert sorted(listed["item_names"]) == sorted(pictures)
        for name in pictures:
            assert call(studio, f"/api/v1/images/i/{name}")["session_id"]
            assert fetch(studio, f"/api/v1/images/i/{name}/full").startswith(b"\x89PNG")
            assert fetch(studio, f"/api/v1/images/i/{name}/thumbnail")
        studio.stop()
        assert_nothing_else_is_stored(root, pictures)
    finally:
        if studio.is_running():
            studio.kill()


def assert_nothing_else_is_stored(root: Path, pictures: list[str]) -> None:
    """No second picture, no lease, and no item that was completed twice."""
    files = [path.name for path in (root / "outputs").rglob("*.png")]
    assert sorted(files) == sorted(pictures)
    with sqlite3.connect(root / "databases" / "invokeai.db") as database:
        assert database.execute("SELECT COUNT(*) FROM images").fetchone() == (ITEMS,)
        rows = database.execute("SELECT attempts, status_sequence, worker_id FROM session_queue").fetchall()
    assert all(worker is None for _, _, worker in rows)
    assert sum(attempts for attempts, _, _ in rows) > ITEMS  # some were interrupted, or the test shows nothing
    assert all(sequence == 2 * attempts for attempts, sequence, _ in rows)
