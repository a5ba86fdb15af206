"""Videos. This server makes and keeps none: lists are empty, a name is not found, an upload is refused."""

from datetime import datetime
from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Body, Cookie, Form, Path, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.images.image_results import WorkflowAndGraphResponse
from invokeai.app.services.shared.errors import NotFound, UnsupportedMedia
from invokeai.app.services.shared.pagination import OffsetPaginatedResults, SQLiteDirection

videos_router = APIRouter(prefix="/v1/videos", tags=["videos"])

VideoName = Annotated[str, Path(description="Name of the video.")]
MediaToken = Annotated[str | None, Cookie(alias="invokeai_media_token")]
Origin = Annotated[ResourceOrigin | None, Query(description="Made here or uploaded.")]
Categories = Annotated[list[ImageCategory] | None, Query(description="Categories to take in.")]
IsIntermediate = Annotated[bool | None, Query(description="Only intermediates, or none of them.")]
BoardId = Annotated[str | None, Query(description="A board, or `none`.")]
OrderDir = Annotated[SQLiteDirection, Query(description="Direction of time.")]
StarredFirst = Annotated[bool, Query(description="Starred ones first.")]
SearchTerm = Annotated[str | None, Query(description="Text to look for.")]


class VideoDTO(BaseModel):
    """A video. `duration` is in seconds."""

    video_name: str
    video_url: str
    thumbnail_url: str
    video_origin: ResourceOrigin
    video_category: ImageCategory
    width: int
    height: int
    duration: float
    fps: float | None = None
    created_at: datetime | str
    updated_at: datetime | str
    deleted_at: datetime | str | None = None
    is_intermediate: bool
    session_id: str | None = None
    node_id: str | None = None
    starred: bool
    has_workflow: bool
    video_subfolder: str = ""
    board_id: str | None = None


class VideoRecordChanges(BaseModel):
    """What to change."""

    model_config = ConfigDict(extra="allow")

    video_category: ImageCategory | None = None
    session_id: str | None = None
    is_intermediate: bool | None = None
    starred: bool | None = None


class VideoNamesBatch(BaseModel):
    """Some videos."""

    video_names: list[Annotated[str, Field(max_length=255)]] = Field(max_length=1000)


class VideoNamesResult(BaseModel):
    """Names in order, starred ones counted."""

    video_names: list[str]
    starred_count: int
    total_count: int


class VideoUrlsDTO(BaseModel):
    """Addresses of a video."""

    video_name: str
    video_url: str
    thumbnail_url: str


class VideoBoardArg(BaseModel):
    """A video and a board."""

    board_id: str
    video_name: str


class DeleteVideosResult(BaseModel):
    """What was deleted."""

    affected_boards: list[str]
    deleted_videos: list[str]
    failed_videos: list[str]


class StarredVideosResult(BaseModel):
    """What was starred."""

    affected_boards: list[str]
    starred_videos: list[str]
    failed_videos: list[str]


class UnstarredVideosResult(BaseModel):
    """What lost its star."""

    affected_boards: list[str]
    unstarred_videos: list[str]
    failed_videos: list[str]


class AddVideosToBoardResult(BaseModel):
    """What is on the board now."""

    affected_boards: list[str]
    added_videos: list[str]


class RemoveVideosFromBoardResult(BaseModel):
    """What is on no board any more."""

    affected_boards: list[str]
    removed_videos: list[str]


@videos_router.post("/upload", operation_id="upload_video", status_code=201, responses={415: {}})
async def upload_video(
    file: UploadFile,
    video_category: Annotated[ImageCategory, Query(description="What it is for.")],
    is_intermediate: Annotated[bool, Query(description="Whether it is an intermediate.")],
    board_id: BoardId = None,
    session_id: Annotated[str | None, Query(description="Session it belongs to.")] = None,
    metadata: Annotated[str | None, Form(description="Metadata as JSON text.")] = None,
) -> VideoDTO:
    """Refused."""
    raise UnsupportedMedia("This server keeps pictures only; a video cannot be uploaded.")


@videos_router.delete("/i/{video_name}", operation_id="delete_video")
async def delete_video(video_name: VideoName) -> DeleteVideosResult:
    """Not found."""
    _not_found()


@videos_router.patch("/i/{video_name}", operation_id="update_video")
async def update_video(
    video_name: VideoName, video_changes: Annotated[VideoRecordChanges, Body(description="What to change.")]
) -> VideoDTO:
    """Not found."""
    _not_found()


