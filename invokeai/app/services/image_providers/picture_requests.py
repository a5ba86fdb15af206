"""Requests that work on one given picture: to upscale it, or to remove its background.

The size of the result is part of the request, so estimates, caps and checks speak of what will be made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from invokeai.app.services.image_providers.capabilities import GENERATION_MODES
from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.routing import ModelRoutes

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.capabilities import PictureMode


def request_on(routes: ModelRoutes, picture: Image, mode: PictureMode, **members: Any) -> ImageRequest:
    """The request to do `mode` with `picture`; without words, unless `members` have a prompt. Raises as `sized`."""
    return sized(routes, ImageRequest(**{"prompt": "", **members}, mode=mode, init_image=picture))


def sized(routes: ModelRoutes, request: ImageRequest) -> ImageRequest:
    """The request with the size of what its model makes of the picture; one to generate has its size already.

    Whether the model can do it is checked when it is sent.

    Raises:
        NotFound, ProviderError: as `ModelRoutes.route`.
    """
    picture = request.init_image
    if request.mode in GENERATION_MODES or picture is None:
        return request
    work = routes.route(request.model, request.mode).model.work
    width, height = work.result_size(picture.size, request.scale) if work else picture.size
    return replace(request, width=width, height=height)
