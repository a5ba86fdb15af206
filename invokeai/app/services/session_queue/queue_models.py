"""What the queue's clients send and get. Items appear with all members; `status` is one of `QueueStatus`."""

from __future__ import annotations

from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from invokeai.app.services.shared.errors import InvalidInput
from invokeai.app.services.shared.graph import Graph, GraphExecutionState
from invokeai.app.services.workflow_records.workflow_models import WorkflowWithoutID

QueueStatus = Literal["pending", "in_progress", "waiting", "completed", "failed", "canceled"]
STATUSES: tuple[QueueStatus, ...] = ("pending", "in_progress", "waiting", "completed", "failed", "canceled")
MAX_ITEM_ID = 2**63 - 1


class QueueModel(BaseModel):
    """Base: validators are built at first use."""

    model_config = ConfigDict(defer_build=True)


class BatchDatum(QueueModel):
    """Values for one input of one node, one for each item."""

    node_path: str = Field(description="Id of the node.")
    field_name: str = Field(description="Its input.")
    items: list[Any] = Field(default_factory=list, description="The values.")


class NodeFieldValue(QueueModel):
    """A value that an item put into its graph."""

    node_path: str = Field(description="Id of the node.")
    field_name: str = Field(description="Its input.")
    value: Any = Field(description="The value.")


class Batch(QueueModel):
    """A graph and the values to run it with. Inner lists of `data` go in step, the outer list multiplies."""

    model_config = ConfigDict(defer_build=False)  # request bodies are built with their routes

    batch_id: str = Field(default_factory=lambda: str(uuid4()), description="Id of the batch.")
    origin: str | None = Field(default=None, description="Where the batch comes from, for the client.")
    destination: str | None = Field(default=None, description="Where its results go, for the client.")
    data: list[list[BatchDatum]] | None = Field(default=None, description="Values that differ between items.")
    graph: Graph = Field(description="The graph.")
    workflow: dict[str, Any] | None = Field(default=None, description="The workflow that the graph was made from.")
    runs: int = Field(default=1, ge=1, description="How often everything is repeated.")

    @field_validator("data")
    @classmethod
    def _check_lengths(cls, data: list[list[BatchDatum]] | None) -> list[list[BatchDatum]] | None:
        for group in data or []:
            if len({len(datum.items) for datum in group}) > 1:
                raise ValueError("Zipped batch items must all have the same length")
            if group and not group[0].items:
                raise ValueError("Batch data must have at least one item")
        return data

    @model_validator(mode="after")
    def _check_values(self) -> Batch:
        seen: set[tuple[str, str]] = set()
        for datum in (datum for group in self.data or [] for datum in group):
            node = self.graph.nodes.get(datum.node_path)
            if node is None:
                raise ValueError(f"Node {datum.node_path} not found in graph")
            if (datum.node_path, datum.field_name) in seen:
                raise ValueError(f"Input {datum.field_name} of node {datum.node_path} has batch data twice")
            seen.add((datum.node_path, datum.field_name))
            trial = node.model_copy()
            try:
                for item in datum.items:
                    trial.set_input(datum.field_name, item)
            except InvalidInput as error:
                raise ValueError(str(error)) from None
        return self


class EnqueueBatchResult(QueueModel):
    """What became of a batch."""

    queue_id: str = Field(description="The queue.")
    enqueued: int = Field(description="Items that were put in.")
    requested: int = Field(description="Items that the batch asks for; more than `enqueued` when the queue got full.")
    batch: Batch = Field(description="The batch, defaults filled in.")
    priority: int = Field(description="Its priority; higher runs first.")
    item_ids: list[int] = Field(description="The new items, newest first.")


class StatusTotals(QueueModel):
    """How many items have each status."""

    pending: int = Field(description="Items that wait.")
    in_progress: int = Field(description="Items that run.")
    waiting: int = Field(description="Items that wait for a workflow they called.")
    completed: int = Field(description="Items that ended well.")
    failed: int = Field(description="Items that failed.")
    canceled: int = Field(description="Items that were canceled.")
    total: int = Field(description="All of them.")


class SessionQueueStatus(QueueModel):
    """A queue at a glance; `item_id`, `batch_id`, `session_id` are of an item that runs."""

    queue_id: str = Field(description="The queue.")
    item_id: int | None = Field(description="An item that runs.")
    batch_id: str | None = Field(description="Its batch.")
    session_id: str | None = Field(description="Its session.")
    pending: int = Field(description="Items that wait.")
    in_progress: int = Field(description="Items that run.")
    waiting: int = Field(description="Items that wait for a workflow they called.")
    completed: int = Field(description="Items that ended well.")
    failed: int = Field(description="Items that failed.")
    canceled: int = Field(description="Items that were canceled.")
    total: int = Field(description="All of them.")
    user_pending: int | None = Field(default=None, description="The user's own items that wait.")
    user_in_progress: int | None = Field(default=None, description="The user's own items that run.")


