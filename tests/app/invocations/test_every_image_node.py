"""What holds for all image nodes: any kind of picture is taken, inputs stay, equal runs give equal bytes."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from invokeai.app.invocations import load_core_invocations
from invokeai.backend.image.pixels import plain
from invokeai.invocation_api import BoundingBoxField, ColorField, ImageField, InvocationRegistry, TensorField
from tests.app.invocations.conftest import NodeBench

load_core_invocations()

MODULES = (
    *("canvas", "controlnet_preprocessors", "image_channels", "image_colour", "image_compositing", "image_filters"),
    *("image_geometry", "image_output", "infill", "masks", "tensor_masks"),
)
NODES = [
    cls.get_type()
    for cls in InvocationRegistry.get_invocation_classes()
    if cls.__module__.removeprefix("invokeai.app.invocations.") in MODULES
]
NEEDED: dict[str, dict[str, Any]] = {
    "img_channel_offset": {"channel": "Value (HSV)", "offset": 20},
    "img_channel_multiply": {"channel": "A (LAB)", "scale": 0.5},
    "mask_edge": {"edge_size": 4, "edge_blur": 2, "low_threshold": 10, "high_threshold": 20},
    "mask_from_id": {"color": ColorField(r=1, g=2, b=3, a=4)},
    "rectangle_mask": {"width": 5, "height": 4, "x_left": 1, "y_top": 1, "rectangle_width": 2, "rectangle_height": 2},
    "image_panel_layout": {"width": 9, "height": 9},
}


def pictures() -> dict[str, Image.Image]:
    """One picture of each kind that a gallery may hold."""
    values = np.random.default_rng(0).integers(0, 256, (23, 37, 4), dtype=np.uint8)
    rgba = Image.fromarray(values)
    grey = rgba.getchannel("R")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    kinds = {"RGBA": rgba, "RGB": rgba.convert("RGB"), "L": grey, "I;16": wide, "LA": rgba.convert("LA")}
    palette = rgba.convert("RGB").quantize(16)
    return {**kinds, "P": palette, "1": grey.convert("1"), "one pixel": Image.new("RGB", (1, 1), (200, 200, 200))}


def inputs_of(bench: NodeBench, node_type: str, image: Image.Image) -> dict[str, Any]:
    """The picture at every input that takes one, and what else is required."""
    cls = InvocationRegistry.get_invocation(node_type)
    assert cls is not None
    bench.images.stored["in.png"] = image
    field = ImageField(image_name="in.png")
    given: dict[str, Any] = dict(NEEDED.get(node_type, {}))
    for name, info in cls.model_fields.items():
        kind = str(info.annotation)
        if "ImageField" in kind:
            given[name] = [field] if "list" in kind else field
        elif "TensorField" in kind:
            mask = np.zeros((1, image.height, image.width), dtype=np.bool_)
            given[name] = TensorField(tensor_name=bench.tensors.save(mask))
        elif name == "mask_color":
            red, green, blue, alpha = plain(image).convert("RGBA").getpixel((0, 0))
            given[name] = ColorField(r=red, g=green, b=blue, a=alpha)
        elif name == "bounding_box":
            given[name] = BoundingBoxField(x_min=0, y_min=0, x_max=image.width, y_max=image.height)
    return given


@pytest.mark.parametrize("kind", list(pictures()))
@pytest.mark.parametrize("node_type", NODES)
def test_any_picture_is_taken_and_left_as_it_was(bench: NodeBench, node_type: str, kind: str) -> None:
    image = pictures()[kind]
    before = image.tobytes()
    first = bench.invoke(node_type, **inputs_of(bench, node_type, image))
    again = bench.invoke(node_type, **inputs_of(bench, node_type, image))
    assert image.tobytes() == before
    if hasattr(first, "image") and first.image.image_name != "in.png":
        pair = [bench.images.get_pil(output.image.image_name) for output in (first, again)]
        assert pair[0].tobytes() == pair[1].tobytes() and (first.width, first.height) == pair[0].size


def test_the_list_is_complete() -> None:
    assert len(NODES) == 57
