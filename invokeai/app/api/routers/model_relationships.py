"""Which models users said go together. A relation has no direction and is kept until it is removed."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.api.auth import AdminDep
from invokeai.app.api.dependencies import ServicesDep

model_relationships_router = APIRouter(prefix="/v1/model_relationships", tags=["model_relationships"])


class ModelRelationshipCreateRequest(BaseModel):
    """Two models."""

    model_config = ConfigDict(protected_namespaces=())

    model_key_1: str = Field(max_length=500)
    model_key_2: str = Field(max_length=500)


class ModelRelationshipBatchRequest(BaseModel):
    """Several models."""

    model_config = ConfigDict(protected_namespaces=())

    model_keys: list[str] = Field(max_length=10_000)


@model_relationships_router.get("/i/{model_key}", operation_id="get_related_models")
async def get_related_models(
    services: ServicesDep, model_key: Annotated[str, Path(description="Key of the model.")]
) -> list[str]:
    """Keys of the models related to one."""
    return await services.model_manager.relationships.related([model_key])


@model_relationships_router.post("/batch", operation_id="get_related_models_batch")
async def get_related_models_batch(services: ServicesDep, req: ModelRelationshipBatchRequest) -> list[str]:
    """Keys of the models related to any of several."""
    return await services.model_manager.relationships.related(req.model_keys)


@model_relationships_router.post("/", status_code=204)
async def add_model_relationship(services: ServicesDep, _: AdminDep, req: ModelRelationshipCreateRequest) -> None:
    """Relate two models."""
    for key in (req.model_key_1, req.model_key_2):
        await services.model_manager.get_model(key)
    await services.model_manager.relationships.add(req.model_key_1, req.model_key_2)


@model_relationships_router.delete("/", status_code=204)
async def remove_model_relationship(services: ServicesDep, _: AdminDep, req: ModelRelationshipCreateRequest) -> None:
    """Part two models."""
    await services.model_manager.relationships.remove(req.model_key_1, req.model_key_2)
