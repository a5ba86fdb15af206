"""Style presets: prompt texts that the browser wraps around a prompt (`{prompt}` is its place)."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

MAX_NAME_LENGTH = 300
MAX_PROMPT_LENGTH = 100_000


class PresetType(StrEnum):
    """`user` presets are made here; `default` ones are shipped."""

    User = "user"
    Default = "default"


class PresetData(BaseModel):
    """The texts of a preset."""

    model_config = ConfigDict(extra="forbid")

    positive_prompt: str = Field(max_length=MAX_PROMPT_LENGTH)
    negative_prompt: str = Field(max_length=MAX_PROMPT_LENGTH)


class StylePresetForm(BaseModel):
    """What the UI sends as JSON text in the form part `data`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    positive_prompt: str = Field(max_length=MAX_PROMPT_LENGTH)
    negative_prompt: str = Field(max_length=MAX_PROMPT_LENGTH)
    type: PresetType = PresetType.User


class StylePresetRecordWithImage(BaseModel):
    """A stored preset and the address of its picture."""

    name: str
    preset_data: PresetData
    type: PresetType
    is_public: bool = False
    id: str
    user_id: str
    image: str | None
