"""What a receipt keeps of a request: words to find a picture's settings by, and a digest to tell requests apart."""

import hashlib
from typing import Any

from invokeai.app.services.image_providers.generation import ImageRequest


def request_facts(request: ImageRequest) -> dict[str, Any]:
    """What was asked for, in the members of a picture's metadata; what was not asked for is left out."""
    facts = {
        "generation_mode": request.mode,
        "positive_prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "width": request.width,
        "height": request.height,
        "seed": request.seed,
        "steps": request.steps,
        "strength": request.strength,
        "upscale_scale": request.scale,
    }
    return {name: value for name, value in facts.items() if value is not None}


def request_digest(request: ImageRequest) -> str:
    """SHA-256 of what was asked for, pictures by size and mode only."""
    pictures = [p for p in (request.init_image, request.mask_image, *request.reference_images) if p is not None]
    words = (
        request.model, request.mode, request.prompt, request.negative_prompt, request.seed, request.num_images,
        request.width, request.height, request.image_size, request.steps, request.guidance, request.strength,
        request.scale,
        sorted(request.options.items()), [(p.size, p.mode) for p in pictures],
    )  # fmt: skip
    return hashlib.sha256(repr(words).encode()).hexdigest()
