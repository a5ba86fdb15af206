"""The workflow library. Thumbnails may be kept by browsers for ever: a new picture has a new address."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response, UploadFile

from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.shared.pagination import PaginatedResults, SQLiteDirection
from invokeai.app.services.workflow_records.workflow_models import (
    Workflow,
    WorkflowCategory,
    WorkflowRecordDTO,
    WorkflowRecordListItemWithThumbnailDTO,
    WorkflowRecordOrderBy,
    WorkflowRecordWithThumbnailDTO,
    WorkflowWithoutID,
)
from invokeai.app.services.workflow_records.workflow_record_store import WorkflowFilter

workflows_router = APIRouter(prefix="/v1/workflows", tags=["workflows"])

WorkflowId = Annotated[str, Path(description="Id of the workflow.")]
Categories = Annotated[list[WorkflowCategory] | None, Query(description="Categories to take in.")]
HasBeenOpened = Annotated[bool | None, Query(description="Only workflows that were, or were not, opened.")]
IsPublic = Annotated[bool | None, Query(description="Only workflows that are, or are not, shared.")]
PICTURE_HEADERS = {"cache-control": "private, max-age=31536000", "x-content-type-options": "nosniff"}


@workflows_router.get("/i/{workflow_id}", operation_id="get_workflow")
async def get_workflow(services: ServicesDep, workflow_id: WorkflowId) -> WorkflowRecordWithThumbnailDTO:
    """One workflow."""
    return await services.workflows.get(workflow_id)


@workflows_router.patch("/i/{workflow_id}", operation_id="update_workflow")
async def update_workflow(
    services: ServicesDep, workflow: Annotated[Workflow, Body(embed=True, description="The workflow as it is now.")]
) -> WorkflowRecordDTO:
    """Save other content; the id inside the workflow counts."""
    return await services.workflows.update(workflow)


@workflows_router.delete("/i/{workflow_id}", operation_id="delete_workflow")
async def delete_workflow(services: ServicesDep, workflow_id: WorkflowId) -> Any:
    """Delete a user workflow."""
    await services.workflows.delete(workflow_id)


@workflows_router.post("/", operation_id="create_workflow")
async def create_workflow(
    services: ServicesDep,
    user: CurrentUserDep,
    workflow: Annotated[WorkflowWithoutID, Body(embed=True, description="The workflow to save.")],
) -> WorkflowRecordDTO:
    """Save a new workflow."""
    return await services.workflows.create(workflow, user.user_id)


@workflows_router.get("/", operation_id="list_workflows")
async def list_workflows(
    services: ServicesDep,
    user: CurrentUserDep,
    page: Annotated[int, Query(ge=0, le=2**31, description="Number of the page, from 0.")] = 0,
    per_page: Annotated[int | None, Query(ge=1, le=10_000, description="Workflows a page; all when left out.")] = None,
    order_by: Annotated[WorkflowRecordOrderBy, Query(description="Order.")] = WorkflowRecordOrderBy.Name,
    direction: Annotated[SQLiteDirection, Query(description="Direction of the order.")] = SQLiteDirection.Ascending,
    categories: Categories = None,
    tags: Annotated[list[str] | None, Query(description="Any of these tags.")] = None,
    query: Annotated[str | None, Query(description="Text in name, description or tags.")] = None,
    has_been_opened: HasBeenOpened = None,
    is_public: IsPublic = None,
    callable: Annotated[bool | None, Query(description="Only workflows that can, or cannot, be called.")] = None,
) -> PaginatedResults[WorkflowRecordListItemWithThumbnailDTO]:
    """A page of the library."""
    chosen = WorkflowFilter(
        user_id=user.user_id,
        categories=categories,
        tags=tags,
        query=query,
        has_been_opened=has_been_opened,
        is_public=is_public,
        is_callable=callable,
    )
    return await services.workflows.list_page(chosen, order_by, direction, page, per_page)


@workflows_router.put("/i/{workflow_id}/thumbnail", operation_id="set_workflow_thumbnail")
async def set_workflow_thumbnail(
    services: ServicesDep, workflow_id: WorkflowId, image: UploadFile
) -> WorkflowRecordDTO:
    """Store a thumbnail."""
    return await services.workflows.set_thumbnail(workflow_id, await image.read())


@workflows_router.delete("/i/{workflow_id}/thumbnail", operation_id="delete_workflow_thumbnail")
async def delete_workflow_thumbnail(services: ServicesDep, workflow_id: WorkflowId) -> WorkflowRecordDTO:
    """Remove the thumbnail."""
    return await services.workflows.delete_thumbnail(workflow_id)


@workflows_router.get("/i/{workflow_id}/thumbnail", operation_id="get_workflow_thumbnail")
async def get_workflow_thumbnail(services: ServicesDep, workflow_id: WorkflowId) -> Any:
    """The thumbnail as WebP."""
    picture = await services.workflows.get_thumbnail(workflow_id)
    return Response(picture, media_type="image/webp", headers=PICTURE_HEADERS)


@workflows_router.patch("/i/{workflow_id}/is_public", operation_id="update_workflow_is_public")
async def update_workflow_is_public(
    services: ServicesDep,
    workflow_id: WorkflowId,
    is_public: Annotated[bool, Body(embed=True, description="Whether everyone may see it.")],
) -> WorkflowRecordDTO:
    """Share the workflow, or stop sharing it."""
    return await services.workflows.set_public(workflow_id, is_public)


@workflows_router.get("/tags", operation_id="get_all_tags")
async def get_all_tags(
    services: ServicesDep, user: CurrentUserDep, categories: Categories = None, is_public: IsPublic = None
) -> list[str]:
    """Every tag in use."""
    chosen = WorkflowFilter(user_id=user.user_id, categories=categories, is_public=is_public)
    return await services.workflows.tags(chosen)


@workflows_router.get("/counts_by_tag", operation_id="get_counts_by_tag")
async def get_counts_by_tag(
    services: ServicesDep,
    user: CurrentUserDep,
    tags: Annotated[list[str], Query(description="Tags to count.")],
    categories: Categories = None,
    has_been_opened: HasBeenOpened = None,
    is_public: IsPublic = None,
) -> dict[str, int]:
    """Number of workflows for each tag."""
    chosen = WorkflowFilter(
        user_id=user.user_id, categories=categories, has_been_opened=has_been_opened, is_public=is_public
    )
    return await services.workflows.counts_by_tag(chosen, tags)


@workflows_router.get("/counts_by_category", operation_id="counts_by_category")
async def counts_by_category(
    services: ServicesDep,
    user: CurrentUserDep,
    categories: Annotated[list[WorkflowCategory], Query(description="Categories to count.")],
    has_been_opened: HasBeenOpened = None,
    is_public: IsPublic = None,
) -> dict[str, int]:
    """Number of workflows for each category."""
    chosen = WorkflowFilter(
        user_id=user.user_id, categories=categories, has_been_opened=has_been_opened, is_public=is_public
    )
    return await services.workflows.counts_by_category(chosen)


@workflows_router.put("/i/{workflow_id}/opened_at", operation_id="update_opened_at")
async def update_opened_at(services: ServicesDep, workflow_id: WorkflowId) -> Any:
    """Note that the workflow was opened."""
    await services.workflows.set_opened(workflow_id)