@videos_router.get("/i/{video_name}", operation_id="get_video_dto")
async def get_video_dto(video_name: VideoName) -> VideoDTO:
    """Not found."""
    _not_found()


@videos_router.post("/delete", operation_id="delete_videos_from_list")
async def delete_videos_from_list(batch: VideoNamesBatch) -> DeleteVideosResult:
    """None of them is there."""
    return DeleteVideosResult(affected_boards=[], deleted_videos=[], failed_videos=batch.video_names)


@videos_router.delete("/uncategorized", operation_id="delete_uncategorized_videos")
async def delete_uncategorized_videos() -> DeleteVideosResult:
    """There is none."""
    return DeleteVideosResult(affected_boards=[], deleted_videos=[], failed_videos=[])


@videos_router.get("/i/{video_name}/metadata", operation_id="get_video_metadata")
async def get_video_metadata(video_name: VideoName) -> dict[str, Any] | None:
    """Not found."""
    _not_found()


@videos_router.get("/i/{video_name}/workflow", operation_id="get_video_workflow")
async def get_video_workflow(video_name: VideoName) -> WorkflowAndGraphResponse:
    """Not found."""
    _not_found()


@videos_router.head("/i/{video_name}/full", operation_id="get_video_full_head", responses={404: {}})
@videos_router.get("/i/{video_name}/full", operation_id="get_video_full", responses={206: {}, 404: {}})
async def get_video_full(video_name: VideoName, media_token: MediaToken = None) -> Any:
    """Not found."""
    _not_found()


@videos_router.get("/i/{video_name}/thumbnail", operation_id="get_video_thumbnail", responses={404: {}})
async def get_video_thumbnail(video_name: VideoName, media_token: MediaToken = None) -> Any:
    """Not found."""
    _not_found()


@videos_router.get("/i/{video_name}/urls", operation_id="get_video_urls")
async def get_video_urls(video_name: VideoName) -> VideoUrlsDTO:
    """Not found."""
    _not_found()


@videos_router.get("/", operation_id="list_video_dtos")
async def list_video_dtos(
    video_origin: Origin = None,
    categories: Categories = None,
    is_intermediate: IsIntermediate = None,
    board_id: BoardId = None,
    offset: Annotated[int, Query(ge=0, description="Videos to skip.")] = 0,
    limit: Annotated[int, Query(ge=0, le=1000, description="Videos to answer.")] = 10,
    order_dir: OrderDir = SQLiteDirection.Descending,
    starred_first: StarredFirst = True,
    search_term: SearchTerm = None,
) -> OffsetPaginatedResults[VideoDTO]:
    """There is none."""
    return OffsetPaginatedResults(limit=limit, offset=offset, total=0, items=[])


@videos_router.get("/names", operation_id="get_video_names")
async def get_video_names(
    video_origin: Origin = None,
    categories: Categories = None,
    is_intermediate: IsIntermediate = None,
    board_id: BoardId = None,
    order_dir: OrderDir = SQLiteDirection.Descending,
    starred_first: StarredFirst = True,
    search_term: SearchTerm = None,
) -> VideoNamesResult:
    """There is none."""
    return VideoNamesResult(video_names=[], starred_count=0, total_count=0)


@videos_router.post("/star", operation_id="star_videos_in_list")
async def star_videos_in_list(batch: VideoNamesBatch) -> StarredVideosResult:
    """None of them is there."""
    return StarredVideosResult(affected_boards=[], starred_videos=[], failed_videos=batch.video_names)


@videos_router.post("/unstar", operation_id="unstar_videos_in_list")
async def unstar_videos_in_list(batch: VideoNamesBatch) -> UnstarredVideosResult:
    """None of them is there."""
    return UnstarredVideosResult(affected_boards=[], unstarred_videos=[], failed_videos=batch.video_names)


@videos_router.post("/board", operation_id="add_video_to_board")
async def add_video_to_board(body: VideoBoardArg) -> AddVideosToBoardResult:
    """Not found."""
    _not_found()


@videos_router.delete("/board", operation_id="remove_video_from_board")
async def remove_video_from_board(
    video_name: Annotated[str, Body(embed=True, description="Name of the video.")],
) -> RemoveVideosFromBoardResult:
    """Not found."""
    _not_found()


def _not_found() -> NoReturn:
    raise NotFound("There is no such video; this server keeps pictures only.")
