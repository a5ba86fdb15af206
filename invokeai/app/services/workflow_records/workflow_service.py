"""The workflow library: user workflows that can be changed, default ones that cannot.

A thumbnail's file exists before its record names it. Browsers hear of every change after it is stored.
"""

from collections.abc import Sequence
from uuid import uuid4

from pydantic import ValidationError

from invokeai.app.services.events.events import EventService
from invokeai.app.services.library_files.library_files import LibraryFileStore
from invokeai.app.services.shared.database.base import Row
from invokeai.app.services.shared.errors import Forbidden, InvalidInput, NotFound
from invokeai.app.services.shared.pagination import PaginatedResults, SQLiteDirection
from invokeai.app.services.shared.timestamps import timestamp
from invokeai.app.services.workflow_records.call_compatibility import call_reason, compatibility
from invokeai.app.services.workflow_records.workflow_events import WorkflowCreated, WorkflowDeleted, WorkflowUpdated
from invokeai.app.services.workflow_records.workflow_models import (
    MAX_NAME_LENGTH,
    Workflow,
    WorkflowCategory,
    WorkflowRecordDTO,
    WorkflowRecordListItemWithThumbnailDTO,
    WorkflowRecordOrderBy,
    WorkflowRecordWithThumbnailDTO,
    WorkflowWithoutID,
)
from invokeai.app.services.workflow_records.workflow_record_store import (
    WorkflowColumns,
    WorkflowFilter,
    WorkflowRecordStore,
)

SHARED_TAG = "shared"
_MISSING = "Workflow not found"


