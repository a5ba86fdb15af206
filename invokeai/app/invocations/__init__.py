"""The built-in nodes. `load_core_invocations` imports every module listed here; order does not matter."""

from importlib import import_module

CORE_MODULES: tuple[str, ...] = (
    "canvas",
    "controlnet_preprocessors",
    "image_channels",
    "image_colour",
    "image_compositing",
    "image_filters",
    "image_geometry",
    "image_output",
    "infill",
    "iteration",
    "masks",
    "primitives",
    "third_party_image_generation",
    "tensor_masks",
)
"""Modules of this package that define nodes."""


def load_core_invocations() -> None:
    """Register every built-in node. Repeating it does nothing."""
    for name in CORE_MODULES:
        import_module(f"{__name__}.{name}")
