"""What one run of one node may know: its session, its queue item, its own members.

Image names are made from session, node and a running index, so a node that runs again writes the same pictures again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from invokeai.app.services.images.generated_names import generated_name

if TYPE_CHECKING:
    from invokeai.app.services.services import Services


class CancelFlag:
    """Tells a node in a worker thread that its item was canceled. Set once, read from any thread.

    `for_good`: by its user. Otherwise this server only leaves it, and it may be run again.
    """

    __slots__ = ("for_good", "is_set")

    def __init__(self) -> None:
        self.is_set = self.for_good = False

    def set(self, *, for_good: bool = False) -> None:
        """Ask the node to stop."""
        self.for_good = self.for_good or for_good
        self.is_set = True


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """The queue item that a session belongs to, as events name it."""

    queue_id: str
    item_id: int
    batch_id: str
    session_id: str
    origin: str | None = None
    destination: str | None = None
    user_id: str = "system"


@dataclass(frozen=True, slots=True)
class ProgressImage:
    """A preview: size in pixels of the final picture, and the preview as a data URL."""

    width: int
    height: int
    dataURL: str


WorkflowCaller = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Runs a saved workflow by id with values for its inputs; gives its results by name."""

ProgressSink = Callable[[str, float | None, ProgressImage | None], None]
"""Called with message, share done (0 to 1, or None) and preview. May be called from any thread."""


@dataclass(slots=True, kw_only=True)
class InvocationScope:
    """Everything that the context of one running node draws on."""

    services: Services
    item: ItemFacts
    invocation: Any
    """The prepared node, its inputs resolved."""
    source_id: str
    """Its id in the graph that was submitted."""
    graph_json: Callable[[], str | None] = lambda: None
    workflow_json: str | None = None
    progress: ProgressSink = lambda message, percentage, image: None
    call_workflow: WorkflowCaller | None = None
    cancel: CancelFlag = field(default_factory=CancelFlag)
    _images_named: int = 0

    @property
    def node_id(self) -> str:
        """The prepared node's id."""
        return str(self.invocation.id)

    def next_image_name(self) -> str:
        """The name of the node's next picture: the same at every run of this node in this session."""
        index, self._images_named = self._images_named, self._images_named + 1
        return generated_name(self.item.session_id, self.node_id, index)

    def board_id(self) -> str | None:
        """The board of the node's `board` input: None for none and for the word `auto`."""
        board = getattr(self.invocation, "board", None)
        return getattr(board, "board_id", None)

    def metadata(self) -> dict[str, Any] | None:
        """The node's `metadata` input as a plain object."""
        return plain_metadata(getattr(self.invocation, "metadata", None))


def plain_metadata(metadata: Any) -> dict[str, Any] | None:
    """A metadata field, model or mapping as a plain object."""
    if metadata is None:
        return None
    if hasattr(metadata, "model_dump"):
        metadata = metadata.model_dump(mode="json")
    return dict(metadata)
