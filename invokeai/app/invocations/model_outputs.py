"""Outputs of nodes that load and run local models. Built-in nodes here give none of them; node packs may."""

from typing import Any

from invokeai.app.invocations.baseinvocation import BaseInvocationOutput, invocation_output
from invokeai.app.invocations.fields import (
    ConditioningField,
    DenoiseMaskField,
    FluxConditioningField,
    ImageField,
    LatentsField,
    OutputField,
)
from invokeai.app.invocations.model import CLIPField, UNetField, VAEField

PIXELS_PER_LATENT = 8


@invocation_output("unet_output")
class UNetOutput(BaseInvocationOutput):
    """A UNet."""

    unet: UNetField = OutputField(title="UNet", description="The UNet.")


@invocation_output("vae_output")
class VAEOutput(BaseInvocationOutput):
    """A VAE."""

    vae: VAEField = OutputField(title="VAE", description="The VAE.")


@invocation_output("clip_output")
class CLIPOutput(BaseInvocationOutput):
    """A text encoder."""

    clip: CLIPField = OutputField(title="CLIP", description="The text encoder.")


@invocation_output("model_loader_output")
class ModelLoaderOutput(UNetOutput, CLIPOutput, VAEOutput):
    """The parts of a model."""


@invocation_output("lora_loader_output")
class LoRALoaderOutput(BaseInvocationOutput):
    """Model parts with a LoRA applied."""

    unet: UNetField | None = OutputField(default=None, title="UNet", description="The UNet.")
    clip: CLIPField | None = OutputField(default=None, title="CLIP", description="The text encoder.")


@invocation_output("latents_output")
class LatentsOutput(BaseInvocationOutput):
    """Latents and the size in pixels of the picture they stand for."""

    latents: LatentsField = OutputField(description="The latents.")
    width: int = OutputField(description="Width in pixels.")
    height: int = OutputField(description="Height in pixels.")

    @classmethod
    def build(cls, latents_name: str, latents: Any, seed: int | None = None) -> "LatentsOutput":
        """From a stored tensor of shape (…, height / 8, width / 8)."""
        return cls(
            latents=LatentsField(latents_name=latents_name, seed=seed),
            width=latents.shape[-1] * PIXELS_PER_LATENT,
            height=latents.shape[-2] * PIXELS_PER_LATENT,
        )


@invocation_output("latents_collection_output")
class LatentsCollectionOutput(BaseInvocationOutput):
    """Several latents."""

    collection: list[LatentsField] = OutputField(description="The latents.")


@invocation_output("noise_output")
class NoiseOutput(BaseInvocationOutput):
    """Noise and the size in pixels of the picture it stands for."""

    noise: LatentsField = OutputField(description="The noise.")
    width: int = OutputField(description="Width in pixels.")
    height: int = OutputField(description="Height in pixels.")


@invocation_output("conditioning_output")
class ConditioningOutput(BaseInvocationOutput):
    """Conditioning."""

    conditioning: ConditioningField = OutputField(description="The conditioning.")

    @classmethod
    def build(cls, conditioning_name: str) -> "ConditioningOutput":
        """From the name of stored conditioning."""
        return cls(conditioning=ConditioningField(conditioning_name=conditioning_name))


@invocation_output("conditioning_collection_output")
class ConditioningCollectionOutput(BaseInvocationOutput):
    """Several conditionings."""

    collection: list[ConditioningField] = OutputField(description="The conditionings.")


@invocation_output("flux_conditioning_output")
class FluxConditioningOutput(BaseInvocationOutput):
    """Conditioning for FLUX models."""

    conditioning: FluxConditioningField = OutputField(description="The conditioning.")


@invocation_output("denoise_mask_output")
class DenoiseMaskOutput(BaseInvocationOutput):
    """A denoising mask."""

    denoise_mask: DenoiseMaskField = OutputField(description="The mask.")


@invocation_output("gradient_mask_output")
class GradientMaskOutput(BaseInvocationOutput):
    """A denoising mask with soft edges, and the area that it touches."""

    denoise_mask: DenoiseMaskField = OutputField(description="The mask.")
    expanded_mask_area: ImageField = OutputField(description="The area as a picture.")
