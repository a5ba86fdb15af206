"""The built-in nodes. `load_core_invocations` imports every module listed here; order does not matter."""

from importlib import import_module

CORE_MODULES: tuple[str, ...] = (
    "batch",
    "canvas",
    "captions",
    "collections",
    "controlnet_preprocessors",
    "image_channels",
    "image_colour",
    "image_compositing",
    "image_filters",
    "image_geometry",
    "image_output",
    "image_to_image",
    "infill",
    "iteration",
    "logic",
    "masks",
    "math",
    "metadata",
    "metadata_lookup",
    "model_nodes",
    "primitives",
    "prompt",
    "schedulers",
    "strings",
    "tensor_masks",
    "third_party_image_generation",
    "third_party_picture_work",
    "tile_layout",
    "tile_merge",
    "video",
    "watermark",
    "workflow_calls",
)
"""Modules of this package that define nodes."""


def load_core_invocations() -> None:
    """Register every built-in node. Repeating it does nothing."""
    for name in CORE_MODULES:
        import_module(f"{__name__}.{name}")