class BatchStatus(StatusTotals):
    """A batch at a glance."""

    queue_id: str = Field(description="The queue.")
    batch_id: str = Field(description="The batch.")
    origin: str | None = Field(description="Where it comes from.")
    destination: str | None = Field(description="Where its results go.")


class SessionQueueCountsByDestination(StatusTotals):
    """A destination at a glance."""

    queue_id: str = Field(description="The queue.")
    destination: str = Field(description="The destination.")


class SessionProcessorStatus(QueueModel):
    """Whether the processor takes items, and whether it runs any."""

    is_started: bool = Field(description="Whether it takes items.")
    is_processing: bool = Field(description="Whether it runs any.")


class SessionQueueAndProcessorStatus(QueueModel):
    """Queue and processor at a glance."""

    queue: SessionQueueStatus = Field(description="The queue.")
    processor: SessionProcessorStatus = Field(description="The processor.")


class ItemIdsResult(QueueModel):
    """Ids of items in order."""

    item_ids: list[int] = Field(description="The ids.")
    total_count: int = Field(description="How many there are.")


class CanceledResult(QueueModel):
    """How many items a request canceled."""

    canceled: int = Field(description="Items that were canceled.")


class DeletedResult(QueueModel):
    """How many items a request deleted."""

    deleted: int = Field(description="Items that were deleted.")


class RetryItemsResult(QueueModel):
    """The items that were tried again."""

    queue_id: str = Field(description="The queue.")
    retried_item_ids: list[int] = Field(description="The items that new ones were made from.")


class SessionQueueItemSummary(QueueModel):
    """A row of the queue tab."""

    item_id: int = Field(description="Id of the item.")
    created_at: str = Field(description="When it was put in.")
    status: QueueStatus = Field(description="Its status.")
    device: str | None = Field(default=None, description="What it runs on.")
    started_at: str | None = Field(description="When it began.")
    completed_at: str | None = Field(description="When it ended.")
    origin: str | None = Field(description="Where it comes from.")
    destination: str | None = Field(description="Where its results go.")
    batch_id: str = Field(description="Its batch.")
    user_id: str = Field(description="Whose it is.")
    user_display_name: str | None = Field(description="Their name.")
    user_email: str | None = Field(description="Their address.")
    field_values: list[NodeFieldValue] | None = Field(description="Its batch values.")
    parent_item_id: int | None = Field(description="The item that called it.")


class SessionQueueItem(QueueModel):
    """Everything about an item."""

    item_id: int = Field(description="Id of the item.")
    status: QueueStatus = Field(description="Its status.")
    status_sequence: int | None = Field(default=None, description="Grows with each change of status.")
    priority: int = Field(description="Higher runs first.")
    batch_id: str = Field(description="Its batch.")
    origin: str | None = Field(default=None, description="Where it comes from.")
    destination: str | None = Field(default=None, description="Where its results go.")
    session_id: str = Field(description="Its session.")
    error_type: str | None = Field(default=None, description="Kind of error.")
    error_message: str | None = Field(default=None, description="What went wrong.")
    error_traceback: str | None = Field(default=None, description="Where it went wrong.")
    created_at: str = Field(description="When it was put in.")
    updated_at: str = Field(description="When it changed.")
    started_at: str | None = Field(default=None, description="When it began.")
    completed_at: str | None = Field(default=None, description="When it ended.")
    queue_id: str = Field(description="Its queue.")
    user_id: str = Field(default="system", description="Whose it is.")
    user_display_name: str | None = Field(default=None, description="Their name.")
    user_email: str | None = Field(default=None, description="Their address.")
    field_values: list[NodeFieldValue] | None = Field(default=None, description="Its batch values.")
    retried_from_item_id: int | None = Field(default=None, description="The item that it repeats.")
    device: str | None = Field(default=None, description="What it runs on.")
    workflow_call_id: str | None = Field(default=None, description="The workflow call that it serves.")
    parent_item_id: int | None = Field(default=None, description="The item that called it.")
    parent_session_id: str | None = Field(default=None, description="The session that called it.")
    root_item_id: int | None = Field(default=None, description="The item at the root of its calls.")
    workflow_call_depth: int | None = Field(default=None, description="How deep the call is.")
    session: GraphExecutionState = Field(description="The run of its graph.")
    workflow: WorkflowWithoutID | None = Field(default=None, description="The workflow it was made from.")
