"""OpenAI's image routes, so that any of its clients can use the studio as an image router.

Pictures also go to the gallery. What the chosen model cannot do is refused; no parameter is dropped in silence, but for
`user` and `safety_identifier`, which only OpenAI has a use for. Answers carry `provider`, `model` and `cost` too. A
stream has drafts where the provider makes them, and the finished pictures with every provider.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from invokeai.app.api.api_tokens import TokenDep
from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.api.idempotency import IdempotencyKey, keyed_request
from invokeai.app.api.json_answer import JsonAnswer
from invokeai.app.api.openai_events import event_stream
from invokeai.app.api.openai_route import FaultyParameter, OpenAIRoute
from invokeai.app.api.server_end import told_at_the_end
from invokeai.app.services.image_providers.edit_requests import edit_request
from invokeai.app.services.image_providers.gallery_generation import (
    GalleryCall,
    StoredGeneration,
    generate_to_gallery,
)
from invokeai.app.services.image_providers.generation import ImageRequest, ProgressListener
from invokeai.app.services.image_providers.idempotent_calls import KeyedRequest
from invokeai.app.services.image_providers.routing import Route
from invokeai.app.services.services import Services

openai_images_router = APIRouter(prefix="/v1", tags=["openai"], route_class=OpenAIRoute, dependencies=[TokenDep])

MAX_IMAGES = 10
MAX_INPUTS = 16
STARTED = int(time.time())

Count = Annotated[int, Field(ge=1, le=MAX_IMAGES)]
AnswerFormat = Literal["b64_json", "url"]


class OpenAIImageOptions(BaseModel):
    """What generations and edits have in common.

    What is left out is as the settings or the provider's usual options have it. `auto` lets the service choose where it
    has the word, which the caps count as the dearest; elsewhere it is like leaving it out.
    """

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1)
    model: str | None = None
    n: Count | None = 1
    size: str | None = "auto"
    response_format: AnswerFormat | None = "b64_json"
    output_format: str | None = "png"
    quality: str | None = None
    background: str | None = None
    moderation: str | None = None
    style: str | None = None
    complexity: str | None = None
    input_fidelity: str | None = None
    output_compression: int | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    stream: bool | None = False
    user: str | None = None
    safety_identifier: str | None = None
    fallback: list[str] = Field(default_factory=list, max_length=8)
    """Not OpenAI's: models that may be used where the one before certainly cost nothing."""


EDIT_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image", "prompt"],
                    "properties": {
                        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "mask": {"type": "string", "format": "binary"},
                        "prompt": {"type": "string"},
                        "model": {"type": "string"},
                        "n": {"type": "integer", "minimum": 1, "maximum": MAX_IMAGES},
                        "size": {"type": "string"},
                        "response_format": {"enum": ["b64_json", "url"]},
                    },
                }
            }
        },
    }
}
OPTION_NAMES = ("quality", "background", "moderation", "style", "complexity", "input_fidelity", "output_compression")


@openai_images_router.get("/models", operation_id="openai_list_models")
async def openai_list_models(services: ServicesDep) -> dict[str, Any]:
    """Every model that can be used now."""
    models = services.image_generation.available()
    return {"object": "list", "data": [_model(p.info.provider_id, m.model_id) for p, m in models]}


@openai_images_router.get("/models/{model:path}", operation_id="openai_get_model")
async def openai_get_model(services: ServicesDep, model: str) -> dict[str, Any]:
    """One model, named in any way."""
    route = services.image_generation.route(model)
    return _model(route.provider.info.provider_id, route.model.model_id)


