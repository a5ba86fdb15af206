"""Which picture is on which board."""

from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import Field

from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.boards.board_models import AddImagesToBoardResult, RemoveImagesFromBoardResult

board_images_router = APIRouter(prefix="/v1/board_images", tags=["boards"])

MAX_IMAGES = 1000
BoardId = Annotated[str, Body(description="Id of the board.")]
ImageNames = Annotated[
    list[Annotated[str, Field(max_length=255)]], Body(max_length=MAX_IMAGES, description="Names of the pictures.")
]


@board_images_router.post("/", operation_id="add_image_to_board", status_code=201)
async def add_image_to_board(
    services: ServicesDep,
    board_id: BoardId,
    image_name: Annotated[str, Body(description="Name of the picture.")],
) -> AddImagesToBoardResult:
    """Put a picture on a board."""
    return await services.board_images.add([image_name], board_id)


@board_images_router.delete("/", operation_id="remove_image_from_board", status_code=201)
async def remove_image_from_board(
    services: ServicesDep, image_name: Annotated[str, Body(embed=True, description="Name of the picture.")]
) -> RemoveImagesFromBoardResult:
    """Take a picture off its board."""
    return await services.board_images.remove([image_name])


@board_images_router.post("/batch", operation_id="add_images_to_board", status_code=201)
async def add_images_to_board(
    services: ServicesDep, board_id: BoardId, image_names: ImageNames
) -> AddImagesToBoardResult:
    """Put pictures on a board."""
    return await services.board_images.add(image_names, board_id)


@board_images_router.post("/batch/delete", operation_id="remove_images_from_board", status_code=201)
async def remove_images_from_board(
    services: ServicesDep,
    image_names: Annotated[
        list[Annotated[str, Field(max_length=255)]],
        Body(embed=True, max_length=MAX_IMAGES, description="Names of the pictures."),
    ],
) -> RemoveImagesFromBoardResult:
    """Take pictures off their boards."""
    return await services.board_images.remove(image_names)
