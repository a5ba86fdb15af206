"""Metadata nodes: what the studio stores with a picture, and reading it back."""

from types import SimpleNamespace
from typing import Any

import pytest

from invokeai.invocation_api import InvalidInput
from invokeai.version import CONTRACT_VERSION
from tests.app.invocations.run_node import context, run

MODEL = {"key": "k", "hash": "h", "name": "N", "base": "external", "type": "external_image_generator"}


def test_core_metadata_keeps_what_has_a_value_and_unknown_members() -> None:
    whole_record = {**MODEL, "capabilities": {"modes": ["txt2img"]}, "provider_id": "sketch"}
    found = run("core_metadata", positive_prompt="a cat", width=64, seed=0, model=whole_record, own={"a": None})
    assert found["metadata"] == {
        "positive_prompt": "a cat",
        "width": 64,
        "seed": 0,
        "model": MODEL,
        "own": {"a": None},
        "app_version": CONTRACT_VERSION,
    }
    assert list(found["metadata"])[-1] == "app_version"


def test_items_are_built_merged_and_replaced() -> None:
    item = run("metadata_item", label="steps", value=20)["item"]
    assert item == {"label": "steps", "value": 20}
    assert run("metadata", items=item)["metadata"] == {"steps": 20}
    assert run("metadata", items=[item, {"label": "steps", "value": 30}])["metadata"] == {"steps": 30}
    assert run("merge_metadata", collection=[{"a": 1, "b": 1}, {"b": 2}])["metadata"] == {"a": 1, "b": 2}
    linked = run("metadata_item_linked", metadata={"steps": 1, "seed": 5}, label="steps", value=2)
    assert linked["metadata"] == {"steps": 2, "seed": 5}
    assert run("metadata_item_linked", custom_label="mine", value="x")["metadata"] == {"mine": "x"}


def test_the_metadata_of_a_picture() -> None:
    class Images:
        async def get_metadata(self, image_name: str) -> dict[str, Any] | None:
            return {"positive_prompt": "a cat", "seed": 3} if image_name == "a" else None

    given = context(images=Images())
    assert run("metadata_from_image", given, image={"image_name": "a"})["metadata"]["seed"] == 3
    assert run("metadata_from_image", given, image={"image_name": "b"})["metadata"] == {}
    assert run("metadata_field_extractor", given, image={"image_name": "a"}, key="positive_prompt")["value"] == "a cat"
    for name, key in (("a", "seed"), ("b", "positive_prompt")):
        with pytest.raises(InvalidInput, match="has no text"):
            run("metadata_field_extractor", given, image={"image_name": name}, key=key)


@pytest.mark.parametrize(
    "node_type, label, default, stored, value",
    [
        ("metadata_to_string", "positive_prompt", "d", "a cat", "a cat"),
        ("metadata_to_integer", "seed", 1, 7, 7),
        ("metadata_to_float", "cfg_scale", 1.0, 7.5, 7.5),
        ("metadata_to_bool", "seamless_x", False, True, True),
        ("metadata_to_string_collection", "positive_prompt", [], "a cat", ["a cat"]),
        ("metadata_to_integer_collection", "seed", [], [1, 2], [1, 2]),
        ("metadata_to_float_collection", "guidance", [], 2.5, [2.5]),
        ("metadata_to_bool_collection", "seamless_y", [], [True], [True]),
        ("metadata_to_scheduler", "scheduler", "euler", "ddim", "ddim"),
    ],
)
def test_reading_a_value_back(node_type: str, label: str, default: Any, stored: Any, value: Any) -> None:
    found = run(node_type, metadata={label: stored}, label=label, default_value=default)
    assert next(iter(found.values())) == value
    for absent in ({}, {label: None}, None):
        found = run(node_type, metadata=absent, label=label, default_value=default)
        assert next(iter(found.values())) == default
    own = run(
        node_type, metadata={"mine": stored}, label="* CUSTOM LABEL *", custom_label="mine", default_value=default
    )
    assert next(iter(own.values())) == value


def test_a_value_of_another_type_and_a_nameless_label_are_refused() -> None:
    with pytest.raises(InvalidInput, match="another type"):
        run("metadata_to_integer", metadata={"seed": "many"}, label="seed", default_value=1)
    with pytest.raises(InvalidInput, match="custom label"):
        run("metadata_to_integer", metadata={}, label="* CUSTOM LABEL *", default_value=1)


def test_a_model_comes_back_with_its_parts() -> None:
    found = run("metadata_to_model", metadata={"model": MODEL}, default_value={**MODEL, "key": "other"})
    assert found["model"]["key"] == "k" and found["name"] == "N"
    assert found["unet"]["unet"]["submodel_type"] == "unet"
    assert found["clip"]["text_encoder"]["submodel_type"] == "text_encoder"
    assert run("metadata_to_model", default_value={**MODEL, "key": "other"})["model"]["key"] == "other"


def test_any_model_must_still_be_there() -> None:
    class Models:
        async def exists(self, key: str) -> bool:
            return key == "k"

    given = context(models=Models())
    assert run("model_identifier", given, model=MODEL)["model"]["key"] == "k"
    with pytest.raises(InvalidInput, match="not there any more"):
        run("model_identifier", given, model={**MODEL, "key": "gone"})


def test_ideal_sizes() -> None:
    part = {**MODEL, "base": "sdxl", "type": "main"}
    unet = {"unet": part, "scheduler": part, "loras": []}
    assert run("ideal_size", width=2048, height=2048, unet=unet) == {"width": 1024, "height": 1024}
    wide = run("ideal_size", width=1600, height=900, unet=unet)
    assert wide["width"] % 8 == wide["height"] % 8 == 0
    assert wide["width"] / wide["height"] == pytest.approx(16 / 9, rel=0.02)
    assert wide["width"] * wide["height"] == pytest.approx(1024**2, rel=0.02)
    with pytest.raises(InvalidInput, match="external"):
        run("ideal_size", unet={"unet": MODEL, "scheduler": MODEL, "loras": []})
    assert run("wan_i2v_ideal_dimensions", width=1920, height=1080) == {"width": 1280, "height": 720}
    exact = {"width": 1000, "height": 600, "target_resolution": "480p"}
    assert run("wan_i2v_ideal_dimensions", **exact, rounding="floor") == {"width": 800, "height": 480}
    assert run("wan_ti2v_ideal_dimensions", width=1920, height=1080, rounding="floor") == {"width": 1280, "height": 704}
    assert run("wan_ti2v_ideal_dimensions", width=1920, height=1080, rounding="ceiling")["height"] == 736


def test_picture_primitives() -> None:
    class Images:
        async def get_dto(self, image_name: str) -> SimpleNamespace:
            return SimpleNamespace(image_name=image_name, width=3, height=4)

    found = run("image", context(images=Images()), image={"image_name": "a"})
    assert found == {"image": {"image_name": "a"}, "width": 3, "height": 4}
    several = run("image_collection", collection=[{"image_name": "a"}], images=[{"image_name": "b"}])
    assert [image["image_name"] for image in several["collection"]] == ["a", "b"]
    assert run("image_collection")["collection"] == []
