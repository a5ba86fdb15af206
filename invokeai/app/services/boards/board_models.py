"""Boards as API and nodes see them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_NAME_LENGTH = 300
UNCATEGORISED = "none"
"""Stands for pictures that are on no board."""


class BoardVisibility(StrEnum):
    """Who sees a board."""

    Private = "private"
    Shared = "shared"
    Public = "public"


class BoardRecordOrderBy(StrEnum):
    """What a list of boards is ordered by."""

    CreatedAt = "created_at"
    Name = "board_name"


class BoardChanges(BaseModel):
    """What to change; members left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    board_name: Annotated[str, Field(max_length=MAX_NAME_LENGTH)] | None = None
    cover_image_name: Annotated[str, Field(max_length=255)] | None = None
    archived: bool | None = None
    board_visibility: BoardVisibility | None = None


class BoardDTO(BaseModel):
    """A board. Counts leave intermediates out; assets are the pictures of every category but `general`."""

    board_id: str
    board_name: str
    user_id: str
    created_at: datetime | str
    updated_at: datetime | str
    deleted_at: datetime | str | None = None
    cover_image_name: str | None
    archived: bool
    board_visibility: BoardVisibility = BoardVisibility.Private
    cover_video_name: str | None = None
    image_count: int
    video_count: int = 0
    asset_count: int
    owner_username: str | None = None


class DeleteBoardResult(BaseModel):
    """What went with a board: pictures that only left it, or pictures that were deleted."""

    board_id: str
    deleted_board_images: list[str]
    deleted_images: list[str]
    deleted_board_videos: list[str] = []
    deleted_videos: list[str] = []
    failed_images: list[str] = []
    failed_videos: list[str] = []


class AddImagesToBoardResult(BaseModel):
    """Pictures that are on the board now; boards whose content changed, `none` for uncategorised."""

    affected_boards: list[str]
    added_images: list[str]
    failed_images: list[str]


class RemoveImagesFromBoardResult(BaseModel):
    """Pictures that are on no board now; boards whose content changed, `none` for uncategorised."""

    affected_boards: list[str]
    removed_images: list[str]
    failed_images: list[str]