@openai_images_router.post("/images/generations", operation_id="openai_generate_images")
async def openai_generate_images(
    services: ServicesDep,
    user: CurrentUserDep,
    http: Request,
    body: OpenAIImageOptions,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Pictures from a prompt; with `stream` as events."""

    async def request() -> ImageRequest:
        route = _route(services, body)
        width, height = _size(body.size) or route.model.usual_size
        return ImageRequest(
            prompt=body.prompt,
            model=body.model,
            num_images=body.n or 1,
            width=width,
            height=height,
            options=_options(route, body),
            fallback=tuple(body.fallback),
        )

    keyed = await keyed_request(user.user_id, idempotency_key, "generations", body, body.n or 1)
    return await _Making(services, user.user_id, body, request, keyed, "image_generation").answer(http)


@openai_images_router.post("/images/edits", operation_id="openai_edit_images", openapi_extra=EDIT_FORM)
async def openai_edit_images(
    services: ServicesDep, user: CurrentUserDep, http: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """Pictures from pictures and a prompt, sent as a form: `image` (one or more), `mask`, and what generations take."""
    async with http.form(max_files=MAX_INPUTS + 1, max_fields=50) as form:
        uploads = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
        fields = {name: value for name, value in form.multi_items() if not isinstance(value, UploadFile)}
        files = [await value.read() for name, value in uploads if name in ("image", "image[]")]
        masks = [await value.read() for name, value in uploads if name == "mask"]
        fallback = [*form.getlist("fallback"), *form.getlist("fallback[]")]
        fields = {name: value for name, value in fields.items() if name != "fallback[]"}
    try:
        body = OpenAIImageOptions.model_validate({**fields, "fallback": fallback})
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None
    if not 1 <= len(files) <= MAX_INPUTS:
        raise FaultyParameter(f"An edit needs from 1 to {MAX_INPUTS} pictures, not {len(files)}.", "image")
    if len(masks) > 1 or len(files) + len(masks) < len(uploads):
        raise FaultyParameter("Files of an edit are `image`, `image[]` and one `mask`.", "mask")

    async def request() -> ImageRequest:
        route = _route(services, body)
        pictures = [await services.images.decoded(file) for file in files]
        hole = await services.images.decoded(masks[0]) if masks else None
        made = await asyncio.to_thread(
            edit_request, route, body.prompt, pictures, hole, size=_size(body.size), num_images=body.n or 1
        )
        return replace(made, model=body.model, options=_options(route, body), fallback=tuple(body.fallback))

    what = f"edits, {len(masks)} masks"
    keyed = await keyed_request(user.user_id, idempotency_key, what, body, body.n or 1, [*files, *masks])
    return await _Making(services, user.user_id, body, request, keyed, "image_edit").answer(http)


@dataclass(frozen=True, slots=True)
class _Making:
    """A request to make pictures. `request` works out what is asked for when it is made; `kind` names its events."""

    services: Services
    user_id: str
    body: OpenAIImageOptions
    request: Callable[[], Awaitable[ImageRequest]]
    keyed: KeyedRequest | None
    kind: str

    async def answer(self, http: Request) -> Response:
        """The pictures; with `stream` as events."""
        with told_at_the_end():
            if self.body.stream:
                return await event_stream(self.kind, self.body.partial_images or 0, self._made, self._completed)
            done = await self._made(None)
        return await _answer(self.services, http, done, self.body.response_format)

    async def _made(self, listen: ProgressListener | None) -> StoredGeneration:
        async def make(call: GalleryCall) -> StoredGeneration:
            request, services = replace(await self.request(), on_progress=listen), self.services
            return await generate_to_gallery(
                services.image_generation, services.images, request, user_id=self.user_id, call=call
            )

        return await self.services.idempotent_calls.once(self.keyed, make)

    async def _completed(self, done: StoredGeneration) -> list[dict[str, Any]]:
        facts, created = _facts(done), int(time.time())
        sizes = [f"{image.width}x{image.height}" for image in done.images]
        files = await _base64_files(self.services, done)
        return [
            {**facts, "b64_json": file, "created_at": created, "size": size}
            for file, size in zip(files, sizes, strict=True)
        ]


def _route(services: Services, body: OpenAIImageOptions) -> Route:
    request = ImageRequest(prompt=body.prompt, model=body.model, fallback=tuple(body.fallback))
    return services.image_generation.usable_route(request)


def _model(provider_id: str, model_id: str) -> dict[str, Any]:
    return {"id": f"{provider_id}/{model_id}", "object": "model", "created": STARTED, "owned_by": provider_id}


def _size(size: str | None) -> tuple[int, int] | None:
    if size in (None, "auto"):
        return None
    width, _, height = str(size).partition("x")
    if not (width.isdecimal() and height.isdecimal() and len(width) < 6 and len(height) < 6):
        raise FaultyParameter("size is `auto` or two numbers such as 1024x1024.", "size")
    return int(width), int(height)


def _options(route: Route, body: OpenAIImageOptions) -> dict[str, Any]:
    """What goes to the provider as options.

    Raises:
        FaultyParameter: one that the provider does not have, or that this server cannot do.
    """
    if body.partial_images and not body.stream:
        raise FaultyParameter("partial_images are for a stream: set stream too.", "partial_images")
    if body.stream and body.response_format == "url":
        raise FaultyParameter("A stream carries the pictures themselves (b64_json).", "response_format")
    if body.output_format not in (None, "png"):
        raise FaultyParameter("This server answers PNG only.", "output_format")
    known, with_auto = route.provider.info.options, route.provider.info.auto_options
    given = {name: getattr(body, name) for name in OPTION_NAMES if getattr(body, name) is not None}
    given = {name: value for name, value in given.items() if value != "auto" or name in with_auto}
    if body.partial_images and "partial_images" in known:
        given["partial_images"] = body.partial_images
    for name in given:
        if name not in known:
            has = ", ".join(sorted(known)) or "none"
            raise FaultyParameter(f"{route.provider.info.display_name} has no option {name}; its options: {has}.", name)
    return given


async def _answer(
    services: Services, http: Request, done: StoredGeneration, answer_format: AnswerFormat | None
) -> JsonAnswer:
    if answer_format == "url":
        base = str(http.base_url)
        data = [{"url": base + image.image_url} for image in done.images]
    else:
        data = [{"b64_json": file} for file in await _base64_files(services, done)]
    size = f"{done.images[0].width}x{done.images[0].height}"
    return JsonAnswer({"created": int(time.time()), "data": data, "size": size, **_facts(done)})


async def _base64_files(services: Services, done: StoredGeneration) -> list[str]:
    import pybase64

    files = await asyncio.gather(*(services.images.get_bytes(image.image_name) for image in done.images))
    return [pybase64.b64encode_as_string(file) for file in files]


def _facts(done: StoredGeneration) -> dict[str, Any]:
    """What OpenAI would not say, but for the format. The cost is that of all pictures together."""
    cost = done.cost
    return {
        "output_format": "png",
        "provider": done.result.provider_id,
        "model": done.result.model_id,
        "cost": {"amount": cost.amount, "currency": cost.currency, "kind": str(cost.kind)},
        "note": done.result.note,
    }
