"""Answers of providers as JSON: whatever was paid for is read, however odd the text around it."""

import json
import math

import pytest

from invokeai.app.services.image_providers.http_answer import HttpAnswer, json_in

PICTURE = "aGVsbG8=" * 20_000


@pytest.mark.parametrize(
    "text",
    [
        f'{{"data": [{{"b64_json": "{PICTURE}"}}]}}',
        f'{{"data": [{{"b64_json": "{PICTURE}"}}], "prompt": "half a pair: \\ud83d"}}',
        f'\ufeff{{"data": [{{"b64_json": "{PICTURE}"}}]}}',
        f'{{"data": [{{"b64_json": "{PICTURE}"}}], "seed": {2**80}}}',
    ],
    ids=["plain", "surrogate", "byte order mark", "long number"],
)
def test_a_picture_is_found_in_whatever_json_there_is(text: str) -> None:
    answer = HttpAnswer(200, {}, text.encode())
    assert answer.json()["data"] == [{"b64_json": PICTURE}]


def test_a_cost_that_is_no_number_hides_no_picture() -> None:
    found = json_in(b'{"cost": NaN, "data": [1]}')
    assert math.isnan(found["cost"]) and found["data"] == [1]


def test_numbers_of_sixty_four_bits_keep_every_digit() -> None:
    for seed in (2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63)):
        assert json_in(json.dumps({"seed": seed})) == {"seed": seed}


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"data": [', b"\xff\xfe\xfa", b"[" * 100_000])
def test_what_is_no_json_is_an_empty_answer(text: bytes) -> None:
    assert HttpAnswer(200, {}, text).json() == {}
    with pytest.raises(ValueError):
        json_in(text)
