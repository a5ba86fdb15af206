"""A provider plug-in for this server: asks the benchmark's slow provider over HTTP, as the peer's OpenAI client does.

The benchmark copies this file into `<root>/providers/`; the address comes from `BENCH_PROVIDER_URL`.
"""

import os

from invokeai.provider_api import (
    ExternalModelCapabilities,
    HttpCall,
    ImageModel,
    ImageRequest,
    OpenAiWireProvider,
    ProviderInfo,
    Receipt,
)


class SlowImageService(OpenAiWireProvider):
    """A few seconds a picture, any number at a time."""

    info = ProviderInfo(
        provider_id="slow",
        display_name="Slow",
        description="The benchmark's local service.",
        models=(
            ImageModel(
                model_id="slow",
                name="Slow",
                description="One picture after two seconds.",
                capabilities=ExternalModelCapabilities(modes=["txt2img"]),
            ),
        ),
        default_model="slow",
        is_paid=True,
        needs_key=False,
        max_concurrency=int(os.environ.get("BENCH_PROVIDER_CONNECTIONS", "64")),
    )
    default_base_url = os.environ.get("BENCH_PROVIDER_URL", "")

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """One call, one picture."""
        return HttpCall("POST", "/v1/images/generations", json={"prompt": request.prompt, "n": 1})
