"""System prompts. The default one always exists, because the UI names it by its id."""

from uuid import uuid4

from invokeai.app.services.shared.errors import Conflict, NotFound
from invokeai.app.services.shared.timestamps import timestamp
from invokeai.app.services.system_prompts.system_prompt_models import (
    DEFAULT_SYSTEM_PROMPT_ID,
    SystemPromptChanges,
    SystemPromptRecordDTO,
    SystemPromptWithoutId,
)
from invokeai.app.services.system_prompts.system_prompt_records import SystemPromptRecords

_MISSING = "System prompt not found"


class SystemPromptService:
    """System prompts of the users. Every method is one round trip."""

    def __init__(self, records: SystemPromptRecords) -> None:
        self._records = records

    async def list_for(self, user_id: str) -> list[SystemPromptRecordDTO]:
        """Prompts the user may see, the default one first."""
        return [SystemPromptRecordDTO.model_validate(row) for row in await self._records.list_for(user_id)]

    async def get(self, prompt_id: str) -> SystemPromptRecordDTO:
        """One prompt. Raises NotFound."""
        row = await self._records.get(prompt_id)
        if row is None:
            raise NotFound(_MISSING)
        return SystemPromptRecordDTO.model_validate(row)

    async def create(self, prompt: SystemPromptWithoutId, user_id: str) -> SystemPromptRecordDTO:
        """Store a new prompt."""
        row = await self._records.insert(str(uuid4()), user_id, prompt.name, prompt.content, timestamp())
        return SystemPromptRecordDTO.model_validate(row)

    async def update(self, prompt_id: str, changes: SystemPromptChanges) -> SystemPromptRecordDTO:
        """Change a prompt. Raises NotFound."""
        row = await self._records.update(prompt_id, changes.name, changes.content, changes.is_public, timestamp())
        if row is None:
            raise NotFound(_MISSING)
        return SystemPromptRecordDTO.model_validate(row)

    async def delete(self, prompt_id: str) -> None:
        """Remove a prompt. Raises NotFound, and Conflict for the default one."""
        if prompt_id == DEFAULT_SYSTEM_PROMPT_ID:
            raise Conflict("The default system prompt cannot be deleted; change its text instead.")
        if not await self._records.delete(prompt_id):
            raise NotFound(_MISSING)
