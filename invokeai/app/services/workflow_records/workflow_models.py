"""Workflows as the UI stores and reads them. What lies inside nodes, edges and form is the UI's business."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

MAX_NAME_LENGTH = 300


class WorkflowCategory(StrEnum):
    """`user` workflows are made here; `default` ones are shipped."""

    User = "user"
    Default = "default"


class WorkflowRecordOrderBy(StrEnum):
    """What a list of workflows is ordered by."""

    CreatedAt = "created_at"
    UpdatedAt = "updated_at"
    OpenedAt = "opened_at"
    Name = "name"
    IsPublic = "is_public"


class WorkflowCallCompatibilityReason(StrEnum):
    """Why another workflow may or may not call this one."""

    Ok = "ok"
    MissingWorkflowReturn = "missing_workflow_return"
    MultipleWorkflowReturn = "multiple_workflow_return"
    UnsupportedNode = "unsupported_node"
    UnsupportedBatchInput = "unsupported_batch_input"
    InvalidGraph = "invalid_graph"
    InvalidInputs = "invalid_inputs"
    ExceedsCapacity = "exceeds_capacity"
    Unknown = "unknown"


class ExposedField(BaseModel):
    """A node's field shown in the linear form of old workflows."""

    nodeId: str
    fieldName: str


class WorkflowMeta(BaseModel):
    """Schema version (semantic version text) and category."""

    version: str = Field(max_length=40)
    category: WorkflowCategory


class WorkflowWithoutID(BaseModel):
    """A workflow that has no id yet. Members that the contract does not know are dropped."""

    name: Annotated[str, Field(description="Name; at most 300 characters.")]
    author: str
    description: str
    version: str
    contact: str
    tags: Annotated[str, Field(description="Tags, separated by commas.")]
    notes: str
    exposedFields: list[ExposedField]
    meta: WorkflowMeta
    nodes: list[dict[str, JsonValue]]
    edges: list[dict[str, JsonValue]]
    form: dict[str, JsonValue] | None = None


class Workflow(WorkflowWithoutID):
    """A workflow with its id."""

    id: str


class WorkflowCallCompatibility(BaseModel):
    """Whether a node of another workflow may call this one."""

    is_callable: bool
    reason: WorkflowCallCompatibilityReason
    message: str | None = None


class WorkflowRecordBase(BaseModel):
    """What is known of a stored workflow besides its content."""

    workflow_id: str
    name: str
    created_at: datetime | str
    updated_at: datetime | str
    opened_at: datetime | str | None = None
    user_id: str
    is_public: bool


class WorkflowRecordDTO(WorkflowRecordBase):
    """A stored workflow."""

    workflow: Workflow


class WorkflowRecordWithThumbnailDTO(WorkflowRecordDTO):
    """A stored workflow, the address of its thumbnail, and whether it can be called."""

    thumbnail_url: str | None = None
    call_saved_workflow_compatibility: WorkflowCallCompatibility | None = None


class WorkflowRecordListItemWithThumbnailDTO(WorkflowRecordBase):
    """An entry of the library."""

    description: str
    category: WorkflowCategory
    tags: str
    thumbnail_url: str | None = None
    call_saved_workflow_compatibility: WorkflowCallCompatibility | None = None
