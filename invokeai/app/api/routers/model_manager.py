"""Model records and what belongs to them: covers, caches, scans, the Hugging Face login.

A server without local models answers every question truthfully and refuses in words what needs them.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.api.auth import AdminDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.image_providers.capabilities import (
    ExternalApiModelDefaultSettings,
    ExternalModelCapabilities,
    ExternalModelPanelSchema,
)
from invokeai.app.services.image_providers.image_model import PICTURE_WORK_TYPE
from invokeai.app.services.model_manager.model_records import (
    AnyModelConfig,
    ExternalApiModelConfig,
    ModelRecordChanges,
    ModelsList,
)
from invokeai.app.services.model_manager.taxonomy import BaseModelType, ModelType
from invokeai.app.services.shared.errors import NotFound, ServiceError

model_manager_router = APIRouter(prefix="/v2/models", tags=["model_manager"])

Key = Annotated[str, Path(description="Key of the model.")]
COVER_HEADERS = {"cache-control": "private, max-age=31536000", "x-content-type-options": "nosniff"}
MAX_KEYS = 10_000


class _Lazy(BaseModel):
    model_config = ConfigDict(defer_build=True)


class ModelOrder(StrEnum):
    """What a list of models is ordered by."""

    Default = "default"
    Type = "type"
    Base = "base"
    Name = "name"
    Format = "format"
    Size = "size"
    CreatedAt = "created_at"
    UpdatedAt = "updated_at"
    Path = "path"


class Direction(StrEnum):
    """Rising or falling."""

    Ascending = "ASC"
    Descending = "DESC"


class StarterModelWithoutDependencies(_Lazy):
    """A model that is suggested to newcomers."""

    description: str
    source: str
    name: str
    base: BaseModelType
    type: ModelType
    format: str | None = None
    variant: str | None = None
    is_installed: bool = False
    capabilities: ExternalModelCapabilities | None = None
    default_settings: ExternalApiModelDefaultSettings | None = None
    panel_schema: ExternalModelPanelSchema | None = None
    previous_names: list[str] = Field(default_factory=list)


class StarterModel(StarterModelWithoutDependencies):
    """A suggested model and what it needs."""

    dependencies: list[StarterModelWithoutDependencies] | None = None


class StarterModelBundle(_Lazy):
    """Suggested models that go together."""

    name: str
    models: list[StarterModel]


class StarterModelResponse(_Lazy):
    """All suggestions."""

    starter_models: list[StarterModel]
    starter_bundles: dict[str, StarterModelBundle]


class CacheStats(_Lazy):
    """Use of the cache of loaded local models."""

    hits: int = 0
    misses: int = 0
    high_watermark: int = 0
    in_cache: int = 0
    cleared: int = 0
    cache_size: int = 0
    loaded_model_sizes: dict[str, int] = Field(default_factory=dict)


class FoundModel(_Lazy):
    """A model file found in a folder."""

    path: str
    is_installed: bool


class HuggingFaceModels(_Lazy):
    """Files of a Hugging Face repository."""

    urls: list[str] | None
    is_diffusers: bool


class ModelKeys(BaseModel):
    """Several models."""

    keys: list[str] = Field(max_length=MAX_KEYS)


class BulkDeleteModelsResponse(_Lazy):
    """What was deleted and what was not."""

    deleted: list[str]
    failed: list[dict[str, Any]]


class BulkReidentifyModelsResponse(_Lazy):
    """What was looked at anew and what was not."""

    succeeded: list[str]
    failed: list[dict[str, Any]]


class OrphanedModelInfo(_Lazy):
    """A folder of models without a record."""

    path: str
    absolute_path: str
    files: list[str]
    size_bytes: int


class DeleteOrphanedModelsRequest(BaseModel):
    """Folders to delete."""

    paths: list[str]


class DeleteOrphanedModelsResponse(_Lazy):
    """What was deleted, and faults by path."""

    deleted: list[str]
    errors: dict[str, str]


HFTokenStatus = Literal["valid", "invalid", "unknown"]


@model_manager_router.get("/", operation_id="list_model_records")
async def list_model_records(
    request: Request,
    services: ServicesDep,
    base_models: Annotated[list[BaseModelType] | None, Query()] = None,
    model_type: ModelType | None = None,
    model_name: str | None = None,
    model_format: str | None = None,
    order_by: ModelOrder = ModelOrder.Name,
    direction: Direction = Direction.Ascending,
) -> ModelsList:
    """Records that fit every filter. Without an order, the model that is used when none is named comes first."""
    models = [
        model
        for model in services.model_manager.get_models()
        if (not base_models or BaseModelType.External in base_models)
        and model_type in (None, model.type)
        and model_name in (None, model.name)
        and model_format in (None, model.format)
    ]
    models = _ordered(models, order_by, direction)
    if "order_by" not in request.query_params:  # as the UI asks, which takes the first where none is chosen
        usual = services.model_manager.external.default_key()
        models.sort(key=lambda model: model.key != usual)
    return ModelsList(models=[*models])


def _ordered(
    models: list[ExternalApiModelConfig], order_by: ModelOrder, direction: Direction
) -> list[ExternalApiModelConfig]:
    members = {ModelOrder.Name: "name", ModelOrder.Path: "path"}
    falling = direction is Direction.Descending
    if order_by in members:
        models = sorted(models, key=lambda model: str(getattr(model, members[order_by])).lower(), reverse=falling)
    elif falling:  # by the other members cloud models are equal; the providers' order stays
        models = models[::-1]
    return sorted(models, key=_rank)


def _rank(model: ExternalApiModelConfig) -> int:
    """The UI takes the first of a kind where none is chosen: to process a picture, a free one that upscales."""
    if model.type != PICTURE_WORK_TYPE:
        return 0
    return 1 + 2 * ("remove_background" in model.capabilities.modes) + ("free" not in (model.tags or ()))


@model_manager_router.get("/missing", operation_id="list_missing_models")
async def list_missing_models() -> ModelsList:
    """Records whose files are gone; without local models there are none."""
    return ModelsList(models=[])


@model_manager_router.get("/get_by_attrs", operation_id="get_model_records_by_attrs")
async def get_model_records_by_attrs(
    services: ServicesDep, name: str, type: ModelType, base: BaseModelType
) -> AnyModelConfig:
    """The record with this name, type and base."""
    found = services.model_manager.find(name=name)
    if type != found.type or base is not BaseModelType.External:
        raise NotFound("No model fits.")
    return found


@model_manager_router.get("/get_by_hash", operation_id="get_model_records_by_hash")
async def get_model_records_by_hash(services: ServicesDep, hash: str) -> AnyModelConfig:
    """The record with this hash."""
    return services.model_manager.find(hash=hash)


@model_manager_router.get("/i/{key}", operation_id="get_model_record")
async def get_model_record(services: ServicesDep, key: Key) -> AnyModelConfig:
    """One record."""
    return await services.model_manager.get_model(key)


@model_manager_router.patch("/i/{key}", operation_id="update_model_record")
async def update_model_record(
    services: ServicesDep, _: AdminDep, key: Key, changes: ModelRecordChanges
) -> AnyModelConfig:
    """Change a record. Settings that a cloud model does not have are dropped."""
    return await services.model_manager.update(key, changes)


@model_manager_router.delete("/i/{key}", status_code=204, operation_id="delete_model")
async def delete_model(services: ServicesDep, _: AdminDep, key: Key) -> None:
    """Delete a record. A model that its provider lists comes back when it is installed again."""
    await services.model_manager.delete(key)


@model_manager_router.post("/i/{key}/reidentify", operation_id="reidentify_model")
async def reidentify_model(services: ServicesDep, _: AdminDep, key: Key) -> AnyModelConfig:
    """Look at a model's files anew; a cloud model has none."""
    await services.model_manager.get_model(key)
    services.model_manager.refuse("looking at model files")


