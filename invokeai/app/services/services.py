"""The services that make up a running studio, in one typed record.

Built by `ApiDependencies.initialize`; read by routers, the processor and the invocation context.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invokeai.app.services.app_info.runtime_settings import RuntimeSettings
    from invokeai.app.services.boards.board_images import BoardImagesService
    from invokeai.app.services.boards.board_service import BoardService
    from invokeai.app.services.bulk_download.bulk_download import BulkDownloadService
    from invokeai.app.services.client_state.client_state import ClientStateService
    from invokeai.app.services.config.config import AppConfig
    from invokeai.app.services.custom_nodes.node_packs import CustomNodesService
    from invokeai.app.services.events.events import EventService
    from invokeai.app.services.fonts.font_library import FontLibrary
    from invokeai.app.services.gallery.gallery import GalleryService
    from invokeai.app.services.image_providers.credentials import ProviderCredentialsStore
    from invokeai.app.services.image_providers.idempotent_calls import IdempotentCalls
    from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
    from invokeai.app.services.image_providers.old_answers import OldAnswers
    from invokeai.app.services.image_providers.paid_recovery import PaidRecovery
    from invokeai.app.services.image_providers.spend_caps import SpendCaps
    from invokeai.app.services.image_providers.spend_reports import SpendReports
    from invokeai.app.services.images.images import ImageService
    from invokeai.app.services.images.orphan_sweep import OrphanSweep
    from invokeai.app.services.invocation_cache.invocation_cache import InvocationCache
    from invokeai.app.services.model_manager.dummy_model_manager import DummyModelManagerService
    from invokeai.app.services.prompts.prompt_expansion import PromptExpansion
    from invokeai.app.services.recall.recall_parameters import RecallService
    from invokeai.app.services.session_processor.session_processor import SessionProcessor
    from invokeai.app.services.session_queue.session_queue import SessionQueue
    from invokeai.app.services.shared.database.base import Database
    from invokeai.app.services.shared.objects.object_store import ObjectStore
    from invokeai.app.services.style_presets.style_preset_service import StylePresetService
    from invokeai.app.services.system_prompts.system_prompt_service import SystemPromptService
    from invokeai.app.services.tensors.tensor_store import TensorStore
    from invokeai.app.services.workflow_records.workflow_service import WorkflowService


@dataclass(slots=True, kw_only=True)
class Services:
    """Every service of a studio."""

    config: AppConfig
    database: Database
    events: EventService
    objects: ObjectStore
    images: ImageService
    orphan_sweep: OrphanSweep
    bulk_download: BulkDownloadService
    tensors: TensorStore
    provider_credentials: ProviderCredentialsStore
    image_generation: ImageServiceManager
    idempotent_calls: IdempotentCalls
    paid_recovery: PaidRecovery
    old_answers: OldAnswers
    spend_caps: SpendCaps
    spend_reports: SpendReports
    model_manager: DummyModelManagerService
    client_state: ClientStateService
    workflows: WorkflowService
    style_presets: StylePresetService
    system_prompts: SystemPromptService
    recall: RecallService
    boards: BoardService
    board_images: BoardImagesService
    gallery: GalleryService
    runtime_settings: RuntimeSettings
    prompt_expansion: PromptExpansion
    fonts: FontLibrary
    session_queue: SessionQueue
    invocation_cache: InvocationCache
    custom_nodes: CustomNodesService
    session_processor: SessionProcessor = field(init=False)
    """Made last, as it hands the services to the nodes."""