class WorkflowService:
    """Workflows of the library."""

    def __init__(self, records: WorkflowRecordStore, thumbnails: LibraryFileStore, events: EventService) -> None:
        self._records = records
        self._thumbnails = thumbnails
        self._events = events

    async def get(self, workflow_id: str) -> WorkflowRecordWithThumbnailDTO:
        """One workflow. Raises NotFound. One round trip."""
        row = await self._records.get(workflow_id)
        if row is None:
            raise NotFound(_MISSING)
        return WorkflowRecordWithThumbnailDTO(
            **dict(_record(row)),
            thumbnail_url=_thumbnail_url(row),
            call_saved_workflow_compatibility=compatibility(str(row["callable_reason"])),
        )

    async def create(self, workflow: WorkflowWithoutID, user_id: str, is_public: bool = True) -> WorkflowRecordDTO:
        """Store a new workflow. Raises InvalidInput. One round trip."""
        workflow_id = str(uuid4())
        columns = columns_of(_checked(workflow), workflow_id)
        row = await self._records.insert(workflow_id, user_id, columns, is_public, timestamp())
        self._events.publish(WorkflowCreated(workflow_id=workflow_id, user_id=user_id, is_public=is_public))
        return _record(row)

    async def update(self, workflow: Workflow) -> WorkflowRecordDTO:
        """Store other content under the workflow's id. Raises InvalidInput, NotFound, Forbidden. One round trip."""
        row = await self._records.update(workflow.id, columns_of(_checked(workflow), workflow.id), timestamp())
        if row is None:
            raise await self._refusal(workflow.id)
        return self._updated(row, bool(row["is_public"]))

    async def set_public(self, workflow_id: str, is_public: bool) -> WorkflowRecordDTO:
        """Share or stop sharing; the tag `shared` follows. Raises NotFound, Forbidden. Two round trips."""
        before = await self._records.get(workflow_id)
        if before is None:
            raise NotFound(_MISSING)
        tags = [tag for tag in split_tags(str(before["tags"])) if tag.lower() != SHARED_TAG]
        text = ", ".join([*tags, SHARED_TAG] if is_public else tags)
        row = await self._records.share(workflow_id, is_public, text, timestamp())
        if row is None:
            raise await self._refusal(workflow_id)
        return self._updated(row, bool(before["is_public"]))

    async def set_opened(self, workflow_id: str) -> None:
        """Note that the workflow was opened now. Raises NotFound. One round trip."""
        if not await self._records.set_opened(workflow_id, timestamp()):
            raise NotFound(_MISSING)

    async def delete(self, workflow_id: str) -> None:
        """Remove a user workflow and its thumbnail. Raises NotFound, Forbidden. One round trip."""
        row = await self._records.delete(workflow_id)
        if row is None:
            raise await self._refusal(workflow_id)
        await self._thumbnails.delete(_text_or_none(row["thumbnail_id"]))
        self._events.publish(
            WorkflowDeleted(workflow_id=workflow_id, user_id=str(row["user_id"]), is_public=bool(row["is_public"]))
        )

    async def set_thumbnail(self, workflow_id: str, picture: bytes) -> WorkflowRecordDTO:
        """Store a thumbnail. Raises NotFound, Forbidden, UnsupportedMedia, TooLarge. One round trip."""
        thumbnail_id = await self._thumbnails.save(picture)
        row, old = await self._records.set_thumbnail(workflow_id, thumbnail_id)
        if row is None:
            await self._thumbnails.delete(thumbnail_id)
            raise await self._refusal(workflow_id)
        await self._thumbnails.delete(old)
        return _record(row)

    async def delete_thumbnail(self, workflow_id: str) -> WorkflowRecordDTO:
        """Remove the thumbnail, if there is one. Raises NotFound, Forbidden. One round trip."""
        row, old = await self._records.set_thumbnail(workflow_id, None)
        if row is None:
            raise await self._refusal(workflow_id)
        await self._thumbnails.delete(old)
        return _record(row)

    async def get_thumbnail(self, workflow_id: str) -> bytes:
        """WebP bytes of the thumbnail. Raises NotFound. One round trip."""
        row = await self._records.get(workflow_id)
        if row is None or row["thumbnail_id"] is None:
            raise NotFound("The workflow has no thumbnail.")
        return await self._thumbnails.get(str(row["thumbnail_id"]))

    async def list_page(
        self,
        chosen: WorkflowFilter,
        order_by: WorkflowRecordOrderBy,
        direction: SQLiteDirection,
        page: int,
        per_page: int | None,
    ) -> PaginatedResults[WorkflowRecordListItemWithThumbnailDTO]:
        """A page of the library; `per_page` None means everything on one page. One round trip."""
        limit = -1 if per_page is None else per_page
        offset = 0 if per_page is None else page * per_page
        total, rows = await self._records.page(chosen, order_by, direction, limit, offset)
        items = [_list_item(row) for row in rows]
        pages = (1 if per_page is None else -(-total // per_page)) if total else 0
        shown = total if per_page is None else per_page
        return PaginatedResults(page=page, pages=pages, per_page=shown, total=total, items=items)

    async def tags(self, chosen: WorkflowFilter) -> list[str]:
        """Every tag, each once, in order. One round trip."""
        tags: dict[str, str] = {}
        for text in await self._records.tag_texts(chosen):
            for tag in split_tags(text):
                tags.setdefault(tag.lower(), tag)
        return [tags[key] for key in sorted(tags)]

    async def counts_by_tag(self, chosen: WorkflowFilter, tags: Sequence[str]) -> dict[str, int]:
        """Number of workflows for each of `tags`. One round trip."""
        return await self._records.counts_by_tag(chosen, tags)

    async def counts_by_category(self, chosen: WorkflowFilter) -> dict[str, int]:
        """Number of workflows for each category asked for. One round trip."""
        found = await self._records.counts_by_category(chosen)
        return {category.value: found.get(category, 0) for category in chosen.categories or WorkflowCategory}

    async def _refusal(self, workflow_id: str) -> NotFound | Forbidden:
        """Why a change found no user workflow."""
        if await self._records.get(workflow_id) is None:
            return NotFound(_MISSING)
        return Forbidden("A default workflow cannot be changed or deleted; save a copy of it instead.")

    def _updated(self, row: Row, was_public: bool) -> WorkflowRecordDTO:
        record = _record(row)
        self._events.publish(
            WorkflowUpdated(
                workflow_id=record.workflow_id,
                user_id=record.user_id,
                old_is_public=was_public,
                new_is_public=record.is_public,
            )
        )
        return record


def columns_of(workflow: WorkflowWithoutID, workflow_id: str) -> WorkflowColumns:
    """What is stored of `workflow` under `workflow_id`.

    Raises:
        InvalidInput: it nests too deeply to be written as JSON.
    """
    whole = Workflow.model_construct(**{**dict(workflow), "id": workflow_id})
    try:
        text = whole.model_dump_json()
    except ValueError:
        raise InvalidInput("The workflow nests too deeply to be stored.") from None
    return WorkflowColumns(
        name=workflow.name,
        description=workflow.description,
        tags=workflow.tags,
        callable_reason=call_reason(workflow).value,
        workflow=text,
    )


def split_tags(text: str) -> list[str]:
    """The tags of a comma-separated text."""
    return [tag for part in text.split(",") if (tag := part.strip())]


def _checked(workflow: WorkflowWithoutID) -> WorkflowWithoutID:
    if len(workflow.name) > MAX_NAME_LENGTH:
        raise InvalidInput(
            f"A workflow's name may have {MAX_NAME_LENGTH} characters, this one has {len(workflow.name)}."
        )
    if workflow.meta.category is not WorkflowCategory.User:
        raise InvalidInput("Only workflows of the category `user` can be saved.")
    return workflow


def _workflow(row: Row) -> Workflow:
    try:
        return Workflow.model_validate_json(str(row["workflow"]))
    except ValidationError as error:
        raise InvalidInput(f"The stored workflow {row['workflow_id']!s} cannot be read: {error}") from None


def _record(row: Row) -> WorkflowRecordDTO:
    return WorkflowRecordDTO(
        workflow_id=str(row["workflow_id"]),
        name=str(row["name"]),
        created_at=str(row["created_at"]),
        updated_at=str(row["updated_at"]),
        opened_at=_text_or_none(row["opened_at"]),
        user_id=str(row["user_id"]),
        is_public=bool(row["is_public"]),
        workflow=_workflow(row),
    )


def _list_item(row: Row) -> WorkflowRecordListItemWithThumbnailDTO:
    return WorkflowRecordListItemWithThumbnailDTO(
        workflow_id=str(row["workflow_id"]),
        name=str(row["name"]),
        created_at=str(row["created_at"]),
        updated_at=str(row["updated_at"]),
        opened_at=_text_or_none(row["opened_at"]),
        user_id=str(row["user_id"]),
        is_public=bool(row["is_public"]),
        description=str(row["description"]),
        category=WorkflowCategory(str(row["category"])),
        tags=str(row["tags"]),
        thumbnail_url=_thumbnail_url(row),
        call_saved_workflow_compatibility=compatibility(str(row["callable_reason"])),
    )


def _thumbnail_url(row: Row) -> str | None:
    """Address of the thumbnail; its id makes a new picture a new address."""
    if row["thumbnail_id"] is None:
        return None
    return f"api/v1/workflows/i/{row['workflow_id']!s}/thumbnail?{row['thumbnail_id']!s}"


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
