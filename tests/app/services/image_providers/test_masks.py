"""Masks: which ones leave a whole picture that can grow, and what is white for a service."""

import pytest
from PIL import Image, ImageFilter

from invokeai.app.services.image_providers.masks import growth_of, white_mask
from tests.app.services.image_providers.cloud_bench import edges, hole, scene


def test_what_is_black_here_is_white_there() -> None:
    mask = white_mask(hole(64, 64), (64, 64))
    assert (mask.getpixel((20, 20)), mask.getpixel((2, 2))) == (255, 0)


def test_a_soft_edge_is_an_edge() -> None:
    growth = growth_of(scene(256, 256), edges(256, 256).filter(ImageFilter.GaussianBlur(6)), (256, 256))
    assert growth is not None
    assert growth.picture.size == (256 - growth.left - growth.right, 256 - growth.top - growth.bottom)
    assert abs(growth.left - 64) <= 1 and abs(growth.bottom - 16) <= 1 and growth.top == growth.right == 0


@pytest.mark.parametrize("mask", [hole(64, 64), Image.new("L", (64, 64), 255), Image.new("L", (64, 64), 0)])
def test_a_mask_without_new_edges_grows_nothing(mask: Image.Image) -> None:
    assert growth_of(scene(64, 64), mask, (64, 64)) is None
