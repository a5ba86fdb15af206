"""Cloudflare Workers AI: a strict body for every model, JSON or form, base64 or bytes, and an envelope of errors."""

import base64
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from aiohttp import web
from pydantic import Field

from tests.simulators.simulator import Fault, Handler, Rejected, Simulator, Strict, opened

ACCOUNT = "0123456789abcdef0123456789abcdef"
NEURON = Decimal("0.000011")
Prompt = Annotated[str, Field(min_length=1)]
Byte = Annotated[int, Field(ge=0, le=255)]


class Schnell(Strict):
    """Nothing else is allowed, so no size and no seed."""

    prompt: Annotated[str, Field(min_length=1, max_length=2048)]
    steps: Annotated[int, Field(ge=1, le=8)] = 4

    @property
    def size(self) -> tuple[int, int]:
        return 1024, 1024


class Sized(Strict):
    prompt: Prompt
    seed: Annotated[int, Field(ge=0)] | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height  # type: ignore[attr-defined, no-any-return]


class Flux2(Sized):
    width: Annotated[int, Field(ge=256, le=1920)] = 1024
    height: Annotated[int, Field(ge=256, le=1920)] = 768
    guidance: Annotated[float, Field(ge=0)] | None = None


class Flux2Dev(Flux2):
    steps: Annotated[int, Field(ge=1, le=50)] = 25


class Lucid(Sized):
    width: Annotated[int, Field(ge=0, le=2500)] = 1120
    height: Annotated[int, Field(ge=0, le=2500)] = 1120
    guidance: Annotated[float, Field(ge=0, le=10)] = 4.5
    num_steps: Annotated[int, Field(ge=1, le=40)] = 28


class Phoenix(Sized):
    negative_prompt: str | None = None
    width: Annotated[int, Field(ge=0, le=2048)] = 1024
    height: Annotated[int, Field(ge=0, le=2048)] = 1024
    guidance: Annotated[float, Field(ge=2, le=10)] = 2
    num_steps: Annotated[int, Field(ge=1, le=50)] = 25


class Stable(Sized):
    negative_prompt: str | None = None
    width: Annotated[int, Field(ge=256, le=2048)] = 512
    height: Annotated[int, Field(ge=256, le=2048)] = 512
    guidance: float = 7.5
    num_steps: Annotated[int, Field(ge=1, le=20)] = 20
    image: list[Byte] | None = None
    image_b64: str | None = None
    mask: list[Byte] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] = 1


FORMS: dict[str, type[Flux2]] = {
    "black-forest-labs/flux-2-klein-4b": Flux2,
    "black-forest-labs/flux-2-klein-9b": Flux2,
    "black-forest-labs/flux-2-dev": Flux2Dev,
}
JSON: dict[str, type[Schnell] | type[Sized]] = {
    "black-forest-labs/flux-1-schnell": Schnell,
    "leonardo/lucid-origin": Lucid,
    "leonardo/phoenix-1.0": Phoenix,
    "stabilityai/stable-diffusion-xl-base-1.0": Stable,
    "bytedance/stable-diffusion-xl-lightning": Stable,
    "lykon/dreamshaper-8-lcm": Stable,
    "runwayml/stable-diffusion-v1-5-img2img": Stable,
    "runwayml/stable-diffusion-v1-5-inpainting": Stable,
}
IN_BYTES = ("leonardo/phoenix-1.0", *(name for name, body in JSON.items() if body is Stable))
TROUBLES = {
    "rate limited": (429, 3040, "Capacity temporarily exceeded, please try again."),
    "day is over": (429, 3036, "You have used up your daily free allocation of 10,000 neurons."),
    "no money": (429, 4006, "You have used up your daily free allocation of 10,000 neurons."),
    "refused prompt": (400, 3030, "Input prompt contains NSFW content."),
    "refused output": (400, 3030, "The model's output was flagged as NSFW content."),
    "server error": (500, 3050, "Max retries exhausted."),
}


