"""Text nodes, prompt nodes and captions."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.shared.errors import NotFound
from invokeai.invocation_api import InvalidInput
from tests.app.invocations.run_node import context, run


@pytest.mark.parametrize(
    "node_type, inputs, value",
    [
        ("string_join", {"string_left": "a", "string_right": "b"}, "ab"),
        ("string_join_three", {"string_left": "a", "string_middle": "-", "string_right": "b"}, "a-b"),
        ("string_replace", {"string": "a.a", "search_string": ".", "replace_string": "b"}, "aba"),
        ("string_replace", {"string": "abc", "search_string": "[ab]", "replace_string": "", "use_regex": True}, "c"),
        ("string_replace", {"string": "abc", "search_string": "", "replace_string": "x"}, "abc"),
    ],
)
def test_joining_and_replacing(node_type: str, inputs: dict[str, Any], value: str) -> None:
    assert run(node_type, **inputs)["value"] == value


def test_a_wrong_expression_is_refused() -> None:
    with pytest.raises(InvalidInput, match="regular expression"):
        run("string_replace", string="a", search_string="(", use_regex=True)


@pytest.mark.parametrize(
    "text, delimiter, parts",
    [
        ("a|b|c", "|", ("a", "b|c")),
        ("one  two three", "", ("one", "two three")),
        ("abc", "|", ("abc", "")),
        ("", "", ("", "")),
    ],
)
def test_splitting(text: str, delimiter: str, parts: tuple[str, str]) -> None:
    assert tuple(run("string_split", string=text, delimiter=delimiter).values()) == parts


def test_brackets_hold_what_is_not_wanted() -> None:
    found = run("string_split_neg", string="a cat [blurry [very]] on a mat]")
    assert found["positive_string"].split() == ["a", "cat", "on", "a", "mat"]
    assert found["negative_string"].split() == ["blurry", "very"]


def test_dynamic_prompts() -> None:
    combined = run("dynamic_prompt", prompt="{a|b} {c|d}", max_prompts=3, combinatorial=True)
    assert combined["collection"] == ["a c", "a d", "b c"]
    drawn = run("dynamic_prompt", prompt="{a|b|c|d|e|f|g|h}", max_prompts=6)["collection"]
    assert len(drawn) == 6 and set(drawn) <= set("abcdefgh")
    assert run("dynamic_prompt", prompt="{a|b|c|d|e|f|g|h}", max_prompts=6)["collection"] == drawn
    assert run("dynamic_prompt", prompt="", max_prompts=1)["collection"] == [""]
    with pytest.raises(InvalidInput, match="cannot be expanded"):
        run("dynamic_prompt", prompt="a {b|c", max_prompts=2)


@pytest.fixture
def with_root(tmp_path: Path) -> SimpleNamespace:
    (tmp_path / "prompts.txt").write_text("one\ntwo\n\nthree\n")
    (tmp_path / "invokeai.yaml").write_text("provider_keys: {}\n")
    (tmp_path / "latin.txt").write_bytes("caf\xe9".encode("latin-1"))
    config = AppConfig(root=tmp_path)
    return context(config=SimpleNamespace(get=lambda: config))


def test_prompts_from_a_file(with_root: SimpleNamespace) -> None:
    assert run("prompt_from_file", with_root, file_path="prompts.txt")["collection"] == ["one"]
    every = run("prompt_from_file", with_root, file_path="prompts.txt", max_prompts=0, pre_prompt="a ", post_prompt="!")
    assert every["collection"] == ["a one!", "a two!", "a three!"]
    later = run("prompt_from_file", with_root, file_path="prompts.txt", start_line=2, max_prompts=2)
    assert later["collection"] == ["two", "three"]


@pytest.mark.parametrize("name", ["missing.txt", "invokeai.yaml", "latin.txt", "."])
def test_other_files_are_not_read(with_root: SimpleNamespace, name: str) -> None:
    with pytest.raises(InvalidInput):
        run("prompt_from_file", with_root, file_path=name)


def test_a_template_takes_the_prompt_at_its_place_or_after_it() -> None:
    class Presets:
        async def get(self, preset_id: str) -> SimpleNamespace:
            if preset_id != "p":
                raise NotFound("There is no such preset.")
            texts = SimpleNamespace(positive_prompt="photo of {prompt}, sharp", negative_prompt="blurry")
            return SimpleNamespace(preset_data=texts)

    given = context(services=SimpleNamespace(style_presets=Presets()))
    found = run(
        "prompt_template", given, style_preset={"style_preset_id": "p"}, positive_prompt="a cat", negative_prompt="dog"
    )
    assert found == {"positive_prompt": "photo of a cat, sharp", "negative_prompt": "dog blurry"}
    with pytest.raises(NotFound):
        run("prompt_template", given, style_preset={"style_preset_id": "q"})


def test_captions() -> None:
    regions = [{"prompt": "a tree", "bbox": [0, 0, 500, 500]}, {"prompt": "fog"}]
    caption = json.loads(
        run("ideogram4_caption_builder", prompt="a park", regions=regions, color_palette=["#00ff00"])["value"]
    )
    assert caption == {
        "high_level_description": "a park",
        "color_palette": ["#00ff00"],
        "elements": [{"bbox": [0, 0, 500, 500], "desc": "a tree"}, {"desc": "fog"}],
    }
    assert run("ideogram4_caption_builder", prompt='{"a": 1}')["value"] == '{"a": 1}'
    assert json.loads(run("ideogram4_caption_builder", prompt="[1]")["value"]) == {"high_level_description": "[1]"}
