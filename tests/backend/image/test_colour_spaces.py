import numpy as np
import pytest

from invokeai.backend.image import colour_spaces as cs
from invokeai.backend.image import okhsl

GRID = np.stack(np.meshgrid(*[np.linspace(0, 1, 13, dtype=np.float32)] * 3), axis=-1)


@pytest.mark.parametrize(
    ("there", "back", "tolerance"),
    [
        (cs.to_linear, cs.from_linear, 1e-5),
        (cs.to_oklab, cs.from_oklab, 1e-3),
        (cs.to_cielab, cs.from_cielab, 1e-3),
        (cs.to_hsv, cs.from_hsv, 1e-5),
        (cs.to_hsl, cs.from_hsl, 1e-5),
        (okhsl.to_okhsl, okhsl.from_okhsl, 1e-2),
        (okhsl.to_okhsv, okhsl.from_okhsv, 1e-2),
    ],
)
def test_every_colour_survives_the_round_trip(there, back, tolerance: float) -> None:
    assert np.abs(back(there(GRID)) - GRID).max() < tolerance


@pytest.mark.parametrize(
    ("convert", "rgb", "expected"),
    [
        # published reference values
        (cs.to_cielab, (1, 0, 0), (53.24, 80.09, 67.20)),
        (cs.to_cielab, (0, 0, 1), (32.30, 79.19, -107.86)),
        (cs.to_oklab, (1, 0, 0), (0.62796, 0.22486, 0.12585)),
        (cs.to_oklab, (1, 1, 1), (1, 0, 0)),
        (cs.to_hsv, (0, 0.5, 0.5), (0.5, 1, 0.5)),
        (cs.to_hsl, (1, 0.5, 0.5), (0, 1, 0.75)),
        (okhsl.to_okhsl, (1, 0, 0), (0.08120, 1.0, 0.56808)),
        (okhsl.to_okhsl, (0, 0, 1), (0.73348, 1.0, 0.36657)),
        (okhsl.to_okhsv, (1, 0, 0), (0.08120, 1.0, 1.0)),
        (okhsl.to_okhsv, (0, 1, 0), (0.39586, 1.0, 1.0)),
    ],
)
def test_known_colours(convert, rgb: tuple[float, ...], expected: tuple[float, ...]) -> None:
    found = convert(np.array([rgb], dtype=np.float32))[0]
    assert found.tolist() == pytest.approx(expected, rel=1e-3, abs=2e-3)


def test_fitted_colours_are_in_gamut_and_keep_lightness_and_hue() -> None:
    lch = np.random.default_rng(0).random((500, 3), dtype=np.float32) * np.array([1, 0.5, 1], np.float32)
    fitted = cs.fit_gamut(lch)
    light = cs.oklab_to_linear(cs.from_polar(fitted))
    assert light.min() > -1e-3 and light.max() < 1.001
    assert (fitted[:, [0, 2]] == lch[:, [0, 2]]).all() and (fitted[:, 1] <= lch[:, 1]).all()
    assert (cs.fit_gamut(fitted)[:, 1] >= fitted[:, 1] - 1e-6).all()
