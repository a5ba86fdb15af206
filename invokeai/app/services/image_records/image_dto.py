"""A picture's record as API, nodes and events see it. URLs are relative: the browser resolves them against its page."""

from pydantic import BaseModel

from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin


class ImageUrlsDTO(BaseModel):
    """Where a picture's files are served."""

    image_name: str
    image_url: str
    thumbnail_url: str


class ImageDTO(ImageUrlsDTO):
    """A picture's record. Sizes in pixels, times in UTC text."""

    image_origin: ResourceOrigin
    image_category: ImageCategory
    width: int
    height: int
    created_at: str
    updated_at: str
    deleted_at: str | None = None
    is_intermediate: bool
    session_id: str | None = None
    node_id: str | None = None
    starred: bool
    has_workflow: bool
    image_subfolder: str = ""
    board_id: str | None = None
