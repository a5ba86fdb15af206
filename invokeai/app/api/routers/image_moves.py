"""Moves of image files between folder layouts. There is one layout here, so there is never anything to move."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

image_moves_router = APIRouter(prefix="/v1/image_moves", tags=["image_moves"])


class ImageMoveJobResponse(BaseModel):
    """A move that was planned or done."""

    id: int
    state: Literal["planned", "moving", "moved", "committed", "error"]
    error_message: str | None = None


class ImageMoveStatusResponse(BaseModel):
    """What moves now, and what moved last."""

    is_running: bool
    operation: Literal["move_all", "recovery"] | None = None
    active_job_id: int | None = None
    latest_job: ImageMoveJobResponse | None = None
    last_error: str | None = None
    needs_move_count: int


_IDLE = ImageMoveStatusResponse(is_running=False, needs_move_count=0)


@image_moves_router.post("/start", operation_id="start_image_move", status_code=202)
async def start_image_move() -> ImageMoveStatusResponse:
    """Nothing to move: every file is where it belongs."""
    return _IDLE


@image_moves_router.post("/recover", operation_id="start_image_move_recovery", status_code=202)
async def start_image_move_recovery() -> ImageMoveStatusResponse:
    """Nothing to recover."""
    return _IDLE


@image_moves_router.get("/status", operation_id="get_image_move_status")
async def get_image_move_status() -> ImageMoveStatusResponse:
    """Idle."""
    return _IDLE
