import pytest
from PIL import Image

from invokeai.invocation_api import BoundingBoxField, ColorField
from tests.app.invocations.conftest import NodeBench

RED, BLUE, CLEAR = (255, 0, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


def halves(width: int = 8, height: int = 4) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image


def test_blank_image_has_the_colour_and_alpha_only_in_rgba(bench: NodeBench) -> None:
    color = ColorField(r=1, g=2, b=3, a=4)
    assert bench.image("blank_image", width=3, height=2, mode="RGBA", color=color).getpixel((2, 1)) == (1, 2, 3, 4)
    plain = bench.image("blank_image", width=3, height=2, color=color)
    assert (plain.mode, plain.size, plain.getpixel((0, 0))) == ("RGB", (3, 2), (1, 2, 3))


@pytest.mark.parametrize(("width", "height"), [(0, 5), (-3, 5)])
def test_blank_image_refuses_an_empty_size(bench: NodeBench, width: int, height: int) -> None:
    with pytest.raises(ValueError, match="empty"):
        bench.invoke("blank_image", width=width, height=height)


@pytest.mark.parametrize(
    ("node", "inputs"),
    [
        ("blank_image", {"width": 20_000, "height": 20_000}),
        ("img_resize", {"width": 101, "height": 100}),
        ("img_scale", {"scale_factor": 1e6}),
        ("img_crop", {"width": 100, "height": 101}),
        ("img_pad_crop", {"left": 10_000}),
        ("img_paste", {"x": 5_000, "y": 5_000}),
    ],
)
def test_results_over_the_limit_are_refused_before_they_are_made(
    bench: NodeBench, node: str, inputs: dict[str, float]
) -> None:
    bench.limit_pixels(10_000)
    if node == "img_paste":
        inputs |= {"base_image": halves()}
    if node != "blank_image":
        inputs |= {"image": halves()}
    with pytest.raises(ValueError, match="over the limit of 10,000 pixels"):
        bench.invoke(node, **inputs)


def test_no_setting_allows_more_than_a_hundred_megapixels(bench: NodeBench) -> None:
    bench.limit_pixels(10**12)
    with pytest.raises(ValueError, match="100,000,000"):
        bench.invoke("blank_image", width=20_000, height=20_000)


def test_resize_stretches(bench: NodeBench) -> None:
    image = bench.image("img_resize", image=halves(), width=2, height=6, resample_mode="box")
    assert image.size == (2, 6)
    assert (image.getpixel((0, 5)), image.getpixel((1, 0))) == ((255, 0, 0), (0, 0, 255))


def test_scale_rounds_down_but_never_to_nothing(bench: NodeBench) -> None:
    assert bench.image("img_scale", image=halves(), scale_factor=1.3).size == (10, 5)
    assert bench.image("img_scale", image=halves(), scale_factor=0.01).size == (1, 1)


def test_crop_inside_keeps_the_mode_and_outside_is_transparent(bench: NodeBench) -> None:
    inside = bench.image("img_crop", image=halves(), x=3, y=1, width=2, height=2)
    assert (inside.mode, inside.getpixel((0, 0)), inside.getpixel((1, 1))) == ("RGB", (255, 0, 0), (0, 0, 255))
    outside = bench.image("img_crop", image=halves(), x=-1, y=3, width=2, height=2)
    assert outside.getpixel((1, 0)) == RED
    assert {outside.getpixel((0, 0)), outside.getpixel((0, 1)), outside.getpixel((1, 1))} == {CLEAR}


def test_pad_crop_moves_each_side(bench: NodeBench) -> None:
    image = bench.image("img_pad_crop", image=halves(), left=2, right=-3, top=1, bottom=0)
    assert image.size == (7, 5)
    assert image.getpixel((0, 4)) == CLEAR and image.getpixel((2, 0)) == CLEAR
    assert image.getpixel((2, 1)) == RED and image.getpixel((6, 4)) == BLUE
    with pytest.raises(ValueError, match="empty"):
        bench.invoke("img_pad_crop", image=halves(), left=-8)


def test_paste_grows_the_canvas_unless_cropped(bench: NodeBench) -> None:
    patch = Image.new("RGB", (4, 4), "lime")
    grown = bench.image("img_paste", base_image=halves(), image=patch, x=-2, y=-2)
    assert grown.size == (10, 6)
    assert grown.getpixel((0, 0)) == (0, 255, 0, 255) and grown.getpixel((0, 5)) == CLEAR
    assert grown.getpixel((2, 5)) == RED
    cropped = bench.image("img_paste", base_image=halves(), image=patch, x=-2, y=-2, crop=True)
    assert cropped.size == (8, 4)
    assert cropped.getpixel((1, 1)) == (0, 255, 0, 255) and cropped.getpixel((2, 0)) == RED


def test_paste_shows_the_image_where_the_mask_is_black(bench: NodeBench) -> None:
    mask = Image.new("L", (4, 4), 255)
    mask.paste(0, (0, 0, 1, 4))
    image = bench.image("img_paste", base_image=halves(), image=Image.new("RGB", (4, 4), "lime"), mask=mask)
    assert image.getpixel((0, 0)) == (0, 255, 0, 255) and image.getpixel((1, 0)) == RED


def test_transparent_parts_of_a_pasted_image_let_the_base_through(bench: NodeBench) -> None:
    image = bench.image("img_paste", base_image=halves(), image=Image.new("RGBA", (8, 4), (0, 255, 0, 0)))
    assert image.getpixel((0, 0)) == RED


def test_crop_to_box_and_to_what_is_visible(bench: NodeBench) -> None:
    box = BoundingBoxField(x_min=3, x_max=5, y_min=0, y_max=4)
    assert bench.image("crop_image_to_bounding_box", image=halves(), bounding_box=box).size == (2, 4)
    dot = Image.new("RGBA", (9, 9))
    dot.putpixel((4, 7), RED)
    assert bench.image("crop_image_to_bounding_box", image=dot).size == (1, 1)
    assert bench.image("crop_image_to_bounding_box", image=Image.new("RGBA", (9, 9))).size == (9, 9)


def test_paste_into_box_wants_the_exact_size_and_place(bench: NodeBench) -> None:
    source, target = Image.new("RGB", (2, 2), "lime"), halves()
    box = BoundingBoxField(x_min=1, x_max=3, y_min=2, y_max=4)
    image = bench.image("paste_image_into_bounding_box", source_image=source, target_image=target, bounding_box=box)
    assert image.getpixel((1, 2)) == (0, 255, 0) and image.getpixel((0, 2)) == (255, 0, 0)
    for wrong, message in (((1, 4, 2, 4), "the box is 3 × 2"), ((7, 9, 2, 4), "does not fit")):
        box = BoundingBoxField(**dict(zip(("x_min", "x_max", "y_min", "y_max"), wrong, strict=True)))
        with pytest.raises(ValueError, match=message):
            bench.invoke("paste_image_into_bounding_box", source_image=source, target_image=target, bounding_box=box)


def test_a_paste_never_changes_the_stored_target(bench: NodeBench) -> None:
    target = bench.put(halves())
    box = BoundingBoxField(x_min=0, x_max=2, y_min=0, y_max=2)
    bench.invoke(
        "paste_image_into_bounding_box",
        source_image=Image.new("RGB", (2, 2), "lime"),
        target_image=target,
        bounding_box=box,
    )
    assert bench.images.get_pil(target.image_name).getpixel((0, 0)) == (255, 0, 0)


def test_kontext_pictures_stand_side_by_side(bench: NodeBench) -> None:
    first, second = bench.put(Image.new("RGB", (300, 200), "red")), bench.put(Image.new("RGB", (50, 100), "blue"))
    image = bench.image("flux_kontext_image_prep", images=[first, second])
    assert image.size == (1248 + 416, 832)
    assert (image.getpixel((1200, 400)), image.getpixel((1300, 400))) == ((255, 0, 0), (0, 0, 255))
    as_is = bench.image("flux_kontext_image_prep", images=[first, second], use_preferred_resolution=False)
    assert as_is.size == (400, 200)
    with pytest.raises(ValueError, match="at least 1 item"):
        bench.invoke("flux_kontext_image_prep", images=[])


def test_panel_layout(bench: NodeBench) -> None:
    panel = bench.invoke("image_panel_layout", width=100, height=50, num_cols=3, num_rows=2, panel_col_idx=2)
    assert (panel.x_left, panel.y_top, panel.width, panel.height) == (66, 0, 33, 25)
    with pytest.raises(ValueError, match="no panel"):
        bench.invoke("image_panel_layout", width=100, height=50, num_cols=3, panel_col_idx=3)
