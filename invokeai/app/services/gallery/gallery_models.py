"""Galleries as the API answers them. There are pictures only; the shapes have room for videos."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from invokeai.app.services.image_records.image_kinds import ImageCategory


class GalleryItemKind(StrEnum):
    """What an entry is."""

    Image = "image"
    Video = "video"


class GalleryItem(BaseModel):
    """An entry of a gallery; sizes in pixels, `duration` in seconds."""

    kind: GalleryItemKind
    name: str
    full_url: str
    thumbnail_url: str
    width: int
    height: int
    category: ImageCategory
    starred: bool
    is_intermediate: bool
    board_id: str | None = None
    created_at: datetime | str
    duration: float | None = None
    fps: float | None = None


class GalleryItemNames(BaseModel):
    """Names in order; how many are starred, and how many there are."""

    item_names: list[str]
    starred_count: int
    total_count: int


class GalleryItemRef(BaseModel):
    """An entry by kind and name."""

    kind: GalleryItemKind
    name: str


class GalleryItemNamesResult(BaseModel):
    """Entries in order; how many are starred, and how many there are."""

    items: list[GalleryItemRef]
    starred_count: int
    total_count: int


class VirtualSubBoardDTO(BaseModel):
    """The pictures of a day (UTC), shown like a board. Assets are those of every category but `general`."""

    virtual_board_id: str
    board_name: str
    date: str
    image_count: int
    asset_count: int
    video_count: int = 0
    cover_image_name: str | None = None
    cover_video_name: str | None = None
