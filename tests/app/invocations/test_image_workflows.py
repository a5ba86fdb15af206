"""Image nodes in graphs, enqueued over HTTP, run by the real processor, stored by the real image service."""

import asyncio
from pathlib import Path
from typing import Any

from PIL import Image

from tests.app.api.served_studio import ServedStudio, served_studio
from tests.app.services.queue_studio import batch_of


async def run(studio: ServedStudio, nodes: dict[str, dict[str, Any]], *edges: tuple[str, str]) -> dict[str, Any]:
    """The ended queue item of a graph."""
    for node_id, node in nodes.items():
        node.setdefault("id", node_id)
    answer = await studio.enqueue(batch_of(nodes, *edges))
    assert answer.status_code == 200, answer.text
    item_id = answer.json()["item_ids"][0]
    item: dict[str, Any] = {}

    async def ended() -> bool:
        nonlocal item
        item = (await studio.http.get(f"/api/v1/queue/default/i/{item_id}")).json()
        return item["status"] in ("completed", "failed", "canceled")

    while not await ended():
        await asyncio.sleep(0.02)
    return item


def result_of(item: dict[str, Any], source: str) -> dict[str, Any]:
    session = item["session"]
    (prepared,) = session["source_prepared_mapping"][source]
    return session["results"][prepared]


async def picture(studio: ServedStudio, result: dict[str, Any]) -> Image.Image:
    return await studio.app.state.services.images.get_pil(result["image"]["image_name"])


def files(root: Path) -> set[str]:
    return {path.name for path in (root / "outputs" / "images").glob("*.png")}


async def test_pictures_travel_through_a_graph(tmp_path: Path) -> None:
    red = {"r": 255, "g": 0, "b": 0, "a": 255}
    nodes: dict[str, dict[str, Any]] = {
        "base": {"type": "blank_image", "width": 64, "height": 32, "is_intermediate": True},
        "patch": {"type": "blank_image", "width": 16, "height": 16, "color": red, "is_intermediate": True},
        "paste": {"type": "img_paste", "x": 8, "y": 8, "is_intermediate": True},
        "scale": {"type": "img_scale", "scale_factor": 2, "resample_mode": "nearest", "is_intermediate": True},
        "save": {"type": "save_image"},
    }
    edges = [("base.image", "paste.base_image"), ("patch.image", "paste.image")]
    edges += [("paste.image", "scale.image"), ("scale.image", "save.image")]
    async with served_studio(tmp_path) as studio:
        item = await run(studio, nodes, *edges)
        assert item["status"] == "completed", item
        saved = result_of(item, "save")
        assert (saved["width"], saved["height"]) == (128, 64)
        image = (await picture(studio, saved)).convert("RGB")
        assert (image.getpixel((16, 16)), image.getpixel((15, 16))) == ((255, 0, 0), (0, 0, 0))
        names = {node: result_of(item, node)["image"]["image_name"] for node in nodes}
        assert files(tmp_path) == set(names.values())
        dtos = {node: await studio.app.state.services.images.get_dto(name) for node, name in names.items()}
        kept = [node for node, dto in dtos.items() if not dto.is_intermediate]
        assert kept == ["save"]


async def test_masks_travel_as_tensors(tmp_path: Path) -> None:
    box = {"x_left": 4, "y_top": 2, "rectangle_width": 8, "rectangle_height": 4}
    nodes: dict[str, dict[str, Any]] = {
        "mask": {"type": "rectangle_mask", "width": 32, "height": 16, **box},
        "invert": {"type": "invert_tensor_mask"},
        "picture": {"type": "tensor_mask_to_image"},
        "box": {"type": "get_image_mask_bounding_box", "mask_color": {"r": 0, "g": 0, "b": 0, "a": 255}},
        "crop": {"type": "crop_image_to_bounding_box"},
    }
    edges = [("mask.mask", "invert.mask"), ("invert.mask", "picture.mask"), ("picture.image", "box.mask")]
    edges += [("picture.image", "crop.image"), ("box.bounding_box", "crop.bounding_box")]
    async with served_studio(tmp_path) as studio:
        item = await run(studio, nodes, *edges)
        assert item["status"] == "completed", item
        found = result_of(item, "box")["bounding_box"]
        assert [found[edge] for edge in ("x_min", "y_min", "x_max", "y_max")] == [4, 2, 12, 6]
        image = await picture(studio, result_of(item, "crop"))
        assert image.size == (8, 4) and image.convert("L").getextrema() == (0, 0)
    assert len(list((tmp_path / "outputs" / "tensors").glob("*.npz"))) == 2


async def test_a_graph_run_twice_answers_from_the_cache_and_stores_no_copies(tmp_path: Path) -> None:
    nodes: dict[str, dict[str, Any]] = {"base": {"type": "blank_image"}, "blur": {"type": "img_blur"}}
    async with served_studio(tmp_path) as studio:
        first = await run(studio, nodes, ("base.image", "blur.image"))
        again = await run(studio, nodes, ("base.image", "blur.image"))
        assert result_of(first, "blur") == result_of(again, "blur")
        assert len(files(tmp_path)) == 2


async def test_a_picture_over_the_limit_fails_in_words_and_stores_nothing(tmp_path: Path) -> None:
    nodes: dict[str, dict[str, Any]] = {
        "base": {"type": "blank_image", "width": 100, "height": 100, "is_intermediate": True},
        "scale": {"type": "img_scale", "scale_factor": 1000},
    }
    async with served_studio(tmp_path, max_image_pixels=1_000_000) as studio:
        item = await run(studio, nodes, ("base.image", "scale.image"))
        assert item["status"] == "failed"
        assert "100000 × 100000 pixels is over the limit of 1,000,000" in item["error_message"]
        missing = await run(studio, {"blur": {"type": "img_blur", "image": {"image_name": "none.png"}}})
        assert missing["status"] == "failed" and "none.png" in missing["error_message"]
        assert len(files(tmp_path)) == 1  # the small one
