"""SQL of system prompts. Every method is one round trip."""

from invokeai.app.services.shared.database.base import Database, Row, Statement
from invokeai.app.services.system_prompts.system_prompt_models import DEFAULT_SYSTEM_PROMPT_ID

_COLUMNS = "prompt_id AS id, user_id, name, content, is_public, created_at, updated_at"
_LIST = (
    f"SELECT {_COLUMNS} FROM system_prompts WHERE user_id = ? OR is_public = 1 "
    "ORDER BY prompt_id <> ?, name COLLATE NOCASE, prompt_id"
)
_GET = f"SELECT {_COLUMNS} FROM system_prompts WHERE prompt_id = ?"
_INSERT = (
    "INSERT INTO system_prompts (prompt_id, user_id, name, content, is_public, created_at, updated_at) "
    f"VALUES (?, ?, ?, ?, 1, ?, ?) RETURNING {_COLUMNS}"
)
_UPDATE = (
    "UPDATE system_prompts SET name = coalesce(?, name), content = coalesce(?, content), "
    f"is_public = coalesce(?, is_public), updated_at = ? WHERE prompt_id = ? RETURNING {_COLUMNS}"
)
_DELETE = "DELETE FROM system_prompts WHERE prompt_id = ?"
_PUT_DEFAULT = (
    "INSERT INTO system_prompts (prompt_id, user_id, name, content, is_public, created_at, updated_at) "
    "VALUES (?, 'system', ?, ?, 1, ?, ?) ON CONFLICT (prompt_id) DO NOTHING"
)


class SystemPromptRecords:
    """Rows of system prompts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_for(self, user_id: str) -> list[Row]:
        """What the user may see, the default prompt first."""
        return await self._database.fetch(_LIST, user_id, DEFAULT_SYSTEM_PROMPT_ID)

    async def get(self, prompt_id: str) -> Row | None:
        """One prompt."""
        return await self._database.fetch_one(_GET, prompt_id)

    async def insert(self, prompt_id: str, user_id: str, name: str, content: str, now: str) -> Row:
        """A new prompt that everyone may see."""
        return (await self._database.fetch(_INSERT, prompt_id, user_id, name, content, now, now))[0]

    async def update(
        self, prompt_id: str, name: str | None, content: str | None, is_public: bool | None, now: str
    ) -> Row | None:
        """Change what is not None; the new row, or None when there is no such prompt."""
        public = None if is_public is None else int(is_public)
        return await self._database.fetch_one(_UPDATE, name, content, public, now, prompt_id)

    async def delete(self, prompt_id: str) -> bool:
        """Remove a prompt; whether it was there."""
        return (await self._database.execute(_DELETE, prompt_id)).rowcount > 0


def default_statements(defaults: dict[str, tuple[str, str]], now: str) -> list[Statement]:
    """Writes that add the shipped prompts (id to name and content) which are missing; the user's texts stay."""
    return [Statement(_PUT_DEFAULT, (key, name, content, now, now)) for key, (name, content) in defaults.items()]
