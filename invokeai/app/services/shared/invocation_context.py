"""What a node may use while it runs: images, boards, models, settings, progress, log.

`AsyncInvocationContext` is for nodes that are coroutines: its methods are coroutines on the event loop.
`InvocationContext` has the same names for plain functions in worker threads: each call waits for the loop's answer,
so it must never be used on the loop itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.shared.errors import Conflict, NotAvailableHere
from invokeai.app.services.shared.invocation_scope import InvocationScope, ProgressImage, plain_metadata
from invokeai.app.services.tensors.tensor_access import AsyncTensors, Tensors

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.config.config import AppConfig
    from invokeai.app.services.services import Services

T = TypeVar("T")
PREVIEW_PIXELS = 256
"""Longest side of a progress preview."""


class AsyncImages:
    """Pictures: save what the node made, read what exists."""

    def __init__(self, scope: InvocationScope) -> None:
        self._scope = scope

    async def save(
        self,
        image: Image | bytes,
        board_id: str | None = None,
        image_category: ImageCategory = ImageCategory.GENERAL,
        metadata: Any = None,
        *,
        although_canceled: bool = False,
    ) -> Any:
        """Store a picture (PIL, or the bytes of a file) and answer its ImageDTO.

        A canceled item stores nothing any more, except `although_canceled`: what was paid for.

        Board, metadata and is_intermediate come from the node where not given. The name is the same at every run of
        this node in this session, so that a run repeated after a crash never leaves a second picture.
        """
        scope = self._scope
        if scope.cancel.is_set and not although_canceled:
            raise Conflict("This item was canceled, so its picture is not stored.")
        fields = plain_metadata(metadata) if metadata is not None else scope.metadata()
        return await scope.services.images.create(
            image,
            image_origin=ResourceOrigin.INTERNAL,
            image_category=image_category,
            image_name=scope.next_image_name(),
            node_id=scope.node_id,
            session_id=scope.item.session_id,
            board_id=board_id or scope.board_id(),
            is_intermediate=bool(getattr(scope.invocation, "is_intermediate", False)),
            metadata=orjson.dumps(fields).decode() if fields is not None else None,
            workflow=scope.workflow_json,
            graph=scope.graph_json(),
            user_id=scope.item.user_id,
        )

    async def get_pil(self, image_name: str, mode: str | None = None) -> Image:
        """The picture, converted to the PIL `mode` if one is given. Raises NotFound."""
        image = await self._scope.services.images.get_pil(image_name)
        if mode and mode != image.mode:
            image = await asyncio.to_thread(image.convert, mode)
        return image

    async def get_metadata(self, image_name: str) -> dict[str, Any] | None:
        """The picture's metadata, or None. Raises NotFound."""
        return plain_metadata(await self._scope.services.images.get_metadata(image_name))

    async def get_dto(self, image_name: str) -> Any:
        """The picture's ImageDTO. Raises NotFound."""
        return await self._scope.services.images.get_dto(image_name)

    async def get_path(self, image_name: str, thumbnail: bool = False) -> Path:
        """Where the file lies, on a studio that keeps its files on disk. Raises NotAvailableHere on others."""
        if self._scope.services.config.image_storage != "disk":
            raise NotAvailableHere("This studio keeps its files in an object store; use get_pil instead of get_path.")
        return Path(self._scope.services.images.get_path(image_name, thumbnail=thumbnail))


class AsyncBoards:
    """Boards of the gallery."""

    def __init__(self, scope: InvocationScope) -> None:
        self._scope = scope

    async def create(self, board_name: str) -> Any:
        """A new board; its BoardDTO."""
        return await self._scope.services.boards.create(board_name, user_id=self._scope.item.user_id)

    async def get_dto(self, board_id: str) -> Any:
        """The board's BoardDTO. Raises NotFound."""
        return await self._scope.services.boards.get_dto(board_id)

    async def get_all(self) -> list[Any]:
        """Every board that is not archived."""
        return list(await self._scope.services.boards.get_all())

    async def add_image_to_board(self, board_id: str, image_name: str) -> None:
        """Move the picture to the board."""
        await self._scope.services.board_images.add([image_name], board_id)

    async def get_all_image_names_for_board(self, board_id: str) -> list[str]:
        """Names of the board's pictures."""
        return list(await self._scope.services.boards.get_image_names(board_id))


class AsyncModels:
    """Model records. Loading a local model needs a studio with local models."""

    def __init__(self, scope: InvocationScope) -> None:
        self._scope = scope

    async def exists(self, identifier: Any) -> bool:
        """Whether a model with this key (or identifier) is there."""
        return bool(await self._scope.services.model_manager.exists(_model_key(identifier)))

    async def get_config(self, identifier: Any) -> Any:
        """The model's config. Raises NotFound."""
        return await self._scope.services.model_manager.get_model(_model_key(identifier))

    async def load(self, identifier: Any, submodel_type: Any = None) -> Any:
        """Always raises NotAvailableHere on a studio without local models."""
        raise NotAvailableHere(
            "This studio has no local models. Install the package with its extra `local` to run them."
        )


class ConfigInterface:
    """Settings, read only."""

    def __init__(self, scope: InvocationScope) -> None:
        self._scope = scope

    def get(self) -> AppConfig:
        """The studio's settings."""
        return self._scope.services.config


