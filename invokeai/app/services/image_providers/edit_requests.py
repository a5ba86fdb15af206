"""Pictures to be edited, as OpenAI's clients send them, as a request of ours.

There the transparent part of the mask is made anew; here its black part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.routing import Route
from invokeai.app.services.shared.errors import InvalidInput

if TYPE_CHECKING:
    from PIL.Image import Image


def edit_request(
    route: Route,
    prompt: str,
    pictures: Sequence[Image],
    mask: Image | None,
    *,
    size: tuple[int, int] | None = None,
    num_images: int = 1,
) -> ImageRequest:
    """With a mask: inpaint the first picture. Without: start from it, or take after all where the model cannot do that.

    Pictures after the first are references. `size` None: that of the first picture.

    Raises:
        InvalidInput: the mask has no transparency or another size than the first picture.
    """
    first = pictures[0]
    width, height = size or first.size
    can = route.model.capabilities
    if mask is not None:
        if mask.size != first.size:
            raise InvalidInput(
                f"The mask has {mask.width}×{mask.height} pixels, the first picture {first.width}×{first.height}; "
                "they must have the same size."
            )
        if "A" not in mask.getbands() and "transparency" not in mask.info:
            raise InvalidInput("The mask has no transparent part, so nothing would be made anew.")
        mask = mask.convert("RGBA").getchannel("A")
    takes_after = mask is None and "img2img" not in can.modes and can.supports_reference_images
    return ImageRequest(
        prompt=prompt,
        mode="inpaint" if mask is not None else "txt2img" if takes_after else "img2img",
        num_images=num_images,
        width=width,
        height=height,
        init_image=None if takes_after else first,
        mask_image=mask,
        reference_images=tuple(pictures if takes_after else pictures[1:]),
    )
