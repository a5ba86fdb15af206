import numpy as np
from PIL import Image

from tests.app.invocations.conftest import NodeBench


def half_mask() -> Image.Image:
    """Black (generated) at the left half of 40 × 10."""
    mask = Image.new("RGBA", (40, 10), "white")
    mask.paste("black", (0, 0, 20, 10))
    return mask


def test_canvas_output_hands_the_same_picture_on(bench: NodeBench) -> None:
    field = bench.put(Image.new("RGB", (3, 2)))
    output = bench.invoke("canvas_output", image=field)
    assert output.image == field and (output.width, output.height) == (3, 2)
    assert len(bench.images.stored) == 1


def test_paste_back_shows_the_new_picture_where_the_mask_is_black(bench: NodeBench) -> None:
    pictures = {"source_image": Image.new("RGB", (40, 10), "blue"), "target_image": Image.new("RGB", (20, 5), "red")}
    pasted = np.asarray(bench.image("canvas_paste_back", mask=half_mask(), **pictures))
    assert pasted.shape == (10, 40, 4)
    assert pasted[5, 19].tolist() == [255, 0, 0, 255] and pasted[5, 20].tolist() == [0, 0, 255, 255]
    soft = np.asarray(bench.image("canvas_paste_back", mask=half_mask(), mask_blur=6, **pictures))
    assert 0 < soft[5, 18, 2] < 127 < soft[5, 22, 2] < 255


def test_mask_and_crop_with_and_without_a_source(bench: NodeBench) -> None:
    generated = Image.new("RGB", (40, 10), "red")
    alone = np.asarray(bench.image("canvas_v2_mask_and_crop", generated_image=generated, mask=half_mask()))
    assert alone[5, 19].tolist() == [255, 0, 0, 255] and alone[5, 20, 3] == 0
    source = Image.new("RGB", (40, 10), "blue")
    both = bench.image("canvas_v2_mask_and_crop", source_image=source, generated_image=generated, mask=half_mask())
    assert (both.getpixel((0, 0)), both.getpixel((39, 9))) == ((255, 0, 0, 255), (0, 0, 255, 255))
