"""Pictures as one zip: prepared in the background, announced by events, fetched by name until it is swept.

A zip appears under its name only when it is whole. Entries are `<category>/<image name>`.
"""

import asyncio
import logging
import re
import tempfile
import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from invokeai.app.services.events.events import Event, EventService
from invokeai.app.services.image_files.image_file_storage import ImageFileStorage
from invokeai.app.services.image_records.image_record_store import CategorisedName, ImageRecordStore
from invokeai.app.services.shared.errors import InvalidInput, NotFound
from invokeai.app.services.shared.objects.object_store import ObjectStore

logger = logging.getLogger(__name__)

KEPT_SECONDS = 6 * 3600
"""How long a zip stays."""
DOWNLOADS = "downloads/"
SLICE_BYTES = 4 * 2**20
_ZIP_NAME = re.compile(r"[\w ()-][\w .()-]*\.zip")
_UNSAFE = re.compile(r"[^\w .()-]|\.\.+")


class BulkDownloadEvent(Event):
    """Base of the events of one zip."""

    room: ClassVar[str] = "bulk_download"

    bulk_download_id: str = "default"
    bulk_download_item_id: str
    bulk_download_item_name: str
    user_id: str


class BulkDownloadStartedEvent(BulkDownloadEvent):
    """A zip is being made."""

    event_name: ClassVar[str] = "bulk_download_started"


class BulkDownloadCompleteEvent(BulkDownloadEvent):
    """A zip can be fetched."""

    event_name: ClassVar[str] = "bulk_download_complete"


class BulkDownloadErrorEvent(BulkDownloadEvent):
    """A zip could not be made; `error` says why."""

    event_name: ClassVar[str] = "bulk_download_error"

    error: str


class BulkDownloadService:
    """Makes zips of pictures as objects `downloads/<name>`."""

    def __init__(
        self, objects: ObjectStore, files: ImageFileStorage, records: ImageRecordStore, events: EventService
    ) -> None:
        self._objects = objects
        self._files = files
        self._records = records
        self._events = events
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, image_names: Sequence[str] | None, board_id: str | None, user_id: str = "system") -> str:
        """Start on a zip of the pictures named, or of a board's; the zip's file name. One round trip, two in all.

        Raises:
            InvalidInput: neither names nor a board. NotFound: there is no such board.
        """
        item_id = str(uuid4())
        if board_id is not None:
            name = await self._records.board_name(board_id)
            if name is None:
                raise NotFound(f"There is no board {board_id[:80]}.")
            item_id = f"{_UNSAFE.sub('_', name)[:100]}_{item_id}"
        elif not image_names:
            raise InvalidInput("Name the images to download, or a board.")
        task = asyncio.create_task(self._make(item_id, image_names or (), board_id, user_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return f"{item_id}.zip"

    async def open(self, item_name: str) -> tuple[int, AsyncIterator[bytes]]:
        """The zip's size and its bytes, a slice at a time. Raises NotFound."""
        key = DOWNLOADS + item_name
        try:
            if not _ZIP_NAME.fullmatch(item_name):
                raise NotFound(item_name)
            size = (await self._objects.get(key, 0, 0)).total
        except NotFound:
            raise NotFound(f"There is no download {item_name[:80]}.") from None
        return size, self._slices(key, size)

    async def _slices(self, key: str, size: int) -> AsyncIterator[bytes]:
        for start in range(0, size, SLICE_BYTES):
            yield (await self._objects.get(key, start, SLICE_BYTES)).data

    async def close(self) -> None:
        """Stop what is being made."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _make(self, item_id: str, image_names: Sequence[str], board_id: str | None, user_id: str) -> None:
        name = f"{item_id}.zip"
        told = {"bulk_download_item_id": item_id, "bulk_download_item_name": name, "user_id": user_id}
        self._events.publish(BulkDownloadStartedEvent(**told))
        try:
            await self._sweep()
            pictures = await self._records.categories_of(image_names, board_id)
            if not pictures:
                raise NotFound("None of these images is there.")
            await self._zip(pictures, DOWNLOADS + name)
        except Exception as error:  # the end of a background task: the user is told, the server goes on
            logger.warning("The download %s failed: %s", name, error)
            self._events.publish(BulkDownloadErrorEvent(**told, error=str(error)))
        else:
            self._events.publish(BulkDownloadCompleteEvent(**told))

    async def _zip(self, pictures: Sequence[CategorisedName], key: str) -> None:
        with tempfile.TemporaryDirectory(prefix="download-") as folder:
            file = Path(folder) / "pictures.zip"
            # stored, not deflated: PNG is compressed already
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for picture in pictures:
                    part = await self._files.read(picture.image_name)
                    entry = f"{picture.image_category}/{picture.image_name}"
                    await asyncio.to_thread(archive.writestr, entry, part.data)
            await self._objects.put_file(key, file, "application/zip")

    async def _sweep(self) -> None:
        before = datetime.now(UTC) - timedelta(seconds=KEPT_SECONDS)
        old = [entry.key async for entry in self._objects.entries(DOWNLOADS) if entry.modified < before]
        await self._objects.delete(old)
