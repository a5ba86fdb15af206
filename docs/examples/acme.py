"""A provider of your own: put this file into the root's `providers` folder and start the studio again.

Acme takes `{"text", "size", "seed"}` at `POST /v1/draw`, answers `{"id", "picture" (base64), "cents"}`, and says no
with `{"reason", "why"}`. Receipts, retries, keys, caps, metrics and the model list are the studio's business.
"""

from decimal import Decimal

from invokeai.provider_api import (
    Cost,
    CostKind,
    ExternalImageSize,
    ExternalModelCapabilities,
    GeneratedImage,
    HttpAnswer,
    HttpCall,
    HttpImageProvider,
    ImageModel,
    ImageRequest,
    ImageResult,
    ProviderError,
    ProviderInfo,
    ProviderRefused,
    Receipt,
    nothing_empty,
)

BRUSH = ImageModel(
    model_id="brush-2",
    name="Acme Brush 2",
    description="Acme's all-rounder.",
    capabilities=ExternalModelCapabilities(
        modes=["txt2img"],
        supports_seed=True,
        supports_negative_prompt=False,
        max_images_per_request=1,
        max_image_size=ExternalImageSize(width=2048, height=2048),
    ),
    price_per_image="0.02",  # shown before the request, and held against the spending caps
)


class AcmeImageService(HttpImageProvider):
    """One POST, whose answer holds the picture."""

    info = ProviderInfo(
        provider_id="acme",
        display_name="Acme",
        description="Pictures by Acme.",
        models=(BRUSH,),
        default_model="brush-2",
        max_concurrency=4,
    )
    default_base_url = "https://api.acme.example"

    def get_setup_instructions(self) -> str:
        return "Create a key at https://acme.example/keys and enter it in the model manager."

    def key_headers(self, key: str) -> dict[str, str]:
        return {"X-Acme-Key": key}  # without this method: Authorization: Bearer

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        body = {"text": request.prompt, "size": [request.width, request.height], "seed": request.seed}
        return HttpCall("POST", "/v1/draw", json=nothing_empty(body))

    async def result_of(self, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        told = answer.json()
        if "picture" not in told:
            raise self.unknown("its answer has no picture in it")
        return ImageResult(
            images=(GeneratedImage(await self.picture_in(told["picture"]), told.get("seed")),),
            provider_id="acme",
            model_id=receipt.model_id,
            cost=Cost(str(Decimal(told["cents"]) / 100), kind=CostKind.REPORTED) if "cents" in told else Cost(),
            request_id=told.get("id"),
        )

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        told = answer.json()
        if told.get("reason") == "policy":
            return ProviderRefused(
                f"Acme: {told.get('why')}", stage="prompt", provider_id="acme", provider_code="policy"
            )
        return self.failure(answer, told.get("why", ""), told.get("reason"))  # by status: 401, 402, 429, 4xx, 5xx
