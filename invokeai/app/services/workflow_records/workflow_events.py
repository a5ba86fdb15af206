"""What browsers are told about the workflow library."""

from typing import ClassVar

from invokeai.app.services.events.events import Event


class WorkflowCreated(Event):
    """A workflow is new in the library."""

    event_name: ClassVar[str] = "workflow_created"
    room: ClassVar[str] = "all"

    workflow_id: str
    user_id: str
    is_public: bool


class WorkflowUpdated(Event):
    """A workflow has other content, or is shared or no longer shared."""

    event_name: ClassVar[str] = "workflow_updated"
    room: ClassVar[str] = "all"

    workflow_id: str
    user_id: str
    old_is_public: bool
    new_is_public: bool


class WorkflowDeleted(Event):
    """A workflow is gone."""

    event_name: ClassVar[str] = "workflow_deleted"
    room: ClassVar[str] = "all"

    workflow_id: str
    user_id: str
    is_public: bool