class WorkersAiSimulator(Simulator):
    """`POST /client/v4/accounts/{account}/ai/run/@cf/{model}`. Its base URL has the account in it."""

    name: ClassVar[str] = "workers_ai"

    def __init__(self) -> None:
        super().__init__()
        self.error: tuple[int, int, str] | None = None
        """Status, code and words of the next answer."""
        self.times_dearer = 1
        self.tells_neurons = True
        self.sent: list[tuple[str, Any]] = []
        """Pictures that came, with the member's name."""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/client/v4/accounts/{ACCOUNT}"

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {
            ("POST", "/client/v4/accounts/{account}/ai/run/@cf/{model:.+}"): self.generate,
            ("POST", "/v1/{account}/{gateway}/workers-ai/@cf/{model:.+}"): self.generate,
        }

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/client/v4/accounts/{account}/ai/models/search"): self.models}

    async def models(self, request: web.Request) -> web.Response:
        if request.query.get("task") != "Text-to-Image":
            raise self.invalid("task", "Text-to-Image is expected here")
        names = [name for name in (*FORMS, *JSON) if name not in self.gone]
        listed = [{"id": f"id-{n}", "name": f"@cf/{name}", "source": 1} for n, name in enumerate(names)]
        return web.json_response({"success": True, "errors": [], "messages": [], "result": listed})

    def check_key(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if given != f"Bearer {self.key}":
            raise _error(401, 10000, f"Authentication error: {given}")
        if request.match_info.get("account") not in (ACCOUNT, None):
            raise _error(403, 10000, "Authentication error")

    def trouble(self, fault: Fault) -> web.Response:
        answer = _error(*TROUBLES[str(fault.trouble)])
        headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
        return web.json_response(answer.body, status=answer.status, headers=headers)

    def invalid(self, where: str, message: str) -> Rejected:
        return _error(400, 5004, f"Invalid data: {where}: {message}")

    async def generate(self, request: web.Request) -> web.Response:
        model_id = request.match_info["model"]
        if self.error:
            raise _error(*self.error)
        if model_id in self.gone:
            raise _error(400, 5007, f"No such model @cf/{model_id} or task")
        if model_id in FORMS:
            asked: Any = await self._form(request, FORMS[model_id])
        elif model_id in JSON:
            asked = await self.body(request, JSON[model_id])
            self._check_pictures(asked, model_id)
        else:
            raise _error(400, 5007, f"No such model @cf/{model_id} or task")
        width, height = asked.size
        inputs = sum(name.startswith("input_image") for name, _ in self.sent)
        neurons = _neurons(model_id, asked, inputs) * self.times_dearer
        job_id = f"ray-{len(self.ledger)}"
        seen = asked.model_dump(exclude_none=True, exclude={"image", "mask", "image_b64"})
        self.bill(job_id, neurons * NEURON, 1, {**seen, "model": model_id})
        kind = "PNG" if "stable" in model_id or "dreamshaper" in model_id else "JPEG"
        picture = self.picture(width, height, f"{asked.prompt} {job_id}", kind)
        headers = {"cf-ray": job_id}
        if model_id in IN_BYTES:
            return web.Response(body=picture, content_type=f"image/{kind.lower()}", headers=headers)
        if self.tells_neurons:
            headers["cf-ai-neurons"] = f"{neurons:f}"
        result = {"image": base64.b64encode(picture).decode()}
        envelope = {"result": result, "success": True, "errors": [], "messages": []}
        return web.json_response(envelope, headers=headers)

    async def _form(self, request: web.Request, model: type[Flux2]) -> Flux2:
        if request.content_type != "multipart/form-data":
            raise _error(400, 3003, "Incomplete request: required properties missing: multipart")
        fields: dict[str, Any] = {}
        self.sent = []
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                if name not in [f"input_image_{n}" for n in range(4)]:
                    raise self.invalid(name, "unknown")
                picture = opened(value.file.read())
                if max(picture.size) >= 512:
                    raise self.invalid(name, "must be smaller than 512x512")
                self.sent.append((name, picture))
            else:
                kind = int if name in ("width", "height", "steps", "seed") else float if name == "guidance" else str
                fields[name] = kind(str(value))
        return self.checked(fields, model)

    def _check_pictures(self, asked: Any, model_id: str) -> None:
        needs = {"img2img": ("image_b64",), "inpainting": ("image", "mask")}.get(model_id.rpartition("-")[2], ())
        self.sent = []
        for name in ("image", "image_b64", "mask"):
            value = getattr(asked, name, None)
            if (value is not None) != (name in needs):
                raise self.invalid(name, "required" if name in needs else "not for this model")
            if value is not None:
                data = base64.b64decode(value, validate=True) if isinstance(value, str) else bytes(value)
                self.sent.append((name, opened(data)))


def _neurons(model_id: str, asked: Any, inputs: int) -> Decimal:
    width, height = asked.size
    tiles = Decimal(-(-width // 512) * -(-height // 512))
    steps = getattr(asked, "steps", None) or getattr(asked, "num_steps", 0)
    each = {
        "flux-2-klein-4b": (Decimal("26.09"), Decimal(0)),
        "flux-2-klein-9b": (Decimal("340.9"), Decimal(0)),
        "flux-2-dev": (Decimal(0), Decimal(75)),
        "flux-1-schnell": (Decimal("4.80"), Decimal("9.60")),
        "lucid-origin": (Decimal("636.36"), Decimal(12)),
        "phoenix-1.0": (Decimal(530), Decimal(10)),
    }
    tile, tile_step = each.get(model_id.rpartition("/")[2], (Decimal(0), Decimal(0)))
    return tiles * (tile + tile_step * steps) + inputs * Decimal("5.36")


def _error(status: int, code: int, message: str) -> Rejected:
    return Rejected(
        status, {"success": False, "result": None, "errors": [{"code": code, "message": message}], "messages": []}
    )
