"""Whether a model can do what a request asks: refused openly before anything is sent, no setting dropped in silence."""

from invokeai.app.services.image_providers.capabilities import GENERATION_MODES, ExternalModelCapabilities
from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.image_model import ImageModel, PictureWork, ProviderInfo
from invokeai.app.services.image_providers.picture_addresses import MAX_PIXELS, MAX_PIXELS_GENERATED
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest

MAX_PROMPT_CHARACTERS = 100_000
SEED_LIMIT = 2**64


def check_request(
    provider: ProviderInfo, model: ImageModel, request: ImageRequest, most_pixels: int = MAX_PIXELS
) -> None:
    """Return when `model` can do all that `request` asks for, and the server can store a picture of that size.

    Raises:
        ProviderBadRequest: naming every member that it cannot do.
    """
    faults = [
        *_mode_faults(model.capabilities, request),
        *_setting_faults(model, request),
        *_number_faults(model, request),
        *_storing_faults(request, most_pixels),
        *_work_faults(model, request),
        *(f"it has no option {name}" for name in request.options if name not in provider.options),
    ]
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id=provider.provider_id)


def _mode_faults(can: ExternalModelCapabilities, request: ImageRequest) -> list[str]:
    faults = []
    if request.mode not in can.modes:
        faults.append(f"its modes are {', '.join(can.modes)}, not {request.mode}")
    if request.mode != "txt2img" and request.init_image is None:
        faults.append(f"{request.mode} needs an initial image")
    if request.mode in (can.input_image_required_for or ()) and not (request.init_image or request.reference_images):
        faults.append(f"{request.mode} needs an input image")
    if request.mode == "inpaint" and request.mask_image is None:
        faults.append("inpaint needs a mask image")
    if request.mode == "txt2img" and request.init_image is not None:
        faults.append("txt2img takes no initial image")
    if request.mode != "inpaint" and request.mask_image is not None:
        faults.append(f"{request.mode} takes no mask image")
    return faults


def _setting_faults(model: ImageModel, request: ImageRequest) -> list[str]:
    can = model.capabilities
    asked_and_able = (
        ("negative prompt", bool(request.negative_prompt), can.supports_negative_prompt),
        ("seed", request.seed is not None, can.supports_seed),
        ("steps", request.steps is not None, can.supports_steps),
        ("guidance", request.guidance is not None, can.supports_guidance),
        (
            "strength" if request.mode in GENERATION_MODES else "creativity",
            request.strength is not None,
            model.supports_strength,
        ),
        ("reference images", bool(request.reference_images), can.supports_reference_images),
    )
    return [f"it takes no {name}" for name, asked, able in asked_and_able if asked and not able]


def _number_faults(model: ImageModel, request: ImageRequest) -> list[str]:
    can, faults = model.capabilities, []
    if min(request.width, request.height) < model.min_side:
        faults.append(f"a side is at least {model.min_side} pixels, not {request.width}×{request.height}")
    size = can.max_image_size
    if size and (request.width > size.width or request.height > size.height):
        faults.append(f"it makes at most {size.width}×{size.height} pixels, not {request.width}×{request.height}")
    if can.max_reference_images and len(request.reference_images) > can.max_reference_images:
        faults.append(
            f"it takes at most {can.max_reference_images} reference images, not {len(request.reference_images)}"
        )
    if can.max_images_per_request and request.num_images > can.max_images_per_request:
        faults.append(f"it makes at most {can.max_images_per_request} images a request, not {request.num_images}")
    if request.num_images < 1:
        faults.append("the number of images is at least 1")
    if request.seed is not None and not 0 <= request.seed < SEED_LIMIT:
        faults.append("a seed is a whole number from 0 to 2^64 - 1")
    if request.strength is not None and not 0 <= request.strength <= 1:
        faults.append("strength is from 0 to 1")
    if len(request.prompt) > MAX_PROMPT_CHARACTERS:
        faults.append(f"a prompt has at most {MAX_PROMPT_CHARACTERS:,} characters, not {len(request.prompt):,}")
    return faults


def _storing_faults(request: ImageRequest, most_pixels: int) -> list[str]:
    """What is larger would be paid for and not taken over."""
    most = min(most_pixels, MAX_PIXELS_GENERATED if request.mode in GENERATION_MODES else MAX_PIXELS)
    if request.width * request.height <= most:
        return []
    return [f"a picture has at most {most:,} pixels here, not {_size((request.width, request.height))}"]


def _work_faults(model: ImageModel, request: ImageRequest) -> list[str]:
    if request.mode in GENERATION_MODES:
        return [] if request.scale is None else [f"{request.mode} takes no scale"]
    work, picture = model.work, request.init_image
    if work is None or picture is None or request.mode not in model.capabilities.modes:
        return []  # said already
    faults = [*_words_and_scale_faults(work, request), *_given_picture_faults(work, *picture.size)]
    size, made = (request.width, request.height), work.result_size(picture.size, request.scale)
    if size != made:
        faults.append(f"it makes {_size(made)} of a picture of {_size(picture.size)}, not {_size(size)}")
    if work.most_made and size[0] * size[1] > work.most_made:
        faults.append(f"it makes at most {work.most_made:,} pixels, not {_size(size)}")
    if request.num_images > 1:
        faults.append("of one picture it makes one")
    return faults


def _words_and_scale_faults(work: PictureWork, request: ImageRequest) -> list[str]:
    faults, scale = [], request.scale
    if work.words == "none" and request.prompt.strip():
        faults.append("it takes no words, so the prompt must be empty")
    if work.words == "required" and not request.prompt.strip():
        faults.append("it needs a prompt")
    if scale is None:
        return faults
    if request.mode != "upscale" or not work.scales:
        faults.append("it takes no scale")
    elif not (scale in work.scales or (work.any_scale and work.scales[0] <= scale <= work.scales[-1])):
        allowed = f"from {work.scales[0]:g} to {work.scales[-1]:g}" if work.any_scale else _listed(work.scales)
        faults.append(f"its scale is {allowed}, not {scale:g}")
    return faults


def _given_picture_faults(work: PictureWork, width: int, height: int) -> list[str]:
    faults, given = [], f"this one has {width}×{height}"
    if min(width, height) < work.min_side or max(width, height) > (work.max_side or width + height):
        most = f" to {work.max_side}" if work.max_side else ""
        faults.append(f"a side of the picture has {work.min_side}{most or ' or more'} pixels, {given}")
    if not work.min_pixels <= width * height <= (work.max_pixels or width * height):
        bounds = [f"at least {work.min_pixels:,}"] if work.min_pixels > 1 else []
        bounds += [f"at most {work.max_pixels:,}"] if work.max_pixels else []
        faults.append(f"the picture has {' and '.join(bounds)} pixels, {given}")
    return faults


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _listed(scales: tuple[float, ...]) -> str:
    return " or ".join(f"{scale:g}" for scale in scales)
