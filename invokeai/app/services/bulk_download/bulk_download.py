"""Pictures as one zip: prepared in the background, announced by events, fetched by name until it is swept.

A zip appears under its name only when it is whole. Entries are `<category>/<image name>`.
"""

import asyncio
import logging
import re
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from invokeai.app.services.events.events import Event, EventService
from invokeai.app.services.image_files.image_file_storage import ImageFileStorage
from invokeai.app.services.image_records.image_record_store import CategorisedName, ImageRecordStore
from invokeai.app.services.shared.errors import InvalidInput, NotFound

logger = logging.getLogger(__name__)

KEPT_SECONDS = 6 * 3600
"""How long a zip stays."""
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
    """Makes zips of pictures below `folder`."""

    def __init__(self, folder: Path, files: ImageFileStorage, records: ImageRecordStore, events: EventService) -> None:
        self._folder = folder
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

    def path(self, item_name: str) -> Path:
        """The zip's file. Raises NotFound."""
        path = self._folder / item_name
        if path.parent != self._folder or path.suffix != ".zip" or not path.is_file():
            raise NotFound(f"There is no download {item_name[:80]}.")
        return path

    async def close(self) -> None:
        """Stop what is being made."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _make(self, item_id: str, image_names: Sequence[str], board_id: str | None, user_id: str) -> None:
        target = self._folder / f"{item_id}.zip"
        told = {"bulk_download_item_id": item_id, "bulk_download_item_name": target.name, "user_id": user_id}
        self._events.publish(BulkDownloadStartedEvent(**told))
        try:
            await asyncio.to_thread(self._sweep)
            pictures = await self._records.categories_of(image_names, board_id)
            if not pictures:
                raise NotFound("None of these images is there.")
            await self._zip(pictures, target)
        except Exception as error:  # the end of a background task: the user is told, the server goes on
            logger.warning("The download %s failed: %s", target.name, error)
            self._events.publish(BulkDownloadErrorEvent(**told, error=str(error)))
        else:
            self._events.publish(BulkDownloadCompleteEvent(**told))

    async def _zip(self, pictures: Sequence[CategorisedName], target: Path) -> None:
        aside = target.with_suffix(".partial")
        try:
            # stored, not deflated: PNG is compressed already
            with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
                for picture in pictures:
                    part = await self._files.read(picture.image_name)
                    entry = f"{picture.image_category}/{picture.image_name}"
                    await asyncio.to_thread(archive.writestr, entry, part.data)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)

    def _sweep(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for file in self._folder.iterdir():
            if file.is_file() and file.stat().st_mtime < time.time() - KEPT_SECONDS:
                file.unlink(missing_ok=True)
