"""Nodes about models that need no weights: naming one, and sizes that suit one."""

import math
from typing import Literal

from invokeai.app.invocations.baseinvocation import Classification
from invokeai.invocation_api import (
    AsyncInvocationContext,
    BaseInvocation,
    BaseInvocationOutput,
    BaseModelType,
    InputField,
    InvalidInput,
    InvocationContext,
    ModelIdentifierField,
    OutputField,
    UNetField,
    invocation,
    invocation_output,
)

LATENT_GRID = 8
"""Pixels that one latent covers; sizes are multiples of it."""
NATIVE_SIDE = {
    BaseModelType.StableDiffusion1: 512,
    BaseModelType.StableDiffusion2: 768,
    BaseModelType.StableDiffusionXL: 1024,
    BaseModelType.StableDiffusionXLRefiner: 1024,
}
"""Side in pixels of the square that a model was trained on."""


@invocation_output("model_identifier_output")
class ModelIdentifierOutput(BaseInvocationOutput):
    """A model."""

    model: ModelIdentifierField = OutputField(title="Model", description="The model.")


@invocation("model_identifier", "Any Model", ["model"], "model", "1.0.1")
class ModelIdentifierInvocation(BaseInvocation):
    """A model of any type."""

    model: ModelIdentifierField = InputField(title="Model", description="The model.")

    async def invoke(self, context: AsyncInvocationContext) -> ModelIdentifierOutput:
        """The model. Raises InvalidInput for one that is gone."""
        if not await context.models.exists(self.model.key):
            raise InvalidInput(f"The model {self.model.name} is not there any more.")
        return ModelIdentifierOutput(model=self.model)


@invocation_output("ideal_size_output")
class IdealSizeOutput(BaseInvocationOutput):
    """A size in pixels."""

    width: int = OutputField(description="Width in pixels.")
    height: int = OutputField(description="Height in pixels.")


@invocation("ideal_size", "Ideal Size - SD1.5, SDXL", ["latents", "math", "ideal_size"], "latents", "1.0.6")
class IdealSizeInvocation(BaseInvocation):
    """The size with the wanted proportions whose area suits the model, so that subjects do not repeat."""

    width: int = InputField(default=1024, description="Wanted width in pixels.")
    height: int = InputField(default=576, description="Wanted height in pixels.")
    unet: UNetField = InputField(description="The model's UNet.")
    multiplier: float = InputField(default=1.0, description="How many times the model's own side to go for.")

    def invoke(self, context: InvocationContext) -> IdealSizeOutput:
        """The size, multiples of 8. Raises InvalidInput for a model without a native size."""
        side = NATIVE_SIDE.get(self.unet.unet.base)
        if side is None:
            raise InvalidInput(f"No ideal size is known for {self.unet.unet.base.value} models.")
        if min(self.width, self.height) <= 0 or self.multiplier <= 0:
            raise InvalidInput("Width, height and multiplier must be above 0.")
        scale = side * self.multiplier / math.sqrt(self.width * self.height)
        return IdealSizeOutput(
            width=_snapped(self.width * scale, LATENT_GRID, "floor"),
            height=_snapped(self.height * scale, LATENT_GRID, "floor"),
        )


Rounding = Literal["nearest", "floor", "ceiling"]
Resolution = Literal["480p", "720p", "1080p"]
RESOLUTION_LABELS = {
    "480p": "480p (Wan native)",
    "720p": "720p (Wan native, default)",
    "1080p": "1080p (extrapolated — not a Wan training size)",
}


def _snapped(value: float, grid: int, rounding: Rounding) -> int:
    """The multiple of `grid` next to `value`, at least one."""
    steps = value / grid
    whole = {"nearest": math.floor(steps + 0.5), "floor": math.floor(steps), "ceiling": math.ceil(steps)}[rounding]
    return max(1, whole) * grid


def _video_size(width: int, height: int, resolution: Resolution, grid: int, rounding: Rounding) -> IdealSizeOutput:
    scale = int(resolution.removesuffix("p")) / min(width, height)
    return IdealSizeOutput(
        width=_snapped(width * scale, grid, rounding), height=_snapped(height * scale, grid, rounding)
    )


@invocation(
    "wan_i2v_ideal_dimensions",
    "Wan 2.2 I2V Ideal Dimensions (A14B)",
    ["wan", "video", "dimensions", "math"],
    "video",
    "1.1.0",
    classification=Classification.Prototype,
)
class WanI2VIdealDimensionsInvocation(BaseInvocation):
    """A size for the A14B models: the short side as chosen, both sides multiples of 16."""

    width: int = InputField(default=1024, gt=0, description="Width of the source in pixels.")
    height: int = InputField(default=1024, gt=0, description="Height of the source in pixels.")
    target_resolution: Resolution = InputField(
        default="720p", description="Length of the short side.", ui_choice_labels=RESOLUTION_LABELS
    )
    rounding: Rounding = InputField(default="nearest", description="How to reach a multiple of 16.")

    def invoke(self, context: InvocationContext) -> IdealSizeOutput:
        """The size."""
        return _video_size(self.width, self.height, self.target_resolution, 16, self.rounding)


@invocation(
    "wan_ti2v_ideal_dimensions",
    "Wan 2.2 TI2V Ideal Dimensions (5B)",
    ["wan", "video", "dimensions", "math"],
    "video",
    "1.0.0",
    classification=Classification.Prototype,
)
class WanTI2VIdealDimensionsInvocation(BaseInvocation):
    """A size for the 5B model: the short side as chosen, both sides multiples of 32."""

    width: int = InputField(default=1024, gt=0, description="Width of the source in pixels.")
    height: int = InputField(default=1024, gt=0, description="Height of the source in pixels.")
    target_resolution: Resolution = InputField(
        default="720p", description="Length of the short side.", ui_choice_labels=RESOLUTION_LABELS
    )
    rounding: Rounding = InputField(default="nearest", description="How to reach a multiple of 32.")

    def invoke(self, context: InvocationContext) -> IdealSizeOutput:
        """The size."""
        return _video_size(self.width, self.height, self.target_resolution, 32, self.rounding)
