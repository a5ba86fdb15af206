"""Texts that tell a language model how to rewrite a prompt."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_SYSTEM_PROMPT_ID = "0f8f5b2e-1c9e-4f2a-9a4e-1f1f1f1f0000"
"""The entry that the UI selects at first; it can be changed but not deleted."""


class SystemPromptWithoutId(BaseModel):
    """A prompt to store."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=300)
    content: str = Field(min_length=1, max_length=100_000)


class SystemPromptChanges(BaseModel):
    """What to change; members left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, min_length=1, max_length=300)
    content: str | None = Field(default=None, min_length=1, max_length=100_000)
    is_public: bool | None = None


class SystemPromptRecordDTO(BaseModel):
    """A stored prompt."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    content: str = Field(min_length=1)
    id: str
    user_id: str
    is_public: bool
    created_at: datetime
    updated_at: datetime
