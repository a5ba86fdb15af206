"""Query parameters that galleries share."""

from typing import Annotated

from fastapi import Query

from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.shared.pagination import SQLiteDirection

Origin = Annotated[ResourceOrigin | None, Query(description="Made here or uploaded.")]
Categories = Annotated[list[ImageCategory] | None, Query(description="Categories to take in.")]
IsIntermediate = Annotated[bool | None, Query(description="Only intermediates, or none of them.")]
BoardId = Annotated[str | None, Query(description="A board, or `none` for pictures on no board.")]
Offset = Annotated[int, Query(ge=0, le=2**31, description="Entries to skip.")]
Limit = Annotated[int, Query(ge=0, le=1000, description="Entries to answer.")]
OrderDir = Annotated[SQLiteDirection, Query(description="Direction of time.")]
StarredFirst = Annotated[bool, Query(description="Starred ones first.")]
SearchTerm = Annotated[str | None, Query(description="Text in the metadata or the time of creation.")]
