"""System prompts for prompt expansion."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.system_prompts.system_prompt_models import (
    SystemPromptChanges,
    SystemPromptRecordDTO,
    SystemPromptWithoutId,
)

system_prompts_router = APIRouter(prefix="/v1/system_prompts", tags=["system_prompts"])

PromptId = Annotated[str, Path(description="Id of the system prompt.")]


@system_prompts_router.get("/", operation_id="list_system_prompts")
async def list_system_prompts(services: ServicesDep, user: CurrentUserDep) -> list[SystemPromptRecordDTO]:
    """The system prompts, the default one first."""
    return await services.system_prompts.list_for(user.user_id)


@system_prompts_router.post("/", operation_id="create_system_prompt")
async def create_system_prompt(
    services: ServicesDep,
    user: CurrentUserDep,
    prompt: Annotated[SystemPromptWithoutId, Body(description="The prompt to store.")],
) -> SystemPromptRecordDTO:
    """Store a new system prompt."""
    return await services.system_prompts.create(prompt, user.user_id)


@system_prompts_router.get("/i/{system_prompt_id}", operation_id="get_system_prompt")
async def get_system_prompt(services: ServicesDep, system_prompt_id: PromptId) -> SystemPromptRecordDTO:
    """One system prompt."""
    return await services.system_prompts.get(system_prompt_id)


@system_prompts_router.patch("/i/{system_prompt_id}", operation_id="update_system_prompt")
async def update_system_prompt(
    services: ServicesDep,
    system_prompt_id: PromptId,
    changes: Annotated[SystemPromptChanges, Body(description="What to change.")],
) -> SystemPromptRecordDTO:
    """Change a system prompt."""
    return await services.system_prompts.update(system_prompt_id, changes)


@system_prompts_router.delete("/i/{system_prompt_id}", operation_id="delete_system_prompt")
async def delete_system_prompt(services: ServicesDep, system_prompt_id: PromptId) -> Any:
    """Delete a system prompt."""
    await services.system_prompts.delete(system_prompt_id)
