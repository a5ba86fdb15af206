"""The session queue. Answers are built by the service; the models here say what they look like."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query

from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.api.json_answer import JsonAnswer
from invokeai.app.services.session_queue import queue_models as models
from invokeai.app.services.session_queue.item_views import without_nulls
from invokeai.app.services.session_queue.queue_models import MAX_ITEM_ID

session_queue_router = APIRouter(prefix="/v1/queue", tags=["queue"])

QueueId = Annotated[str, Path(max_length=200, description="The queue.")]
ItemId = Annotated[int, Path(ge=-MAX_ITEM_ID, le=MAX_ITEM_ID, description="The item.")]
ListedId = Annotated[int, Body(ge=-MAX_ITEM_ID, le=MAX_ITEM_ID)]
ItemIds = Annotated[list[ListedId], Body(embed=True, max_length=1000, description="The items.")]
Destination = Annotated[str, Query(description="The destination.")]


@session_queue_router.post(
    "/{queue_id}/enqueue_batch",
    operation_id="enqueue_batch",
    response_model=models.EnqueueBatchResult,
    responses={201: {"model": models.EnqueueBatchResult}},
)
async def enqueue_batch(
    services: ServicesDep,
    user: CurrentUserDep,
    queue_id: QueueId,
    batch: Annotated[models.Batch, Body(description="The batch.")],
    prepend: Annotated[bool, Body(description="Whether it comes before all that waits.")] = False,
) -> JsonAnswer:
    """Put a batch into the queue."""
    return JsonAnswer(await services.session_queue.enqueue(queue_id, batch, prepend, user.user_id))


@session_queue_router.get(
    "/{queue_id}/list_all", operation_id="list_all_queue_items", response_model=list[models.SessionQueueItem]
)
async def list_all_queue_items(
    services: ServicesDep,
    queue_id: QueueId,
    destination: Annotated[str | None, Query(description="Only items of this destination.")] = None,
) -> JsonAnswer:
    """Whole items."""
    return JsonAnswer(await services.session_queue.list_all(queue_id, destination))


@session_queue_router.get(
    "/{queue_id}/item_ids", operation_id="get_queue_item_ids", response_model=models.ItemIdsResult
)
async def get_queue_item_ids(
    services: ServicesDep,
    queue_id: QueueId,
    order_dir: Annotated[Literal["ASC", "DESC"], Query(description="Oldest or newest first.")] = "DESC",
) -> JsonAnswer:
    """Ids of all items."""
    ids = await services.session_queue.item_ids(queue_id, newest_first=order_dir == "DESC")
    return JsonAnswer({"item_ids": ids, "total_count": len(ids)})


@session_queue_router.post(
    "/{queue_id}/items_by_ids",
    operation_id="get_queue_items_by_item_ids",
    response_model=list[models.SessionQueueItem],
)
async def get_queue_items_by_item_ids(services: ServicesDep, queue_id: QueueId, item_ids: ItemIds) -> JsonAnswer:
    """Whole items in the order asked for; unknown ones are left out."""
    return JsonAnswer(await services.session_queue.get_many(queue_id, item_ids))


@session_queue_router.post(
    "/{queue_id}/item_summaries_by_ids",
    operation_id="get_queue_item_summaries_by_ids",
    response_model=list[models.SessionQueueItemSummary],
)
async def get_queue_item_summaries_by_ids(services: ServicesDep, queue_id: QueueId, item_ids: ItemIds) -> JsonAnswer:
    """Summaries in the order asked for; unknown ones are left out."""
    return JsonAnswer(await services.session_queue.summaries(queue_id, item_ids))


@session_queue_router.put("/{queue_id}/processor/resume", operation_id="resume")
async def resume(services: ServicesDep, queue_id: QueueId) -> models.SessionProcessorStatus:
    """Take items again."""
    return services.session_processor.resume()


@session_queue_router.put("/{queue_id}/processor/pause", operation_id="pause")
async def pause(services: ServicesDep, queue_id: QueueId) -> models.SessionProcessorStatus:
    """Take no more items; what runs goes on."""
    return services.session_processor.pause()


@session_queue_router.put("/{queue_id}/cancel_all_except_current", operation_id="cancel_all_except_current")
async def cancel_all_except_current(services: ServicesDep, queue_id: QueueId) -> models.CanceledResult:
    """Cancel all that waits."""
    return models.CanceledResult(canceled=await services.session_queue.cancel_all_except_current(queue_id))


@session_queue_router.put("/{queue_id}/delete_all_except_current", operation_id="delete_all_except_current")
async def delete_all_except_current(services: ServicesDep, queue_id: QueueId) -> models.DeletedResult:
    """Delete all that waits."""
    return models.DeletedResult(deleted=await services.session_queue.delete_all_except_current(queue_id))


@session_queue_router.put("/{queue_id}/cancel_by_batch_ids", operation_id="cancel_by_batch_ids")
async def cancel_by_batch_ids(
    services: ServicesDep,
    queue_id: QueueId,
    batch_ids: Annotated[list[str], Body(embed=True, description="The batches.")],
) -> models.CanceledResult:
    """Cancel what has not ended of some batches."""
    return models.CanceledResult(canceled=await services.session_queue.cancel_batches(queue_id, batch_ids))


@session_queue_router.put("/{queue_id}/cancel_by_destination", operation_id="cancel_by_destination")
async def cancel_by_destination(
    services: ServicesDep, queue_id: QueueId, destination: Destination
) -> models.CanceledResult:
    """Cancel what has not ended of a destination."""
    return models.CanceledResult(canceled=await services.session_queue.cancel_destination(queue_id, destination))


@session_queue_router.put("/{queue_id}/retry_items_by_id", operation_id="retry_items_by_id")
async def retry_items_by_id(
    services: ServicesDep,
    queue_id: QueueId,
    item_ids: Annotated[list[ListedId], Body(description="The items.")],
) -> models.RetryItemsResult:
    """Try failed and canceled items again."""
    retried = await services.session_queue.retry(queue_id, item_ids)
    return models.RetryItemsResult(queue_id=queue_id, retried_item_ids=retried)


@session_queue_router.put("/{queue_id}/clear", operation_id="clear")
async def clear(services: ServicesDep, queue_id: QueueId) -> models.DeletedResult:
    """Cancel what runs and delete every item."""
    return models.DeletedResult(deleted=await services.session_queue.clear(queue_id))


@session_queue_router.put("/{queue_id}/prune", operation_id="prune")
async def prune(services: ServicesDep, queue_id: QueueId) -> models.DeletedResult:
    """Delete every item that has ended."""
    return models.DeletedResult(deleted=await services.session_queue.prune(queue_id))


@session_queue_router.get(
    "/{queue_id}/current", operation_id="get_current_queue_item", response_model=models.SessionQueueItem | None
)
async def get_current_queue_item(services: ServicesDep, queue_id: QueueId) -> JsonAnswer:
    """An item that runs, or null."""
    return JsonAnswer(await services.session_queue.current(queue_id))


@session_queue_router.get(
    "/{queue_id}/next", operation_id="get_next_queue_item", response_model=models.SessionQueueItem | None
)
async def get_next_queue_item(services: ServicesDep, queue_id: QueueId) -> JsonAnswer:
    """The item that is taken next, or null."""
    return JsonAnswer(await services.session_queue.next(queue_id))


@session_queue_router.get(
    "/{queue_id}/status", operation_id="get_queue_status", response_model=models.SessionQueueAndProcessorStatus
)
async def get_queue_status(services: ServicesDep, user: CurrentUserDep, queue_id: QueueId) -> JsonAnswer:
    """Queue and processor at a glance."""
    status = await services.session_queue.status(queue_id, user.user_id)
    return JsonAnswer({"queue": status, "processor": services.session_processor.status().model_dump()})


@session_queue_router.get(
    "/{queue_id}/b/{batch_id}/status", operation_id="get_batch_status", response_model=models.BatchStatus
)
async def get_batch_status(
    services: ServicesDep, queue_id: QueueId, batch_id: Annotated[str, Path(description="The batch.")]
) -> JsonAnswer:
    """A batch at a glance."""
    return JsonAnswer(await services.session_queue.batch_status(queue_id, batch_id))


@session_queue_router.get(
    "/{queue_id}/i/{item_id}", operation_id="get_queue_item", response_model=models.SessionQueueItem
)
async def get_queue_item(services: ServicesDep, queue_id: QueueId, item_id: ItemId) -> JsonAnswer:
    """A whole item, without members that are null."""
    return JsonAnswer(without_nulls(await services.session_queue.get(queue_id, item_id)))


@session_queue_router.delete("/{queue_id}/i/{item_id}", operation_id="delete_queue_item")
async def delete_queue_item(services: ServicesDep, queue_id: QueueId, item_id: ItemId) -> Any:
    """Cancel and delete an item."""
    await services.session_queue.delete(queue_id, item_id)


@session_queue_router.put(
    "/{queue_id}/i/{item_id}/cancel", operation_id="cancel_queue_item", response_model=models.SessionQueueItem
)
async def cancel_queue_item(services: ServicesDep, queue_id: QueueId, item_id: ItemId) -> JsonAnswer:
    """Cancel an item; an ended one stays as it is."""
    return JsonAnswer(await services.session_queue.cancel(queue_id, item_id))


@session_queue_router.get(
    "/{queue_id}/counts_by_destination",
    operation_id="counts_by_destination",
    response_model=models.SessionQueueCountsByDestination,
)
async def counts_by_destination(services: ServicesDep, queue_id: QueueId, destination: Destination) -> JsonAnswer:
    """A destination at a glance."""
    return JsonAnswer(await services.session_queue.destination_counts(queue_id, destination))


@session_queue_router.delete("/{queue_id}/d/{destination}", operation_id="delete_by_destination")
async def delete_by_destination(
    services: ServicesDep, queue_id: QueueId, destination: Annotated[str, Path(description="The destination.")]
) -> models.DeletedResult:
    """Cancel and delete all of a destination."""
    return models.DeletedResult(deleted=await services.session_queue.delete_destination(queue_id, destination))
