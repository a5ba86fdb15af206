"""Pictures: file and record together.

The file is stored before its record and deleted after it, so a record never points at nothing; files without a
record are orphans, and `sweep_orphans` takes them.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from invokeai.app.services.image_files.image_file_storage import FilePart, ImageFileStorage, validate_name
from invokeai.app.services.image_files.picture_encoding import (
    Edit,
    EncodedPicture,
    encode_picture,
    open_picture,
    thumbnail_of,
    undecoded_png,
)
from invokeai.app.services.image_files.png_chunks import GRAPH, METADATA, WORKFLOW, BrokenPng, read_texts, with_texts
from invokeai.app.services.image_records.image_dto import ImageDTO
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_record_store import ImageRecordStore, NameAndBoard, NewImage
from invokeai.app.services.image_records.image_sql import UNCATEGORIZED
from invokeai.app.services.images.embedded_texts import metadata_text, parse_object, unbelievable
from invokeai.app.services.images.image_results import (
    DeleteImagesResult,
    StarredImagesResult,
    UnstarredImagesResult,
    WorkflowAndGraphResponse,
)
from invokeai.app.services.images.thumbnails import Thumbnails
from invokeai.app.services.shared.database.base import DatabaseError
from invokeai.app.services.shared.errors import InvalidInput, NotFound
from invokeai.app.services.shared.patience import PATIENCE_SECONDS, until_available

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
SWEEP_NAMES = 1000
"""Names that one step of a sweep asks the database for."""


class ImageService:
    """Stores, finds, changes and deletes pictures. Decoding and encoding run in threads of its own."""

    def __init__(self, files: ImageFileStorage, records: ImageRecordStore, max_pixels: int) -> None:
        self.files = files
        self.records = records
        self.on_deleted: Callable[[list[str]], None] = lambda image_names: None
        """Told the names of pictures that are gone."""
        self.patience_seconds = PATIENCE_SECONDS
        """How long a generated picture waits for a store that is away."""
        self._max_pixels = max_pixels
        self._threads = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2), thread_name_prefix="picture")
        self._thumbnails = Thumbnails(files, lambda data: self._in_thread(lambda: thumbnail_of(data, self._max_pixels)))

    async def create(
        self,
        image: "Image | bytes",
        *,
        image_origin: ResourceOrigin,
        image_category: ImageCategory,
        image_name: str | None = None,
        node_id: str | None = None,
        session_id: str | None = None,
        board_id: str | None = None,
        is_intermediate: bool = False,
        metadata: str | None = None,
        workflow: str | None = None,
        graph: str | None = None,
        user_id: str = "system",
    ) -> ImageDTO:
        """Store a PIL image, or the bytes of an image file. One round trip.

        A whole PNG keeps its pixels' bytes, which are not looked at before its thumbnail is drawn, soon after.

        The picture may have been paid for, so a store that is away is waited for. Safe to repeat with the same
        `image_name`: the file is replaced, the record stays, its DTO comes back.
        A board that is gone meanwhile leaves the picture uncategorised. `metadata`, `workflow` and `graph` are JSON
        texts; they go into the file too, in place of the ones it has.

        Raises:
            InvalidInput: a wrong name. UnsupportedMedia: no picture, or a broken one. TooLarge: too many pixels.
        """
        texts = {METADATA: metadata, WORKFLOW: workflow, GRAPH: graph}
        given = {keyword: text for keyword, text in texts.items() if text is not None}
        name = validate_name(image_name or f"{uuid4()}.png")
        self._thumbnails.forget([name])
        with self._thumbnails.put_off():
            encoded = await self._in_thread(lambda: self._encoded(name, image, given))
            record = NewImage(
                image_name=name,
                image_origin=image_origin,
                image_category=image_category,
                width=encoded.width,
                height=encoded.height,
                session_id=session_id,
                node_id=node_id,
                is_intermediate=is_intermediate,
                has_workflow=WORKFLOW in encoded.texts or GRAPH in encoded.texts,
                board_id=board_id,
                user_id=user_id,
                metadata=_recordable(encoded.texts.get(METADATA)),
            )
            dto = await until_available(
                lambda: self._store(record, encoded, keep_file=image_name is not None), self.patience_seconds
            )
        if encoded.thumbnail is None:
            self._thumbnails.draw_later(name, encoded.png)
        return dto

    async def upload(
        self,
        data: bytes,
        *,
        image_category: ImageCategory,
        board_id: str | None = None,
        session_id: str | None = None,
        is_intermediate: bool = False,
        metadata: str | None = None,
        edit: Edit | None = None,
        user_id: str = "system",
    ) -> ImageDTO:
        """Store a user's file as PNG; what it carries of metadata, workflow and graph is taken over where it holds.

        `metadata` (JSON text) wins over the file's. `edit` changes the picture first. One round trip; two with a board.

        Raises:
            NotFound: there is no such board. InvalidInput: metadata that is no JSON object.
            UnsupportedMedia: no picture, or a broken one. TooLarge: too many pixels.
        """
        recorded = metadata_text(metadata) if metadata is not None else None
        board_id = None if board_id == UNCATEGORIZED else board_id
        if board_id is not None and await self.records.board_name(board_id) is None:
            raise NotFound(f"There is no board {board_id[:80]}.")

        encoded = await self._in_thread(lambda: _encode_upload(data, metadata, self._max_pixels, edit))
        record = NewImage(
            image_name=f"{uuid4()}.png",
            image_origin=ResourceOrigin.EXTERNAL,
            image_category=image_category,
            width=encoded.width,
            height=encoded.height,
            session_id=session_id,
            is_intermediate=is_intermediate,
            has_workflow=WORKFLOW in encoded.texts or GRAPH in encoded.texts,
            board_id=board_id,
            user_id=user_id,
            metadata=recorded or _recordable(encoded.texts.get(METADATA)),
        )
        return await self._store(record, encoded, keep_file=False)

    async def get_json(self, image_name: str) -> str:
        """The picture's ImageDTO as JSON text. One round trip. Raises NotFound."""
        text = await self.records.get_json(validate_name(image_name))
        if text is None:
            raise _missing(image_name)
        return text

    async def get_dto(self, image_name: str) -> ImageDTO:
        """The picture's ImageDTO. One round trip. Raises NotFound."""
        return ImageDTO.model_validate_json(await self.get_json(image_name))

    async def get_dtos(self, image_names: Sequence[str]) -> list[ImageDTO]:
        """ImageDTOs in the order asked for, without those that are unknown. One round trip."""
        return [ImageDTO.model_validate_json(text) for text in await self.get_many_json(image_names)]

    async def get_many_json(self, image_names: Sequence[str]) -> list[str]:
        """ImageDTOs as JSON texts, in the order asked for, without those that are unknown. One round trip."""
        return await self.records.get_many_json([validate_name(name) for name in image_names])

    async def get_bytes(self, image_name: str) -> bytes:
        """The picture's file. No round trip to the database. Raises NotFound."""
        return (await self.files.read(image_name)).data

    async def decoded(self, data: bytes) -> "Image":
        """A picture from bytes that somebody sent. Raises UnsupportedMedia, TooLarge."""
        return await self._in_thread(lambda: open_picture(data, self._max_pixels))

    async def get_pil(self, image_name: str) -> "Image":
        """The decoded picture. No round trip to the database. Raises NotFound."""
        data = await self.get_bytes(image_name)
        return await self._in_thread(lambda: open_picture(data, self._max_pixels))

    async def get_thumbnail(self, image_name: str) -> FilePart:
        """The thumbnail's file; drawn now where it is not there yet, or got lost. Raises NotFound."""
        return await self._thumbnails.get(image_name)

    async def get_metadata(self, image_name: str) -> dict[str, Any] | None:
        """The picture's metadata without null members, or None. One round trip. Raises NotFound."""
        found, text = await self.records.get_metadata(validate_name(image_name))
        if not found:
            raise _missing(image_name)
        metadata = parse_object(text) if text else None
        return {key: value for key, value in metadata.items() if value is not None} if metadata is not None else None

    async def get_workflow_and_graph(self, image_name: str) -> WorkflowAndGraphResponse:
        """Workflow and graph as JSON texts, from the file. Raises NotFound."""
        data = await self.get_bytes(image_name)
        try:
            texts = await self._in_thread(lambda: read_texts(data, (WORKFLOW, GRAPH)))
        except BrokenPng:
            texts = {}
        return WorkflowAndGraphResponse(workflow=texts.get(WORKFLOW), graph=texts.get(GRAPH))

    def get_path(self, image_name: str, *, thumbnail: bool = False) -> str:
        """Where the file lies: a path or an object key."""
        return self.files.get_path(image_name, thumbnail=thumbnail)

    async def update(
        self,
        image_name: str,
        *,
        image_category: ImageCategory | None = None,
        session_id: str | None = None,
        is_intermediate: bool | None = None,
        starred: bool | None = None,
    ) -> ImageDTO:
        """Set what is not None. One round trip. Raises NotFound."""
        dto = await self.records.update(
            validate_name(image_name),
            image_category=image_category,
            session_id=session_id,
            is_intermediate=is_intermediate,
            starred=starred,
        )
        if dto is None:
            raise _missing(image_name)
        return dto

    async def star(self, image_names: Sequence[str]) -> StarredImagesResult:
        """Star the pictures. One round trip."""
        done = await self.records.set_starred([validate_name(name) for name in image_names], True)
        boards, names, failed = _outcome(image_names, done)
        return StarredImagesResult(affected_boards=boards, starred_images=names, failed_images=failed)

    async def unstar(self, image_names: Sequence[str]) -> UnstarredImagesResult:
        """Take the stars off the pictures. One round trip."""
        done = await self.records.set_starred([validate_name(name) for name in image_names], False)
        boards, names, failed = _outcome(image_names, done)
        return UnstarredImagesResult(affected_boards=boards, unstarred_images=names, failed_images=failed)

    async def delete(self, image_names: Sequence[str]) -> DeleteImagesResult:
        """Delete the pictures. One round trip."""
        deleted = await self.records.delete([validate_name(name) for name in image_names])
        return await self._deleted(deleted, image_names)

    async def delete_one(self, image_name: str) -> DeleteImagesResult:
        """Delete the picture. One round trip. Raises NotFound."""
        result = await self.delete([image_name])
        if result.failed_images:
            raise _missing(image_name)
        return result

    async def delete_on_board(self, board_id: str) -> DeleteImagesResult:
        """Delete a board's pictures; `none`: the uncategorised ones, without intermediates. One round trip."""
        return await self._deleted(await self.records.delete_on_board(board_id))

    async def delete_intermediates(self) -> int:
        """Delete every intermediate; how many there were. One round trip."""
        return len((await self._deleted(await self.records.delete_intermediates())).deleted_images)

    async def sweep_orphans(self, older_than_seconds: float = 3600) -> list[str]:
        """Delete files that have no record and are so old that none is coming; their names."""
        names = await self.files.names(older_than_seconds)
        orphans: list[str] = []
        for start in range(0, len(names), SWEEP_NAMES):
            some = names[start : start + SWEEP_NAMES]
            known = {found.image_name for found in await self.records.boards_of(some)}
            orphans += [name for name in some if name not in known]
        await self.files.delete(orphans)
        return orphans

    def close(self) -> None:
        """Finish what is being encoded and end the threads. Thumbnails that are missing are drawn when asked for."""
        self._thumbnails.close()
        self._threads.shutdown()

    def _encoded(self, name: str, image: "Image | bytes", texts: dict[str, str]) -> EncodedPicture:
        """What `create` stores. A PNG waits for its thumbnail, unless browsers fetch that from the store itself."""
        if isinstance(image, bytes) and self.files.url(name, thumbnail=True) is None:
            undecoded = undecoded_png(image, texts, self._max_pixels)
            if undecoded:
                return undecoded
        return encode_picture(image, texts, self._max_pixels)

    async def _store(self, record: NewImage, encoded: EncodedPicture, *, keep_file: bool) -> ImageDTO:
        await self.files.save(record.image_name, encoded.png, encoded.thumbnail)
        try:
            return await self.records.insert(record)
        except DatabaseError:
            if not keep_file:
                await self.files.delete([record.image_name])
            raise

    async def _deleted(self, deleted: list[NameAndBoard], asked: Sequence[str] = ()) -> DeleteImagesResult:
        boards, names, failed = _outcome(asked, deleted)
        self.on_deleted(names)
        self._thumbnails.forget(names)
        await self.files.delete(names)
        return DeleteImagesResult(affected_boards=boards, deleted_images=names, failed_images=failed)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _encode_upload(data: bytes, metadata: str | None, max_pixels: int, edit: Edit | None) -> EncodedPicture:
    """The picture with what holds of the texts it carries."""
    given = {METADATA: metadata} if metadata is not None else {}
    encoded = encode_picture(data, given, max_pixels, edit)
    wrong = unbelievable(encoded.texts)
    if not wrong:
        return encoded
    texts = {keyword: text for keyword, text in encoded.texts.items() if keyword not in wrong}
    png = with_texts(encoded.png, dict.fromkeys(wrong))
    return EncodedPicture(png, encoded.thumbnail, encoded.width, encoded.height, texts)


def _outcome(asked: Sequence[str], done: Sequence[NameAndBoard]) -> tuple[list[str], list[str], list[str]]:
    """Boards concerned, names done, names asked for but not there."""
    names = [picture.image_name for picture in done]
    missing = set(asked).difference(names)
    boards = dict.fromkeys(picture.board_id for picture in done)
    return list(boards), names, [name for name in asked if name in missing]


def _recordable(text: str | None) -> str | None:
    """Metadata as the record keeps it; what no record can hold stays in the file alone."""
    if text is None:
        return None
    try:
        return metadata_text(text)
    except InvalidInput:
        return None


def _missing(image_name: str) -> NotFound:
    return NotFound(f"There is no image {image_name[:80]}.")
