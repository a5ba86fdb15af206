"""The image router for programs: models, health, and pictures from a prompt in one request, stored in the gallery.

A size that was not asked for is the model's own; nothing that was asked for is dropped in silence.
"""

import asyncio

from fastapi import APIRouter

from invokeai.app.api.api_tokens import TokenDep
from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.api.idempotency import IdempotencyKey, keyed_request
from invokeai.app.api.image_generation_wire import (
    CostInfo,
    GenerateImageAnswer,
    GenerateImageForm,
    GenerateImagesRequest,
    GenerateImagesResponse,
    GroupedImageModels,
    ImageEstimate,
    ImageHealth,
    ImageModelInfo,
    ImageModelList,
    ProviderHealth,
    ProviderModels,
)
from invokeai.app.api.server_end import told_at_the_end
from invokeai.app.services.image_providers.capabilities import GENERATION_MODES
from invokeai.app.services.image_providers.gallery_generation import (
    GalleryCall,
    StoredGeneration,
    generate_to_gallery,
)
from invokeai.app.services.image_providers.generation import Cost, ImageRequest, total_cost
from invokeai.app.services.image_providers.picture_requests import sized, with_size
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import ProviderUnavailable
from invokeai.app.services.services import Services
from invokeai.app.services.shared.errors import InvalidInput, NotFound

image_generation_router = APIRouter(tags=["image_generation"], dependencies=[TokenDep])

NOT_AS_IT_IS = {"board_id", "init_image", "mask_image", "reference_images", "fallback", "width", "height"}
"""Members of a request to generate that are no members of an `ImageRequest`, or other ones there."""


def _models(provider: ImageProvider) -> list[ImageModelInfo]:
    provider_id = provider.info.provider_id
    return [
        ImageModelInfo(
            id=f"{provider_id}/{model.model_id}",
            provider=provider_id,
            model_id=model.model_id,
            name=model.name,
            description=model.description,
            capabilities=model.capabilities,
            supports_strength=model.supports_strength,
            work=model.work,
        )
        for model in provider.models()
    ]


@image_generation_router.get("/images/models", operation_id="list_image_models")
async def list_image_models(services: ServicesDep) -> ImageModelList:
    """Every model that can be used now."""
    available = [provider for provider in services.image_generation.providers() if provider.is_available()]
    return ImageModelList(models=[model for provider in available for model in _models(provider)])


@image_generation_router.get("/image-models", operation_id="list_image_models_by_provider")
async def list_image_models_by_provider(services: ServicesDep) -> GroupedImageModels:
    """Every provider with its models, and what would be used when no model is named."""
    groups = [
        ProviderModels(
            provider=provider.info.provider_id,
            display_name=provider.info.display_name,
            description=provider.info.description,
            available=provider.is_available(),
            reason=provider.get_unavailability_reason(),
            default_model=provider.default_model(),
            models=_models(provider),
        )
        for provider in services.image_generation.providers()
    ]
    try:
        route = services.image_generation.route()
    except (ProviderUnavailable, NotFound) as error:
        return GroupedImageModels(providers=groups, current_provider=None, current_model=None, reason=str(error))
    return GroupedImageModels(
        providers=groups,
        current_provider=route.provider.info.provider_id,
        current_model=route.model.model_id,
        reason=None,
    )


@image_generation_router.get("/health/images", operation_id="get_image_health")
async def get_image_health(services: ServicesDep) -> ImageHealth:
    """Which providers can be used, and how their calls went. Asks no provider anything."""
    rows = []
    for provider in services.image_generation.providers():
        line = services.image_generation.lines[provider.info.provider_id]
        counted = line.metrics
        reason = provider.get_unavailability_reason()
        rows.append(
            ProviderHealth(
                provider=provider.info.provider_id,
                display_name=provider.info.display_name,
                available=reason is None,
                reason=reason,
                in_flight=counted.in_flight,
                waiting=counted.waiting,
                requests=counted.requests,
                images=counted.images,
                seconds=round(counted.seconds, 3),
                failures=dict(counted.failures),
                circuit=line.breaker.state,
                keys_set_aside=line.keys.set_aside(),
                last_failure=counted.last_failure,
            )
        )
    return ImageHealth(status="ok" if any(row.available for row in rows) else "unavailable", providers=rows)


