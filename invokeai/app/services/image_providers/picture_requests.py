"""The size of what is asked for, as its model makes it: part of the request before estimates, caps and checks.

Also requests that work on one given picture, to upscale it or to remove its background, where the picture decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from invokeai.app.services.image_providers.capabilities import GENERATION_MODES
from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.shared.errors import InvalidInput

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.capabilities import PictureMode
    from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager


def request_on(
    manager: ImageServiceManager, picture: Image, mode: PictureMode, *, most_pixels: int | None = None, **members: Any
) -> ImageRequest:
    """The request to do `mode` with `picture`; without words, unless `members` have a prompt. Raises as `sized`."""
    request = ImageRequest(**{"prompt": "", **members}, mode=mode, init_image=picture)
    return sized(manager, request, most_pixels=most_pixels)


def sized(manager: ImageServiceManager, request: ImageRequest, *, most_pixels: int | None = None) -> ImageRequest:
    """The request with the size of what its model makes of the picture; one to generate has its size already.

    Whether the model can do it is checked when it is sent. A fallback that would make another size is no replacement.

    Raises:
        NotFound, ProviderError: as `ImageServiceManager.usable_route`.
        InvalidInput: the result would have more than `most_pixels`, so that it could be paid for and not be stored.
    """
    picture = request.init_image
    if request.mode in GENERATION_MODES or picture is None:
        return request
    work = manager.usable_route(request).model.work
    width, height = work.result_size(picture.size, request.scale) if work else picture.size
    if most_pixels is not None and width * height > most_pixels:
        raise InvalidInput(
            f"The result would have {width}×{height} pixels; this server stores {most_pixels:,} at most."
        )
    return replace(request, width=width, height=height)


def with_size(
    manager: ImageServiceManager, request: ImageRequest, width: int | None, height: int | None
) -> ImageRequest:
    """The request to generate, in that size; a side that was not asked for is the usual one of its model.

    Raises:
        NotFound, ProviderError: as `ImageServiceManager.usable_route`.
    """
    if width is None or height is None:
        usual = manager.usable_route(request).model.usual_size
        width, height = width or usual[0], height or usual[1]
    return replace(request, width=width, height=height)
