"""Pictures: upload, lists, records, and changes of many at once.

Lists are answered with JSON that the database made: no model is built a row.
"""

from typing import Annotated

from fastapi import APIRouter, Body, File, Form, Query, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.api.json_answer import JsonAnswer
from invokeai.app.api.routers.gallery_parameters import (
    BoardId,
    Categories,
    IsIntermediate,
    Limit,
    Offset,
    OrderDir,
    Origin,
    SearchTerm,
    StarredFirst,
)
from invokeai.app.services.image_records.image_dto import ImageDTO, ImageUrlsDTO
from invokeai.app.services.image_records.image_kinds import ImageCategory
from invokeai.app.services.image_records.image_sql import ImageFilter
from invokeai.app.services.images.image_edits import upload_edit
from invokeai.app.services.images.image_results import (
    DeleteImagesResult,
    ImageNamesResult,
    StarredImagesResult,
    UnstarredImagesResult,
)
from invokeai.app.services.shared.errors import NotAvailableHere, TooLarge
from invokeai.app.services.shared.pagination import OffsetPaginatedResults, SQLiteDirection

images_router = APIRouter(prefix="/v1/images", tags=["images"])

ImageName = Annotated[str, Field(max_length=255)]
ImageNames = Annotated[list[ImageName], Body(embed=True, max_length=1000, description="Names of images.")]


class ImageRecordChanges(BaseModel):
    """What may be changed of a record; what is left out or null stays."""

    model_config = ConfigDict(extra="allow")

    image_category: ImageCategory | None = None
    session_id: str | None = None
    is_intermediate: bool | None = None
    starred: bool | None = None


class ImageUploadEntry(BaseModel):
    """A record and the address its file may be put to."""

    image_dto: ImageDTO
    presigned_url: str


@images_router.post(
    "/upload",
    operation_id="upload_image",
    status_code=201,
    response_model=ImageDTO,
    responses={415: {"description": "No picture"}},
)
async def upload_image(
    services: ServicesDep,
    user: CurrentUserDep,
    file: Annotated[UploadFile, File(description="The picture.")],
    image_category: Annotated[ImageCategory, Query(description="Category to store it under.")],
    is_intermediate: Annotated[bool, Query(description="Whether it is a means only.")],
    board_id: Annotated[str | None, Query(description="Board to put it on.")] = None,
    session_id: Annotated[str | None, Query(description="Session it belongs to.")] = None,
    crop_visible: Annotated[bool | None, Query(description="Cut away transparent margins.")] = False,
    resize_to: Annotated[
        str | None, Form(description="Size to bring it to, as JSON.", examples=['"[1024,1024]"'])
    ] = None,
    metadata: Annotated[str | None, Form(description="Metadata as a JSON object; wins over the file's own.")] = None,
) -> Response:
    """Store a picture as PNG."""
    limit = services.config.max_upload_bytes
    if (file.size or 0) > limit:
        raise TooLarge(f"The upload is too large: this server takes at most {limit} bytes.")
    dto = await services.images.upload(
        await file.read(),
        image_category=image_category,
        board_id=board_id,
        session_id=session_id,
        is_intermediate=is_intermediate,
        metadata=metadata,
        edit=upload_edit(resize_to, bool(crop_visible), services.config.max_image_pixels),
        user_id=user.user_id,
    )
    return JsonAnswer(dto.model_dump(mode="json"), 201, headers={"location": dto.image_url})


@images_router.post("/", operation_id="create_image_upload_entry")
async def create_image_upload_entry(
    width: Annotated[int, Body(description="Width in pixels.")],
    height: Annotated[int, Body(description="Height in pixels.")],
    board_id: Annotated[str | None, Body(description="Board to put it on.")] = None,
) -> ImageUploadEntry:
    """Ask for an address to upload to."""
    raise NotAvailableHere("This studio takes no uploads past itself: send the file to images/upload.")


