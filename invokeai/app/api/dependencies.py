"""The one place that chooses implementations: configuration in, a running set of services out."""

import asyncio
from typing import Annotated, cast

from fastapi import Depends, Request

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.app_info.runtime_settings import RuntimeSettings
from invokeai.app.services.boards.board_images import BoardImagesService
from invokeai.app.services.boards.board_records import BoardRecords
from invokeai.app.services.boards.board_service import BoardService
from invokeai.app.services.bulk_download.bulk_download import BulkDownloadService
from invokeai.app.services.client_state.client_state import ClientStateService
from invokeai.app.services.config.config import AppConfig, ConfigurationError
from invokeai.app.services.custom_nodes.node_packs import CustomNodesService
from invokeai.app.services.events.events import EventService
from invokeai.app.services.fonts.font_library import FontLibrary
from invokeai.app.services.gallery.gallery import GalleryService
from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_files.image_file_storage import ImageFileStorage
from invokeai.app.services.image_providers.credentials import ProviderCredentialsStore
from invokeai.app.services.image_providers.idempotent_calls import IdempotentCalls
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.old_answers import OldAnswers
from invokeai.app.services.image_providers.paid_recovery import PaidRecovery
from invokeai.app.services.image_providers.receipts import ReceiptStore
from invokeai.app.services.image_providers.registry import load_providers
from invokeai.app.services.image_providers.spend_caps import SpendCaps
from invokeai.app.services.image_providers.spend_reports import SpendReports
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.images.orphan_sweep import OrphanSweep
from invokeai.app.services.invocation_cache.invocation_cache import InvocationCache
from invokeai.app.services.library_defaults.default_library import sync_default_library
from invokeai.app.services.library_defaults.library_facts import load_facts
from invokeai.app.services.library_files.library_files import LibraryFileStore
from invokeai.app.services.model_manager.dummy_model_manager import DummyModelManagerService
from invokeai.app.services.model_manager.external_models import ExternalModels
from invokeai.app.services.model_manager.model_relationships import ModelRelationships
from invokeai.app.services.prompts.prompt_expansion import PromptExpansion
from invokeai.app.services.recall.recall_parameters import RecallService
from invokeai.app.services.services import Services
from invokeai.app.services.session_processor.session_processor import SessionProcessor
from invokeai.app.services.session_queue.session_queue import SessionQueue
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.objects.object_store import ObjectStore
from invokeai.app.services.style_presets.style_preset_records import StylePresetRecords
from invokeai.app.services.style_presets.style_preset_service import StylePresetService
from invokeai.app.services.system_prompts.system_prompt_records import SystemPromptRecords
from invokeai.app.services.system_prompts.system_prompt_service import SystemPromptService
from invokeai.app.services.tensors.tensor_store import TensorStore
from invokeai.app.services.workflow_records.workflow_record_store import WorkflowRecordStore
from invokeai.app.services.workflow_records.workflow_service import WorkflowService