@image_generation_router.post("/images/generate", operation_id="generate_images")
async def generate_images(
    services: ServicesDep, user: CurrentUserDep, body: GenerateImagesRequest, idempotency_key: IdempotencyKey = None
) -> GenerateImagesResponse:
    """Generate pictures and store them in the gallery."""

    async def make(call: GalleryCall) -> StoredGeneration:
        request, generation = await _request(services, body), services.image_generation
        return await generate_to_gallery(
            generation, services.images, request, user_id=user.user_id, board_id=body.board_id, call=call
        )

    keyed = await keyed_request(user.user_id, idempotency_key, "generate images", body, body.num_images)
    with told_at_the_end():
        done = await services.idempotent_calls.once(keyed, make)
    return GenerateImagesResponse(
        images=[image.model_dump(mode="json") for image in done.images],
        provider=done.result.provider_id,
        model=done.result.model_id,
        cost=_cost(done.cost),
        seconds=round(done.seconds, 3),
        request_id=done.result.request_id,
        note=done.result.note,
        asked=done.result.asked,
    )


@image_generation_router.post("/images/estimate", operation_id="estimate_images")
async def estimate_images(services: ServicesDep, body: GenerateImagesRequest) -> ImageEstimate:
    """What the same request to `/images/generate` would cost; checked as far, and nothing is sent."""
    request = await _request(services, body)
    calls = services.image_generation.estimate(request)
    route = services.image_generation.usable_route(request)
    return ImageEstimate(
        provider=route.provider.info.provider_id,
        model=route.model.model_id,
        calls=[_cost(call or Cost()) for call in calls],
        total=_cost(total_cost(calls)),
    )


@image_generation_router.post("/generate-image", operation_id="generate_image")
async def generate_image(
    services: ServicesDep, user: CurrentUserDep, body: GenerateImageForm, idempotency_key: IdempotencyKey = None
) -> GenerateImageAnswer:
    """Generate one picture and store it in the gallery."""
    width, height = (int(side) for side in body.size.split("x")) if body.size else (None, None)
    prompt = ", ".join(words for words in (body.prompt, body.style, body.image_type) if words)

    async def make(call: GalleryCall) -> StoredGeneration:
        request = ImageRequest(prompt=prompt, model=body.model, fallback=tuple(body.fallback))
        request, generation = with_size(services.image_generation, request, width, height), services.image_generation
        return await generate_to_gallery(generation, services.images, request, user_id=user.user_id, call=call)

    keyed = await keyed_request(user.user_id, idempotency_key, "generate image", body)
    with told_at_the_end():
        done = await services.idempotent_calls.once(keyed, make)
    image = done.images[0]
    return GenerateImageAnswer(
        success=True,
        image_url=image.image_url,
        image_path=image.image_name,
        prompt=prompt,
        service=done.result.provider_id,
        model=done.result.model_id,
        generation_time=round(done.seconds, 3),
        cost=_cost(done.cost),
    )


async def _request(services: Services, body: GenerateImagesRequest) -> ImageRequest:
    values = body.model_dump(exclude=NOT_AS_IT_IS)
    if body.mode in GENERATION_MODES and "prompt" not in body.model_fields_set:
        raise InvalidInput("A prompt is needed to generate.")
    if body.mode not in GENERATION_MODES and {"width", "height"} & body.model_fields_set:
        raise InvalidInput(f"{body.mode} takes no width or height: they follow from init_image and scale.")
    names = [body.init_image, body.mask_image, *body.reference_images]
    loaded = await asyncio.gather(*(services.images.get_pil(name) for name in names if name))
    pictures = dict(zip((name for name in names if name), loaded, strict=True))
    request = ImageRequest(
        **values,
        init_image=pictures.get(body.init_image or ""),
        mask_image=pictures.get(body.mask_image or ""),
        reference_images=tuple(pictures[name] for name in body.reference_images if name),
        fallback=tuple(body.fallback),
    )
    if body.mode in GENERATION_MODES:
        return with_size(services.image_generation, request, body.width, body.height)
    return sized(services.image_generation, request, most_pixels=services.config.max_image_pixels)


def _cost(cost: Cost) -> CostInfo:
    return CostInfo(amount=cost.amount, currency=cost.currency, kind=cost.kind)
