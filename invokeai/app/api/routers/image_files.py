"""The files of pictures, what they carry, and zips of many."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Cookie, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, RootModel

from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.api.media import disposition, elsewhere, file_answer
from invokeai.app.services.images.image_results import WorkflowAndGraphResponse

image_files_router = APIRouter(prefix="/v1/images", tags=["images"])

MediaToken = Annotated[str | None, Cookie(description="Session of a browser's image element.")]
PNG_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}},
    404: {"description": "No such image"},
}
WEBP_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/webp": {}}},
    404: {"description": "No such image"},
}
ZIP_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {}}},
    404: {"description": "No such zip"},
}


class MetadataField(RootModel[dict[str, Any]]):
    """Metadata of an image: any members."""


class ImagesDownloaded(BaseModel):
    """The zip that is being made."""

    response: str | None = None
    bulk_download_item_name: str | None = None


@image_files_router.get(
    "/i/{image_name}/full", operation_id="get_image_full", response_class=Response, responses=PNG_ANSWER
)
async def get_image_full(
    request: Request, services: ServicesDep, image_name: str, invokeai_media_token: MediaToken = None
) -> Response:
    """The picture."""
    if answer := elsewhere(services.images.files.url(image_name)):
        return answer
    return file_answer(request, image_name, await services.images.files.read(image_name))


@image_files_router.head(
    "/i/{image_name}/full", operation_id="get_image_full_head", response_class=Response, responses=PNG_ANSWER
)
async def get_image_full_head(
    request: Request, services: ServicesDep, image_name: str, invokeai_media_token: MediaToken = None
) -> Response:
    """The picture's headers."""
    return file_answer(request, image_name, await services.images.files.read(image_name))


@image_files_router.get(
    "/i/{image_name}/thumbnail", operation_id="get_image_thumbnail", response_class=Response, responses=WEBP_ANSWER
)
async def get_image_thumbnail(
    request: Request, services: ServicesDep, image_name: str, invokeai_media_token: MediaToken = None
) -> Response:
    """The picture, its longest side 256 pixels."""
    if answer := elsewhere(services.images.files.url(image_name, thumbnail=True)):
        return answer
    stem = image_name.rpartition(".")[0] or image_name
    return file_answer(request, f"{stem}.webp", await services.images.get_thumbnail(image_name))


@image_files_router.get("/i/{image_name}/metadata", operation_id="get_image_metadata")
async def get_image_metadata(services: ServicesDep, image_name: str) -> MetadataField | None:
    """The picture's metadata without null members."""
    metadata = await services.images.get_metadata(image_name)
    return MetadataField(metadata) if metadata is not None else None


@image_files_router.get("/i/{image_name}/workflow", operation_id="get_image_workflow")
async def get_image_workflow(services: ServicesDep, image_name: str) -> WorkflowAndGraphResponse:
    """The workflow and the graph that the picture carries."""
    return await services.images.get_workflow_and_graph(image_name)


@image_files_router.post("/download", operation_id="download_images_from_list", status_code=202)
async def download_images_from_list(
    services: ServicesDep,
    user: CurrentUserDep,
    image_names: Annotated[
        list[Annotated[str, Field(max_length=255)]] | None, Body(max_length=1000, description="Names of images.")
    ] = None,
    board_id: Annotated[str | None, Body(description="Board whose images are wanted.")] = None,
) -> ImagesDownloaded:
    """Start on a zip of images; events tell when it can be fetched."""
    name = await services.bulk_download.start(image_names, board_id, user.user_id)
    return ImagesDownloaded(bulk_download_item_name=name)


@image_files_router.get(
    "/download/{bulk_download_item_name}",
    operation_id="get_bulk_download_item",
    response_class=Response,
    responses=ZIP_ANSWER,
)
async def get_bulk_download_item(services: ServicesDep, bulk_download_item_name: str) -> StreamingResponse:
    """A zip."""
    size, slices = await services.bulk_download.open(bulk_download_item_name)
    headers = {
        "content-disposition": disposition(bulk_download_item_name),
        "content-length": str(size),
        "cache-control": "private, no-store",
    }
    return StreamingResponse(slices, media_type="application/zip", headers=headers)
