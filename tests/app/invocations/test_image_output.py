from pathlib import Path

import pytest
from PIL import Image

from invokeai.app.services.shared.errors import InvalidInput, NotFound
from invokeai.invocation_api import ImageField
from tests.app.invocations.conftest import NodeBench


def test_save_image_stores_a_copy(bench: NodeBench) -> None:
    field = bench.put(Image.new("RGB", (3, 2), "red"))
    output = bench.invoke("save_image", image=field)
    assert output.image != field
    assert bench.images.get_pil(output.image.image_name).getpixel((0, 0)) == (255, 0, 0)


def test_show_image_passes_it_on(bench: NodeBench) -> None:
    field = bench.put(Image.new("RGB", (3, 2)))
    assert bench.invoke("show_image", image=field).image == field


def test_a_missing_picture_is_not_found(bench: NodeBench) -> None:
    for node in ("save_image", "show_image", "img_blur", "tomask"):
        with pytest.raises(NotFound):
            bench.invoke(node, image=ImageField(image_name="none.png"))


@pytest.mark.parametrize(("kind", "kept"), [("png", True), ("jpg", False), ("webp", True)])
def test_exported_file_bears_the_pictures_id(bench: NodeBench, tmp_path: Path, kind: str, kept: bool) -> None:
    output = bench.invoke(
        "save_image_to_file",
        image=Image.new("RGBA", (16, 16), (255, 0, 0, 0)),
        output_directory="exports/2026",
        prefix="hero_",
        suffix="_v2",
        file_format=kind,
    )
    stem = Path(output.image.image_name).stem
    files = list((tmp_path / "outputs").rglob("*.*"))
    assert files == [tmp_path / "outputs" / "exports" / "2026" / f"hero_{stem}_v2.{kind}"]
    with Image.open(files[0]) as image:
        pixel = image.convert("RGBA").getpixel((8, 8))
    assert pixel[3] == 0 if kept else min(pixel) > 250


@pytest.mark.parametrize(
    "folder", ["../out", "/etc", "a/../../b", "C:\\Windows", "..\\..", "~/x", "a\0b", "images", "images/x", "tensors"]
)
def test_folders_outside_of_the_outputs_are_refused(bench: NodeBench, tmp_path: Path, folder: str) -> None:
    with pytest.raises(InvalidInput):
        bench.invoke("save_image_to_file", image=Image.new("RGB", (2, 2)), output_directory=folder)
    assert len(bench.images.stored) == 1 and not list(tmp_path.iterdir())


def test_a_link_out_of_the_outputs_is_refused(bench: NodeBench, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "outputs" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="leads out"):
        bench.invoke("save_image_to_file", image=Image.new("RGB", (2, 2)), output_directory="link")


@pytest.mark.parametrize("part", ["../x", "a/b", "a\\b", "x" * 200, "a\nb", "a:b"])
@pytest.mark.parametrize("place", ["prefix", "suffix"])
def test_name_parts_cannot_name_folders(bench: NodeBench, place: str, part: str) -> None:
    with pytest.raises(InvalidInput, match="file name"):
        bench.invoke("save_image_to_file", image=Image.new("RGB", (2, 2)), **{place: part})
    assert len(bench.images.stored) == 1