@images_router.get("/", operation_id="list_image_dtos", response_model=OffsetPaginatedResults[ImageDTO])
async def list_image_dtos(
    services: ServicesDep,
    image_origin: Origin = None,
    categories: Categories = None,
    is_intermediate: IsIntermediate = None,
    board_id: BoardId = None,
    offset: Offset = 0,
    limit: Limit = 10,
    order_dir: OrderDir = SQLiteDirection.Descending,
    starred_first: StarredFirst = True,
    search_term: SearchTerm = None,
) -> Response:
    """A slice of a gallery."""
    where = ImageFilter(
        board_id=board_id,
        image_origin=image_origin,
        categories=categories,
        is_intermediate=is_intermediate,
        search_term=search_term,
    )
    return _json(
        await services.images.records.page_json(
            where, offset=offset, limit=limit, order_dir=order_dir, starred_first=starred_first
        )
    )


@images_router.get("/names", operation_id="get_image_names", response_model=ImageNamesResult, deprecated=True)
async def get_image_names(
    services: ServicesDep,
    image_origin: Origin = None,
    categories: Categories = None,
    is_intermediate: IsIntermediate = None,
    board_id: BoardId = None,
    order_dir: OrderDir = SQLiteDirection.Descending,
    starred_first: StarredFirst = True,
    search_term: SearchTerm = None,
) -> Response:
    """Names of a gallery in order."""
    where = ImageFilter(
        board_id=board_id,
        image_origin=image_origin,
        categories=categories,
        is_intermediate=is_intermediate,
        search_term=search_term,
    )
    return _json(await services.images.records.names_json(where, order_dir, starred_first, "image_names"))


@images_router.post("/images_by_names", operation_id="get_images_by_names", responses={200: {"model": list[ImageDTO]}})
async def get_images_by_names(services: ServicesDep, image_names: ImageNames) -> Response:
    """Records by name, in the order asked for; unknown names are left out."""
    return _json(f"[{','.join(await services.images.get_many_json(image_names))}]")


@images_router.post("/star", operation_id="star_images_in_list")
async def star_images_in_list(services: ServicesDep, image_names: ImageNames) -> StarredImagesResult:
    """Star images."""
    return await services.images.star(image_names)


@images_router.post("/unstar", operation_id="unstar_images_in_list")
async def unstar_images_in_list(services: ServicesDep, image_names: ImageNames) -> UnstarredImagesResult:
    """Take stars off images."""
    return await services.images.unstar(image_names)


@images_router.post("/delete", operation_id="delete_images_from_list")
async def delete_images_from_list(services: ServicesDep, image_names: ImageNames) -> DeleteImagesResult:
    """Delete images."""
    return await services.images.delete(image_names)


@images_router.delete("/uncategorized", operation_id="delete_uncategorized_images")
async def delete_uncategorized_images(services: ServicesDep) -> DeleteImagesResult:
    """Delete every image that is on no board; intermediates stay."""
    return await services.images.delete_on_board("none")


@images_router.get("/intermediates", operation_id="get_intermediates_count")
async def get_intermediates_count(services: ServicesDep) -> int:
    """How many intermediates there are."""
    return await services.images.records.intermediates_count()


@images_router.delete("/intermediates", operation_id="clear_intermediates")
async def clear_intermediates(services: ServicesDep) -> int:
    """Delete every intermediate."""
    return await services.images.delete_intermediates()


@images_router.get("/i/{image_name}", operation_id="get_image_dto", response_model=ImageDTO)
async def get_image_dto(services: ServicesDep, image_name: str) -> Response:
    """An image's record."""
    return _json(await services.images.get_json(image_name))


@images_router.patch("/i/{image_name}", operation_id="update_image")
async def update_image(
    services: ServicesDep, image_name: str, image_changes: Annotated[ImageRecordChanges, Body()]
) -> ImageDTO:
    """Change an image's record."""
    return await services.images.update(
        image_name,
        image_category=image_changes.image_category,
        session_id=image_changes.session_id,
        is_intermediate=image_changes.is_intermediate,
        starred=image_changes.starred,
    )


@images_router.delete("/i/{image_name}", operation_id="delete_image")
async def delete_image(services: ServicesDep, image_name: str) -> DeleteImagesResult:
    """Delete an image."""
    return await services.images.delete_one(image_name)


@images_router.get("/i/{image_name}/urls", operation_id="get_image_urls")
async def get_image_urls(services: ServicesDep, image_name: str) -> ImageUrlsDTO:
    """Where an image's files are served."""
    dto = await services.images.get_dto(image_name)
    return ImageUrlsDTO(image_name=dto.image_name, image_url=dto.image_url, thumbnail_url=dto.thumbnail_url)


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