class ApiDependencies:
    """Builds the services at start and lets go of them at the end."""

    @staticmethod
    async def initialize(config: AppConfig) -> Services:
        """Services as `config` asks for. The database is migrated; a provider is at most asked for its models."""
        database = record_database(config)
        await database.migrate()
        tensors = TensorStore(config.under_root(config.outputs_path) / "tensors")
        await asyncio.to_thread(tensors.sweep)
        events = EventService()
        facts = await load_facts(database)
        await sync_default_library(database, facts)
        pixels = config.max_image_pixels
        objects, files = await file_storage(config)
        thumbnails = LibraryFileStore(objects, "workflow_thumbnails", pixels)
        pictures = LibraryFileStore(objects, "style_presets", pixels)
        credentials = ProviderCredentialsStore(config)
        caps = SpendCaps(config, database, facts)
        alone = config.database == "sqlite"
        receipts = ReceiptStore(database, objects, caps, alone=alone)
        generation = image_generation(config, receipts, credentials)
        images = ImageService(files, ImageRecordStore(database), pixels)
        boards, state = BoardRecords(database), ClientStateService(database)
        services = Services(
            config=config,
            provider_credentials=credentials,
            image_generation=generation,
            idempotent_calls=IdempotentCalls(database, images),
            paid_recovery=PaidRecovery(generation, receipts, images, alone=alone),
            old_answers=OldAnswers(database, objects),
            spend_caps=caps,
            spend_reports=SpendReports(database),
            model_manager=await model_manager(config, database, objects, events, generation),
            database=database,
            objects=objects,
            images=images,
            orphan_sweep=OrphanSweep(images),
            bulk_download=BulkDownloadService(objects, images.files, images.records, events),
            tensors=tensors,
            events=events,
            client_state=state,
            recall=RecallService(state, events, images),
            workflows=WorkflowService(WorkflowRecordStore(database), thumbnails, events),
            style_presets=StylePresetService(StylePresetRecords(database), pictures),
            system_prompts=SystemPromptService(SystemPromptRecords(database)),
            boards=BoardService(boards, images),
            board_images=BoardImagesService(boards),
            gallery=GalleryService(ImageRecordStore(database)),
            runtime_settings=RuntimeSettings(config, database, facts),
            prompt_expansion=PromptExpansion(),
            fonts=FontLibrary(config.root_path / "fonts"),
            session_queue=SessionQueue(database, events, config.max_queue_size),
            invocation_cache=InvocationCache(config.node_cache_size),
            custom_nodes=CustomNodesService(config.under_root(config.custom_nodes_path)),
        )
        images.on_deleted = services.invocation_cache.forget
        services.session_processor = SessionProcessor(services, services.session_queue, events)
        load_core_invocations()
        await asyncio.to_thread(services.custom_nodes.load)
        await services.session_processor.start()
        services.orphan_sweep.start()
        services.old_answers.start()
        services.paid_recovery.start()
        generation.ask_for_models()
        return services

    @staticmethod
    async def shutdown(services: Services) -> None:
        """Drain what runs, then close in the opposite order of building."""
        await services.orphan_sweep.stop()
        await services.old_answers.stop()
        await services.paid_recovery.stop()
        await services.session_processor.stop()
        await services.image_generation.aclose()
        await services.bulk_download.close()
        services.images.close()
        await services.objects.close()
        await services.database.close()


def record_database(config: AppConfig) -> Database:
    """The engine that holds the records."""
    if config.database == "sqlite":
        return SqliteDatabase(config.under_root(config.database_path))
    from invokeai.app.services.shared.database.d1 import D1Database
    from invokeai.app.services.shared.database.d1_client import D1Settings

    assert config.d1_account_id and config.d1_database_id, "checked by load_config"
    token = config.d1_api_token.get_secret_value() if config.d1_api_token else None
    return D1Database(
        D1Settings(config.d1_base_url, config.d1_account_id, config.d1_database_id, token, config.d1_max_connections)
    )


async def file_storage(config: AppConfig) -> tuple[ObjectStore, ImageFileStorage]:
    """Where pictures and the library's other files live.

    Raises:
        ConfigurationError: the bucket cannot be used; the message names the setting.
    """
    if config.image_storage == "disk":
        outputs = config.under_root(config.outputs_path)
        return DiskObjects(outputs), DiskImageFileStorage(outputs / "images")
    from invokeai.app.services.image_files.image_files_r2 import R2ImageFileStorage
    from invokeai.app.services.shared.objects.s3_objects import BucketRefused, S3Objects, S3Settings

    assert config.r2_bucket and config.r2_access_key_id and config.r2_secret_access_key, "checked by load_config"
    account, secret = config.r2_account_id or "", config.r2_secret_access_key.get_secret_value()
    objects = S3Objects(S3Settings(config.r2_bucket, account, config.r2_access_key_id, secret, config.r2_endpoint))
    try:
        await objects.check()
    except BucketRefused as refusal:
        raise ConfigurationError(str(refusal)) from None
    files = R2ImageFileStorage(
        config.r2_bucket, account, config.r2_access_key_id, secret, url_seconds=config.r2_url_seconds, objects=objects
    )
    return objects, files


def image_generation(
    config: AppConfig, receipts: ReceiptStore, credentials: ProviderCredentialsStore
) -> ImageServiceManager:
    """Every provider that is found, behind one service."""
    providers = load_providers(credentials.get, config.root_path / "providers")
    credentials.serve(providers)
    return ImageServiceManager(
        providers,
        receipts,
        default_model=config.default_image_model,
        keys_of=credentials.keys,
        most_pixels=config.max_image_pixels,
    )


async def model_manager(
    config: AppConfig, database: Database, objects: ObjectStore, events: EventService, generation: ImageServiceManager
) -> DummyModelManagerService:
    """The models of a server without local ones."""
    covers = LibraryFileStore(objects, "model_images", config.max_image_pixels)
    external = ExternalModels(database, generation, covers)
    await external.load()
    return DummyModelManagerService(external, ModelRelationships(database), events)


async def get_services(request: Request) -> Services:
    """The services of the app that serves `request`."""
    # a coroutine, because FastAPI runs a plain function in a thread, at more cost than most answers have
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(get_services)]
