import numpy as np
import pytest
from PIL import Image

from invokeai.invocation_api import ColorField, TensorField
from tests.app.invocations.conftest import NodeBench

WHITE, RED = ColorField(r=255, g=255, b=255, a=255), ColorField(r=255, g=0, b=0, a=255)


def left_black(width: int = 10, height: int = 6, black: int = 4) -> Image.Image:
    """A mask, black at the left."""
    mask = Image.new("L", (width, height), 255)
    mask.paste(0, (0, 0, black, height))
    return mask


def test_mask_from_alpha(bench: NodeBench) -> None:
    image = Image.new("RGBA", (2, 1), (9, 9, 9, 200))
    assert bench.image("tomask", image=image).getpixel((0, 0)) == 200
    assert bench.image("tomask", image=image, invert=True).getpixel((0, 0)) == 55
    assert bench.image("tomask", image=image.convert("RGB")).getpixel((0, 0)) == 255


def test_combined_masks_are_black_where_either_is(bench: NodeBench) -> None:
    other = left_black().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    combined = np.asarray(bench.image("mask_combine", mask1=left_black(), mask2=other))
    assert combined[0].tolist() == [0] * 4 + [255] * 2 + [0] * 4


def test_mask_edge_is_black_along_the_edge_only(bench: NodeBench) -> None:
    options = {"low_threshold": 100, "high_threshold": 200}
    edge = np.asarray(bench.image("mask_edge", image=left_black(20, 9, 10), edge_size=4, edge_blur=0, **options))
    row = edge[4]
    assert set(row) == {0, 255} and row[:7].min() == 255 and row[14:].min() == 255
    assert 4 <= (row == 0).sum() <= 6 and row[9] == 0
    soft = np.asarray(bench.image("mask_edge", image=left_black(20, 9, 10), edge_size=4, edge_blur=2, **options))
    assert 0 < soft[4, 6] < 255


def test_colour_mask_takes_what_is_near(bench: NodeBench) -> None:
    image = Image.new("RGB", (3, 1))
    for x, colour in enumerate([(255, 0, 0), (200, 30, 30), (0, 0, 255)]):
        image.putpixel((x, 0), colour)
    assert list(np.asarray(bench.image("mask_from_id", image=image, color=RED))[0]) == [255, 255, 0]
    assert list(np.asarray(bench.image("mask_from_id", image=image, color=RED, threshold=0))[0]) == [255, 0, 0]
    assert list(np.asarray(bench.image("mask_from_id", image=image, color=RED, invert=True))[0]) == [0, 0, 255]


def test_bounding_box_of_a_mask(bench: NodeBench) -> None:
    box = bench.invoke("get_image_mask_bounding_box", mask=left_black()).bounding_box
    assert box.tuple() == (4, 0, 10, 6)
    box = bench.invoke("get_image_mask_bounding_box", mask=left_black(), margin=2).bounding_box
    assert box.tuple() == (2, 0, 10, 6)
    with pytest.raises(ValueError, match="No pixel"):
        bench.invoke("get_image_mask_bounding_box", mask=left_black(), mask_color=RED)
    with pytest.raises(ValueError, match="leaves nothing"):
        bench.invoke("get_image_mask_bounding_box", mask=left_black(), margin=-3)


def test_expanded_mask_fades_from_black_to_white(bench: NodeBench) -> None:
    row = np.asarray(bench.image("expand_mask_with_fade", mask=left_black(40, 3, 4), fade_size_px=10))[1]
    assert (row[:4] == 0).all() and row[13] == 255 and (row[14:] == 255).all()
    assert (np.diff(row[3:14].astype(int)) > 0).all()
    assert row[8] == pytest.approx(255 * 5 / 10, abs=1)


def test_expanded_mask_measures_real_distances(bench: NodeBench) -> None:
    mask = Image.new("L", (21, 21), 255)
    mask.putpixel((10, 10), 0)
    faded = np.asarray(bench.image("expand_mask_with_fade", mask=mask, fade_size_px=10), dtype=float)
    assert faded[13, 14] == pytest.approx(255 * 0.5, abs=1)  # 3, 4: 5 pixels away
    assert faded[10, 10] == 0 and faded[0, 0] == 255


