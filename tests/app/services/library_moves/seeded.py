"""Libraries for the tests of moves: one with something in every table, and what two of them have in common."""

import io
from pathlib import Path
from typing import Any

from PIL import Image

from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_files.image_files_r2 import R2ImageFileStorage
from invokeai.app.services.image_files.object_image_files import ObjectImageFiles
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.library_defaults.default_library import sync_default_library
from invokeai.app.services.library_moves import tables
from invokeai.app.services.library_moves.library import Library
from invokeai.app.services.shared.database.base import DatabaseUnavailable, Row, SqlValue, Statement
from invokeai.app.services.shared.database.d1 import D1Database
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.objects.s3_objects import S3Objects
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.s3_server import S3Server, refuse_what_r2_lacks

NOW = "2026-01-02 03:04:05.678"
LARGE = '{"name": "' + '\\"' * 900_000 + '"}'
"""JSON text of 1.8 MB that escaping doubles."""
TEXT = "Ünïcödé “quotes” \\ \" ' \n\t 世界 {} [1]"


def on_disk(root: Path) -> Library:
    """A library on SQLite and disk; nothing is made yet."""
    database = SqliteDatabase(root / "databases" / "invokeai.db")
    outputs = root / "outputs"
    return Library(database, DiskObjects(outputs), str(root), str(outputs), "images/thumbnails/")


def in_cloud(gateway: D1Gateway, server: S3Server) -> Library:
    """A library on D1 and a bucket, both empty."""
    d1, s3 = gateway.new_database(), server.new_bucket()
    objects = refuse_what_r2_lacks(S3Objects(s3))
    return Library(D1Database(d1), objects, f"d1 {d1.database_id}", f"s3 {s3.bucket}")


def picture(number: int, side: int = 24) -> bytes:
    """PNG bytes, other ones for each number."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), (number % 256, number // 256 % 256, 99)).save(out, "PNG")
    return out.getvalue()


def image_service(library: Library) -> ImageService:
    """Pictures of the library."""
    if isinstance(library.objects, S3Objects):
        files: ObjectImageFiles = R2ImageFileStorage("", "", "", "", objects=library.objects)
    else:
        assert isinstance(library.objects, DiskObjects)
        files = DiskImageFileStorage(library.objects._root / "images")
    return ImageService(files, ImageRecordStore(library.database), 1_000_000)


async def fill(library: Library, pictures: int = 12) -> None:
    """Put something into every table and every folder."""
    await library.database.migrate()
    await sync_default_library(library.database, {})
    board = ("b1", TEXT, NOW, NOW)
    await library.database.execute(
        "INSERT INTO boards (board_id, board_name, created_at, updated_at) VALUES (?, ?, ?, ?)", *board
    )
    images = image_service(library)
    for number in range(pictures):
        await images.create(
            picture(number),
            image_origin=ResourceOrigin.INTERNAL,
            image_category=ImageCategory.GENERAL if number % 3 else ImageCategory.MASK,
            image_name=f"picture-{number:05}.png",
            board_id="b1" if number % 2 else None,
            is_intermediate=number == 3,
            metadata=f'{{"positive_prompt": "pröbe", "seed": {number}}}',
        )
        await images.get_thumbnail(f"picture-{number:05}.png")  # drawn now rather than soon
    await images.star(["picture-00001.png"])
    images.close()
    await library.database.batch([Statement(*statement) for statement in _ROWS])
    for key in ("workflow_thumbnails/t1.webp", "style_presets/i1.webp", "model_images/m1.webp", "receipts/r1"):
        await library.write(key, key.encode() * 20)
    await library.objects.put("downloads/not-kept.zip", b"zip", "application/zip")


async def everything(library: Library) -> tuple[dict[str, list[Row]], dict[str, bytes]]:
    """All rows that move, by table, and all files, by key."""
    rows = {}
    for table in await tables.tables_of(library.database):
        order = ", ".join(table.key)
        rows[table.name] = await library.database.fetch(
            f"SELECT * FROM {table.name} WHERE {table.moved} ORDER BY {order}"
        )
    return rows, {entry.key: await library.read(entry.key) async for entry in library.files()}


class Stops:
    """Lets a number of writes pass, then loses every one, as a process that was killed would."""

    def __init__(self, wrapped: Any, names: tuple[str, ...], budget: list[int]) -> None:
        self._wrapped, self._names, self._budget = wrapped, names, budget

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            self._budget[0] -= 1
            if self._budget[0] < 0:
                raise DatabaseUnavailable("killed")
        return getattr(self._wrapped, name)


def mortal(library: Library, writes: int) -> Library:
    budget = [writes]
    return Library(
        Stops(library.database, ("batch", "execute", "migrate"), budget),
        Stops(library.objects, ("put",), budget),
        library.database_place,
        library.objects_place,
        library.thumbnails,
    )


_ROWS: list[tuple[str, tuple[SqlValue, ...]]] = [
    ("INSERT INTO client_state VALUES ('system', 'canvas', 0, ?)", (TEXT,)),
    ("INSERT INTO client_state VALUES ('system', 'canvas', 1, ?)", (LARGE,)),
    ("INSERT INTO library_facts VALUES ('spend_cap', '12.50')", ()),
    (
        "INSERT INTO workflows VALUES ('w1', 'system', 'user', ?, '', 'a, b', 'ok', 1, 't1', ?, ?, ?, NULL)",
        (TEXT, LARGE, NOW, NOW),
    ),
    ("INSERT INTO style_presets VALUES ('p1', 'system', 'user', 'Oil', ?, '', 0, 'i1', ?, ?)", (TEXT, NOW, NOW)),
    ("INSERT INTO system_prompts VALUES ('s1', 'system', 'Mine', ?, 0, ?, ?)", (TEXT, NOW, NOW)),
    (
        "INSERT INTO batches (batch_id, queue_id, user_id, priority, graph, created_at) "
        "VALUES ('q1', 'default', 'system', 0, ?, ?)",
        ('{"nodes": {}}', NOW),
    ),
    (
        "INSERT INTO session_queue (item_id, queue_id, batch_id, session_id, user_id, priority, status, field_values, "
        "created_at, updated_at) VALUES (7, 'default', 'q1', 'x7', 'system', -1, 'completed', '[]', ?, ?)",
        (NOW, NOW),
    ),
    ("INSERT INTO session_parts VALUES (7, 0, ?)", (LARGE,)),
    (
        "INSERT INTO generation_receipts (receipt_id, session_id, node_id, call_index, user_id, provider_id, model_id, "
        "request_digest, state, cost_amount, cost_micros, created_at, updated_at) "
        "VALUES ('r1', 'x7', 'n', 0, 'system', 'openai', 'm', 'd', 'stored', '0.040000', 40000, ?, ?)",
        (NOW, NOW),
    ),
    ("INSERT INTO idempotent_requests VALUES ('k1', 'd', 'api-1', NULL, ?)", (NOW,)),
    ("INSERT INTO external_models VALUES ('m1', 'openai', 'm', '{}', 0, ?, ?)", (NOW, NOW)),
    ("INSERT INTO model_relationships VALUES ('m1', 'm2', ?)", (NOW,)),
]
