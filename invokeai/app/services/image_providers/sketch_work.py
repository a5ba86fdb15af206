"""What Sketch does with a given picture: plain arithmetic, named as what it is, at no cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities, PictureMode
from invokeai.app.services.image_providers.image_model import ImageModel, PictureWork

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.generation import ImageRequest

MOST_PIXELS = 4096 * 4096


def _model(model_id: str, name: str, description: str, mode: PictureMode, work: PictureWork) -> ImageModel:
    return ImageModel(
        model_id=model_id,
        name=name,
        description=f"Offline, no AI: {description} Free, no key.",
        capabilities=ExternalModelCapabilities(modes=[mode], supports_negative_prompt=False, max_images_per_request=1),
        work=work,
        tags=("offline", "free"),
    )


MODELS = (
    _model(
        "lanczos",
        "Sketch Lanczos Upscale",
        "enlarges by Lanczos resampling and invents no detail.",
        "upscale",
        PictureWork(scales=(1, 8), any_scale=True, usual_scale=2, most_made=MOST_PIXELS),
    ),
    _model(
        "edge-colour",
        "Sketch Edge Colour Removal",
        "makes transparent what touches the edge and has its commonest colour.",
        "remove_background",
        PictureWork(max_pixels=MOST_PIXELS),
    ),
)


def worked_on(picture: Image, request: ImageRequest) -> Image:
    """The result of the request, on a worker thread."""
    from PIL import Image as Pillow

    if request.mode == "remove_background":
        from invokeai.backend.image.edge_colour import without_edge_colour

        return without_edge_colour(picture)
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    return picture.convert(mode).resize((request.width, request.height), Pillow.Resampling.LANCZOS)