def test_a_fade_of_nothing_leaves_the_mask(bench: NodeBench) -> None:
    mask = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10))
    assert bench.image("expand_mask_with_fade", mask=mask, fade_size_px=0).tobytes() == mask.tobytes()


def test_threshold_of_an_expanded_mask(bench: NodeBench) -> None:
    mask = Image.new("L", (9, 1), 100)
    assert bench.image("expand_mask_with_fade", mask=mask, threshold=99, fade_size_px=4).getextrema() == (255, 255)
    assert bench.image("expand_mask_with_fade", mask=mask, threshold=100, fade_size_px=4).getextrema() == (0, 0)


def test_applied_mask_keeps_what_is_black(bench: NodeBench) -> None:
    image = Image.new("RGBA", (10, 6), (10, 20, 30, 128))
    kept = np.asarray(bench.image("apply_mask_to_image", image=image, mask=left_black()))
    assert kept[0, 0].tolist() == [10, 20, 30, 128] and kept[0, 9, 3] == 0
    turned = np.asarray(bench.image("apply_mask_to_image", image=image, mask=left_black(), invert_mask=True))
    assert turned[0, 0, 3] == 0 and turned[0, 9, 3] == 128


def test_rectangle_tensor_is_cut_at_the_edge(bench: NodeBench) -> None:
    size = {"width": 6, "height": 4, "rectangle_width": 3, "rectangle_height": 10}
    output = bench.invoke("rectangle_mask", x_left=-1, y_top=2, **size)
    mask = bench.tensors.load(output.mask.tensor_name)
    assert (output.width, output.height, mask.shape, mask.dtype) == (6, 4, (1, 4, 6), np.bool_)
    assert mask[0].nonzero()[0].tolist() == [2, 2, 3, 3] and mask[0].nonzero()[1].tolist() == [0, 1, 0, 1]
    bench.limit_pixels(10)
    with pytest.raises(ValueError, match="limit"):
        bench.invoke("rectangle_mask", x_left=0, y_top=0, **size)


def test_tensors_from_pictures_and_back(bench: NodeBench) -> None:
    dark = bench.invoke("image_mask_to_tensor", image=left_black())
    assert np.asarray(bench.image("tensor_mask_to_image", mask=dark.mask))[0].tolist() == [255] * 4 + [0] * 6
    light = bench.invoke("image_mask_to_tensor", image=left_black(), invert=True)
    inverted = bench.invoke("invert_tensor_mask", mask=dark.mask)
    assert (bench.tensors.load(light.mask.tensor_name) == bench.tensors.load(inverted.mask.tensor_name)).all()
    image = Image.new("RGBA", (10, 6))
    image.putalpha(left_black())
    opaque = bench.invoke("alpha_mask_to_tensor", image=image)
    assert (bench.tensors.load(opaque.mask.tensor_name) == bench.tensors.load(light.mask.tensor_name)).all()
    clear = bench.invoke("alpha_mask_to_tensor", image=image, invert=True)
    assert (bench.tensors.load(clear.mask.tensor_name) == bench.tensors.load(dark.mask.tensor_name)).all()


def test_applied_tensor_hides_what_it_does_not_cover(bench: NodeBench) -> None:
    mask = bench.invoke("image_mask_to_tensor", image=left_black()).mask
    image = Image.new("RGB", (20, 12), "red")  # twice the mask's size
    shown = np.asarray(bench.image("apply_tensor_mask_to_image", mask=mask, image=image))
    assert shown[0, 7].tolist() == [255, 0, 0, 255] and shown[0, 8, 3] == 0
    hidden = np.asarray(bench.image("apply_tensor_mask_to_image", mask=mask, image=image, invert=True))
    assert hidden[0, 7, 3] == 0 and hidden[0, 8, 3] == 255


def test_a_tensor_that_is_no_mask_is_refused(bench: NodeBench) -> None:
    name = bench.tensors.save(np.zeros((4, 8, 8)))
    with pytest.raises(ValueError, match="shape"):
        bench.invoke("tensor_mask_to_image", mask=TensorField(tensor_name=name))
