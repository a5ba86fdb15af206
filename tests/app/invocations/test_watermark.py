import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.app.invocations.conftest import NodeBench

MARKED = Path(__file__).parents[2] / "backend" / "image" / "marked_by_invisible_watermark.png"


def photo(width: int = 320, height: int = 288) -> Image.Image:
    """Soft random colours, some of them transparent."""
    small = np.random.default_rng(5).integers(0, 256, (20, 20, 4), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("text", ["InvokeAI", "a", "grüße 🎨"])
def test_text_comes_back_and_the_picture_hardly_changes(bench: NodeBench, text: str) -> None:
    marked = bench.image("img_watermark", image=photo(), text=text)
    assert bench.invoke("decode_watermark", image=marked, length=len(text.encode())).value == text
    before, after = (np.asarray(image, dtype=int) for image in (photo(), marked))
    assert (before[..., 3] == after[..., 3]).all() and np.abs(before - after)[..., :3].mean() < 3


@pytest.mark.parametrize("size", [(257, 259), (301, 260)])
def test_odd_sizes(bench: NodeBench, size: tuple[int, int]) -> None:
    marked = bench.image("img_watermark", image=photo(*size))
    assert marked.size == size and bench.invoke("decode_watermark", image=marked).value == "InvokeAI"


def test_text_survives_jpeg(bench: NodeBench) -> None:
    buffer = io.BytesIO()
    bench.image("img_watermark", image=photo(640, 512).convert("RGB")).save(buffer, "JPEG", quality=90)
    assert bench.invoke("decode_watermark", image=Image.open(buffer)).value == "InvokeAI"


def test_a_picture_marked_by_the_package_is_read(bench: NodeBench) -> None:
    with Image.open(MARKED) as image:
        assert bench.invoke("decode_watermark", image=image.copy()).value == "InvokeAI"


def test_no_mark_reads_as_noise(bench: NodeBench) -> None:
    assert bench.invoke("decode_watermark", image=photo()).value != "InvokeAI"


def test_too_small_or_too_much_is_refused(bench: NodeBench) -> None:
    with pytest.raises(ValueError, match="too small for a watermark"):
        bench.invoke("img_watermark", image=Image.new("RGB", (64, 64)))
    with pytest.raises(ValueError, match="of 500 bytes"):
        bench.invoke("img_watermark", image=photo(), text="x" * 500)
    with pytest.raises(ValueError, match="at least one byte"):
        bench.invoke("decode_watermark", image=photo(), length=0)
