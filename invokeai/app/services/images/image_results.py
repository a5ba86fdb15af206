"""What changes of many pictures answer with: what was done, what was not there, which boards look different now."""

from pydantic import BaseModel


class ImageNamesResult(BaseModel):
    """Names of a gallery in order."""

    image_names: list[str]
    starred_count: int
    total_count: int


class StarredImagesResult(BaseModel):
    """What was starred."""

    affected_boards: list[str]
    starred_images: list[str]
    failed_images: list[str]


class UnstarredImagesResult(BaseModel):
    """What was unstarred."""

    affected_boards: list[str]
    unstarred_images: list[str]
    failed_images: list[str]


class DeleteImagesResult(BaseModel):
    """What was deleted."""

    affected_boards: list[str]
    deleted_images: list[str]
    failed_images: list[str]


class WorkflowAndGraphResponse(BaseModel):
    """A picture's workflow and graph as JSON text."""

    workflow: str | None
    graph: str | None