class Util:
    """Progress and cancellation."""

    def __init__(self, scope: InvocationScope) -> None:
        self._scope = scope

    def is_canceled(self) -> bool:
        """Whether the item was canceled; a long node should then stop."""
        return self._scope.cancel.is_set

    def signal_progress(
        self,
        message: str,
        percentage: float | None = None,
        image: Image | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        """Show `message` at the node; `percentage` is 0 to 1; `image` a preview of a picture of `image_size` pixels."""
        if percentage is not None:
            percentage = min(1.0, max(0.0, percentage))
        self._scope.progress(message, percentage, _preview(image, image_size) if image is not None else None)


class AsyncInvocationContext:
    """For nodes that are coroutines. `logger` is a standard logger; `services` is for nodes of this package only."""

    def __init__(self, scope: InvocationScope) -> None:
        self.images = AsyncImages(scope)
        self.tensors = AsyncTensors(scope)
        self.boards = AsyncBoards(scope)
        self.models = AsyncModels(scope)
        self.config = ConfigInterface(scope)
        self.util = Util(scope)
        self.logger = logging.getLogger(f"invokeai.nodes.{scope.invocation.__class__.__name__}")
        self.scope = scope

    @property
    def services(self) -> Services:
        """The studio's services. Not part of the public node API."""
        return self.scope.services

    @property
    def session_id(self) -> str:
        """Id of the session (one run of a graph)."""
        return self.scope.item.session_id

    @property
    def node_id(self) -> str:
        """Id of the prepared node: the same at every run of this session."""
        return self.scope.node_id

    async def call_saved_workflow(self, workflow_id: str, inputs: dict[str, Any]) -> dict[str, Any]:
        """Run a saved workflow as a part of this session; its results by name.

        Raises:
            NotFound: there is no such workflow.
            InvalidInput: it cannot be called, or calls go too deep.
        """
        if self.scope.call_workflow is None:
            raise NotAvailableHere("A workflow can only be called while a session runs.")
        return await self.scope.call_workflow(workflow_id, inputs)


class _Waiting:
    """Runs coroutines on the loop from a worker thread and waits for them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class Images:
    """`AsyncImages` for worker threads."""

    def __init__(self, images: AsyncImages, wait: _Waiting) -> None:
        self._images, self._wait = images, wait

    def save(
        self,
        image: Image | bytes,
        board_id: str | None = None,
        image_category: ImageCategory = ImageCategory.GENERAL,
        metadata: Any = None,
    ) -> Any:
        """Store a picture and answer its ImageDTO (see `AsyncImages.save`)."""
        return self._wait(self._images.save(image, board_id, image_category, metadata))

    def get_pil(self, image_name: str, mode: str | None = None) -> Image:
        """The picture, converted to the PIL `mode` if one is given. Raises NotFound."""
        image = self._wait(self._images.get_pil(image_name))
        return image.convert(mode) if mode and mode != image.mode else image

    def get_metadata(self, image_name: str) -> dict[str, Any] | None:
        """The picture's metadata, or None. Raises NotFound."""
        return self._wait(self._images.get_metadata(image_name))

    def get_dto(self, image_name: str) -> Any:
        """The picture's ImageDTO. Raises NotFound."""
        return self._wait(self._images.get_dto(image_name))

    def get_path(self, image_name: str, thumbnail: bool = False) -> Path:
        """Where the file lies, on a studio that keeps its files on disk."""
        return self._wait(self._images.get_path(image_name, thumbnail))


class Boards:
    """`AsyncBoards` for worker threads."""

    def __init__(self, boards: AsyncBoards, wait: _Waiting) -> None:
        self._boards, self._wait = boards, wait

    def create(self, board_name: str) -> Any:
        """A new board; its BoardDTO."""
        return self._wait(self._boards.create(board_name))

    def get_dto(self, board_id: str) -> Any:
        """The board's BoardDTO. Raises NotFound."""
        return self._wait(self._boards.get_dto(board_id))

    def get_all(self) -> list[Any]:
        """Every board that is not archived."""
        return self._wait(self._boards.get_all())

    def add_image_to_board(self, board_id: str, image_name: str) -> None:
        """Move the picture to the board."""
        self._wait(self._boards.add_image_to_board(board_id, image_name))

    def get_all_image_names_for_board(self, board_id: str) -> Sequence[str]:
        """Names of the board's pictures."""
        return self._wait(self._boards.get_all_image_names_for_board(board_id))


class Models:
    """`AsyncModels` for worker threads."""

    def __init__(self, models: AsyncModels, wait: _Waiting) -> None:
        self._models, self._wait = models, wait

    def exists(self, identifier: Any) -> bool:
        """Whether a model with this key (or identifier) is there."""
        return self._wait(self._models.exists(identifier))

    def get_config(self, identifier: Any) -> Any:
        """The model's config. Raises NotFound."""
        return self._wait(self._models.get_config(identifier))

    def load(self, identifier: Any, submodel_type: Any = None) -> Any:
        """Always raises NotAvailableHere on a studio without local models."""
        return self._wait(self._models.load(identifier, submodel_type))


class InvocationContext:
    """For nodes that are plain functions, in worker threads only."""

    def __init__(self, scope: InvocationScope, loop: asyncio.AbstractEventLoop) -> None:
        inner, wait = AsyncInvocationContext(scope), _Waiting(loop)
        self.images = Images(inner.images, wait)
        self.tensors = Tensors(scope)
        self.boards = Boards(inner.boards, wait)
        self.models = Models(inner.models, wait)
        self.config = inner.config
        self.util = inner.util
        self.logger = inner.logger
        self.scope = scope

    @property
    def session_id(self) -> str:
        """Id of the session (one run of a graph)."""
        return self.scope.item.session_id

    @property
    def node_id(self) -> str:
        """Id of the prepared node: the same at every run of this session."""
        return self.scope.node_id


def _model_key(identifier: Any) -> str:
    return identifier if isinstance(identifier, str) else str(identifier.key)


def _preview(image: Image, image_size: tuple[int, int] | None) -> ProgressImage:
    import base64
    import io

    width, height = image_size or image.size
    small = image.convert("RGB")
    small.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return ProgressImage(width, height, "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode())
