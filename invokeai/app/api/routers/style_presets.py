"""Style presets. Forms carry the preset as JSON text in `data` and, if any, its picture in `image`."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Response, UploadFile

from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.style_presets.style_preset_models import StylePresetRecordWithImage

style_presets_router = APIRouter(prefix="/v1/style_presets", tags=["style_presets"])

PresetId = Annotated[str, Path(description="Id of the style preset.")]
PresetForm = Annotated[str, Form(description="The preset as JSON: name, positive_prompt, negative_prompt, type.")]
PICTURE_HEADERS = {"cache-control": "private, max-age=31536000", "x-content-type-options": "nosniff"}


@style_presets_router.get("/i/{style_preset_id}", operation_id="get_style_preset")
async def get_style_preset(services: ServicesDep, style_preset_id: PresetId) -> StylePresetRecordWithImage:
    """One style preset."""
    return await services.style_presets.get(style_preset_id)


@style_presets_router.patch("/i/{style_preset_id}", operation_id="update_style_preset")
async def update_style_preset(
    services: ServicesDep, style_preset_id: PresetId, data: PresetForm, image: UploadFile | None = None
) -> StylePresetRecordWithImage:
    """Change a style preset; without `image` it loses its picture."""
    picture = None if image is None else await image.read()
    return await services.style_presets.update(style_preset_id, data, picture)


@style_presets_router.delete("/i/{style_preset_id}", operation_id="delete_style_preset")
async def delete_style_preset(services: ServicesDep, style_preset_id: PresetId) -> Any:
    """Delete a style preset."""
    await services.style_presets.delete(style_preset_id)


@style_presets_router.get("/", operation_id="list_style_presets")
async def list_style_presets(services: ServicesDep, user: CurrentUserDep) -> list[StylePresetRecordWithImage]:
    """Default style presets and the user's own."""
    return await services.style_presets.list_for(user.user_id)


@style_presets_router.post("/", operation_id="create_style_preset")
async def create_style_preset(
    services: ServicesDep, user: CurrentUserDep, data: PresetForm, image: UploadFile | None = None
) -> StylePresetRecordWithImage:
    """Save a new style preset."""
    picture = None if image is None else await image.read()
    return await services.style_presets.create(data, picture, user.user_id)


@style_presets_router.get("/i/{style_preset_id}/image", operation_id="get_style_preset_image")
async def get_style_preset_image(services: ServicesDep, style_preset_id: PresetId) -> Any:
    """The preset's picture as WebP."""
    picture = await services.style_presets.get_picture(style_preset_id)
    return Response(picture, media_type="image/webp", headers=PICTURE_HEADERS)


@style_presets_router.get(
    "/export", operation_id="export_style_presets", responses={200: {"content": {"text/csv": {}}}}
)
async def export_style_presets(services: ServicesDep, user: CurrentUserDep) -> Any:
    """The user's style presets as a CSV file."""
    text = await services.style_presets.export_csv(user.user_id)
    headers = {"content-disposition": 'attachment; filename="style_presets.csv"'}
    return Response(text, media_type="text/csv", headers=headers)


@style_presets_router.post("/import", operation_id="import_style_presets")
async def import_style_presets(services: ServicesDep, user: CurrentUserDep, file: UploadFile) -> Any:
    """Store the style presets of a CSV or JSON file."""
    await services.style_presets.import_file(
        await file.read(), file.filename or "", file.content_type or "", user.user_id
    )
