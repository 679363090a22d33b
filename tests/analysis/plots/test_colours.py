from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from analysis.plots.colours import BACKGROUND, COLOURS, class_looks, is_light

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "red-blind": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "green-blind": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]


def lab(colour: str, eye: str) -> npt.NDArray[np.float64]:
    """CIELAB of a colour (D65) as an eye sees it."""
    rgb = np.array([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.array(TO_XYZ) @ np.clip(EYES[eye] @ linear, 0, 1) / (0.95047, 1.0, 1.08883)
    fx, fy, fz = (np.cbrt(v) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


@pytest.mark.parametrize("eye", EYES)
def test_every_eye_tells_the_colours_apart(eye: str) -> None:
    """The difference is above 15, where 2.3 is just noticeable; Okabe and Ito's own smallest one is 17."""
    seen = {colour: lab(colour, eye) for colour in (*COLOURS, BACKGROUND)}
    assert min(np.linalg.norm(seen[one] - seen[other]) for one, other in combinations(seen, 2)) > 15


def test_72_classes_look_different() -> None:
    looks = class_looks(72)
    assert len(set(looks)) == 72
    assert {look.hatch for look in looks[: len(COLOURS)]} == {""}


def test_background_is_grey_and_takes_no_colour() -> None:
    looks = class_looks(3, background={1})
    assert [look.colour for look in looks] == [COLOURS[0], BACKGROUND, COLOURS[1]]


def test_black_is_legible_on_light_colours() -> None:
    assert [is_light(colour) for colour in ("#FFFFFF", "#F0E442", "#332288", "#000000")] == [True, True, False, False]
    assert [look.hatch_colour for look in class_looks(2)] == ["white", "black"]
