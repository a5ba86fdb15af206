"""Helps for prompts and text on the canvas."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Body, Path
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.fonts.font_library import Font
from invokeai.app.services.shared.errors import NotAvailableHere

utilities_router = APIRouter(prefix="/v1/utilities", tags=["utilities"])

NO_TEXT_MODEL = "This server has no local language model, so it cannot {what}. Install one on a server with a GPU."


class DynamicPromptsResponse(BaseModel):
    """The prompts; with a fault of syntax the prompt as it was, and the fault."""

    prompts: list[str]
    error: str | None = None


class ExpandPromptRequest(BaseModel):
    """A prompt to be made richer by a language model."""

    prompt: str
    model_key: str
    max_tokens: int = Field(default=300, ge=1, le=2048)
    system_prompt: str | None = None
    seed: int | None = Field(default=None, ge=0, le=2**32 - 1)
    task_id: str | None = None


class ExpandPromptResponse(BaseModel):
    """The richer prompt."""

    expanded_prompt: str
    seed: int
    error: str | None = None


class ImageToPromptRequest(BaseModel):
    """A picture to be described by a language model."""

    image_name: str
    model_key: str
    instruction: str = "Write an image generator prompt that describes this picture."
    task_id: str | None = None


class ImageToPromptResponse(BaseModel):
    """The description."""

    prompt: str
    error: str | None = None


class UserFontFace(BaseModel):
    """One file of a font family."""

    path: str
    url: str
    weight: int
    style: str


class UserFont(BaseModel):
    """A font family."""

    id: str
    family: str
    label: str
    path: str
    url: str
    faces: list[UserFontFace]


class UserFontsResponse(BaseModel):
    """The fonts of this server."""

    fonts: list[UserFont]


@utilities_router.post("/dynamicprompts", operation_id="parse_dynamicprompts")
async def parse_dynamicprompts(
    services: ServicesDep,
    prompt: Annotated[str, Body(description="The prompt, with choices in braces.")],
    max_prompts: Annotated[int, Body(ge=1, le=10_000, description="Most prompts to answer.")] = 1000,
    combinatorial: Annotated[bool, Body(description="Every combination in order, else random ones.")] = True,
    seed: Annotated[int | None, Body(description="Repeats random choices.")] = None,
) -> DynamicPromptsResponse:
    """Expand a dynamic prompt."""
    prompts, error = await services.prompt_expansion.expand(prompt, max_prompts, combinatorial, seed)
    return DynamicPromptsResponse(prompts=prompts, error=error)


@utilities_router.get("/fonts", operation_id="list_user_fonts")
async def list_user_fonts(services: ServicesDep) -> UserFontsResponse:
    """The fonts in the folder `fonts` of the root."""
    families: dict[str, list[Font]] = {}
    for font in await services.fonts.fonts():
        families.setdefault(font.family, []).append(font)
    return UserFontsResponse(fonts=[_family(family, faces) for family, faces in families.items()])


@utilities_router.get("/fonts/{font_path:path}", operation_id="get_user_font_file")
async def get_user_font_file(services: ServicesDep, font_path: Annotated[str, Path(description="Its path.")]) -> Any:
    """A font file."""
    path, media_type = services.fonts.file(font_path)
    return FileResponse(path, media_type=media_type, headers={"x-content-type-options": "nosniff"})


@utilities_router.post("/expand-prompt", operation_id="expand_prompt")
async def expand_prompt(body: ExpandPromptRequest) -> ExpandPromptResponse:
    """Refused: there is no local language model here."""
    raise NotAvailableHere(NO_TEXT_MODEL.format(what="expand prompts"))


@utilities_router.post("/image-to-prompt", operation_id="image_to_prompt")
async def image_to_prompt(body: ImageToPromptRequest) -> ImageToPromptResponse:
    """Refused: there is no local language model here."""
    raise NotAvailableHere(NO_TEXT_MODEL.format(what="describe pictures"))


def _family(family: str, faces: list[Font]) -> UserFont:
    shown = [UserFontFace(path=face.path, url=_address(face), weight=face.weight, style=face.style) for face in faces]
    first = next((face for face in shown if face.weight == 400 and face.style == "normal"), shown[0])
    return UserFont(id=f"user:{family}", family=family, label=family, path=first.path, url=first.url, faces=shown)


def _address(font: Font) -> str:
    return f"api/v1/utilities/fonts/{quote(font.path)}"