@model_manager_router.get("/scan_folder", operation_id="scan_for_models")
async def scan_for_models(services: ServicesDep, _: AdminDep, scan_path: str | None = None) -> list[FoundModel]:
    """Look for model files in a folder."""
    services.model_manager.refuse("scanning a folder for models")


@model_manager_router.get("/hugging_face", operation_id="get_hugging_face_models")
async def get_hugging_face_models(services: ServicesDep, hugging_face_repo: str | None = None) -> HuggingFaceModels:
    """List the files of a Hugging Face repository."""
    services.model_manager.refuse("installing from Hugging Face")


@model_manager_router.get("/i/{key}/image", operation_id="get_model_image")
async def get_model_image(services: ServicesDep, key: Key) -> Any:
    """The model's cover as WebP."""
    picture = await services.model_manager.external.get_cover(key)
    return Response(picture, media_type="image/webp", headers=COVER_HEADERS)


@model_manager_router.patch("/i/{key}/image", operation_id="update_model_image")
async def update_model_image(services: ServicesDep, _: AdminDep, key: Key, image: UploadFile) -> Any:
    """Give the model a cover."""
    await services.model_manager.external.set_cover(key, await image.read())


@model_manager_router.delete("/i/{key}/image", status_code=204, operation_id="delete_model_image")
async def delete_model_image(services: ServicesDep, _: AdminDep, key: Key) -> None:
    """Take the model's cover away."""
    await services.model_manager.external.remove_cover(key)


