import numpy as np
from PIL import Image, ImageDraw

from tests.app.invocations.conftest import NodeBench


def disc(grey: int = 255) -> Image.Image:
    image = Image.new("RGB", (100, 80))
    ImageDraw.Draw(image).ellipse((30, 20, 70, 60), fill=(grey,) * 3)
    return image


def test_canny_draws_a_thin_closed_line(bench: NodeBench) -> None:
    edges = np.asarray(bench.image("canny_edge_detection", image=disc()))
    assert edges.shape == (80, 100, 3) and set(np.unique(edges)) == {0, 255}
    line = edges[..., 0] == 255
    assert line[40].nonzero()[0].size == 2  # one pixel wide on each side
    radius = np.hypot(*(np.argwhere(line) - [40, 50]).T)
    assert radius.min() > 18.5 and radius.max() < 22
    angles = np.arctan2(*(np.argwhere(line) - [40, 50]).T)
    assert np.diff(np.sort(angles)).max() < 0.15  # no gap


def test_canny_thresholds(bench: NodeBench) -> None:
    faint = disc(30)  # gradient about 120
    assert bench.image("canny_edge_detection", image=faint, low_threshold=20, high_threshold=60).getbbox()
    assert bench.image("canny_edge_detection", image=faint, low_threshold=200, high_threshold=250).getbbox() is None


def test_canny_joins_weak_edges_to_strong_ones_only(bench: NodeBench) -> None:
    values = np.zeros((40, 60), dtype=np.uint8)
    values[:20] = np.linspace(60, 20, 60).astype(np.uint8)  # one edge, ever weaker to the right
    values[30:, :] = 12  # a weak edge of its own
    edges = np.asarray(
        bench.image("canny_edge_detection", image=Image.fromarray(values), low_threshold=40, high_threshold=200)
    )[..., 0]
    assert edges[18:22].any(axis=0)[2:-2].all()
    assert not edges[27:33].any()


def test_canny_sees_colour_edges(bench: NodeBench) -> None:
    image = Image.new("RGB", (20, 10), (255, 0, 0))
    image.paste((0, 130, 0), (10, 0, 20, 10))
    assert bench.image("canny_edge_detection", image=image).getbbox() is not None


def test_colour_map_averages_tiles_up_to_the_edge(bench: NodeBench) -> None:
    image = Image.new("RGB", (10, 5), "black")
    image.paste("white", (0, 0, 2, 4))
    tiles = np.asarray(bench.image("color_map", image=image, tile_size=4))[..., 0]
    assert tiles.shape == (5, 10)
    assert (tiles[:4, :4] == 128).all() and (tiles[4:] == 0).all() and (tiles[:, 4:] == 0).all()
    assert (np.asarray(bench.image("color_map", image=image, tile_size=999)) == 41).all()


def test_shuffle_moves_content_and_invents_no_colours(bench: NodeBench) -> None:
    image = Image.new("RGB", (90, 60), "red")
    image.paste("blue", (45, 0, 90, 60))
    stirred = bench.image("content_shuffle", image=image, scale_factor=20)
    pixels = np.asarray(stirred, dtype=int)
    assert stirred.size == image.size and (pixels != np.asarray(image)).any()
    assert (pixels[..., 1] == 0).all() and np.abs(pixels[..., 0] + pixels[..., 2] - 255).max() <= 1
    assert stirred.tobytes() == bench.image("content_shuffle", image=image, scale_factor=20).tobytes()


def test_shuffle_of_tiny_pictures_and_zero_scale(bench: NodeBench) -> None:
    assert bench.image("content_shuffle", image=Image.new("RGB", (1, 1), "red")).getpixel((0, 0)) == (255, 0, 0)
    assert bench.image("content_shuffle", image=disc(), scale_factor=0).tobytes() == disc().tobytes()