@model_manager_router.post("/i/bulk_delete", operation_id="bulk_delete_models")
async def bulk_delete_models(services: ServicesDep, _: AdminDep, request: ModelKeys) -> BulkDeleteModelsResponse:
    """Delete several records; those that fail are named with the reason."""
    done = BulkDeleteModelsResponse(deleted=[], failed=[])
    for key in dict.fromkeys(request.keys):
        try:
            await services.model_manager.delete(key)
        except ServiceError as error:
            done.failed.append({"key": key, "error": str(error)})
        else:
            done.deleted.append(key)
    return done


@model_manager_router.post("/i/bulk_reidentify", operation_id="bulk_reidentify_models")
async def bulk_reidentify_models(_: AdminDep, request: ModelKeys) -> BulkReidentifyModelsResponse:
    """Look at several models' files anew; cloud models have none."""
    failed = [{"key": key, "error": "The model has no files on this server."} for key in request.keys]
    return BulkReidentifyModelsResponse(succeeded=[], failed=failed)


@model_manager_router.put("/convert/{key}", operation_id="convert_model")
async def convert_model(services: ServicesDep, _: AdminDep, key: Key) -> AnyModelConfig:
    """Convert a model's files; a cloud model has none."""
    await services.model_manager.get_model(key)
    services.model_manager.refuse("converting a model")


@model_manager_router.get("/starter_models", operation_id="get_starter_models")
async def get_starter_models() -> StarterModelResponse:
    """Suggestions for newcomers: none, because a provider's models are there as soon as it has a key."""
    return StarterModelResponse(starter_models=[], starter_bundles={})


@model_manager_router.get("/stats", operation_id="get_stats")
async def get_stats() -> CacheStats | None:
    """Use of the cache of loaded models; null where nothing is ever loaded."""
    return None


@model_manager_router.post("/empty_model_cache", operation_id="empty_model_cache")
async def empty_model_cache(_: AdminDep) -> Any:
    """Drop loaded models from memory; there are none."""
    return None


@model_manager_router.get("/hf_login", operation_id="get_hf_login_status")
async def get_hf_login_status() -> HFTokenStatus:
    """Whether a Hugging Face token is there; nothing here would use one."""
    return "invalid"


@model_manager_router.post("/hf_login", operation_id="do_hf_login")
async def do_hf_login(services: ServicesDep, _: AdminDep, token: Annotated[str, Body(embed=True)]) -> HFTokenStatus:
    """Keep a Hugging Face token."""
    services.model_manager.refuse("using a Hugging Face token")


@model_manager_router.delete("/hf_login", operation_id="reset_hf_token")
async def reset_hf_token(_: AdminDep) -> HFTokenStatus:
    """Forget the Hugging Face token; none is kept."""
    return "invalid"


@model_manager_router.get("/sync/orphaned", operation_id="get_orphaned_models")
async def get_orphaned_models(_: AdminDep) -> list[OrphanedModelInfo]:
    """Model folders without a record; without local models there are none."""
    return []


@model_manager_router.delete("/sync/orphaned", operation_id="delete_orphaned_models")
async def delete_orphaned_models(_: AdminDep, request: DeleteOrphanedModelsRequest) -> DeleteOrphanedModelsResponse:
    """Delete model folders without a record; none of the paths is one."""
    faults = dict.fromkeys(request.paths, "This is no folder of models without a record.")
    return DeleteOrphanedModelsResponse(deleted=[], errors=faults)
