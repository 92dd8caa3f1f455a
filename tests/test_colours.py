"""The palettes of the figures: contrast with both themes, and colours that can be told apart."""

import itertools
import tomllib

import numpy as np
import plotly.graph_objects as go
import pytest

from cvae_core.tense import data
from tests.helpers import ROOT
from ui import figures

THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    """Linear RGB of #rrggbb, (3,)."""
    srgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio, 1 to 21."""
    low, high = sorted(TO_XYZ[1] @ linear(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB, white D65."""
    x, y, z = np.cbrt(np.clip(TO_XYZ @ np.clip(rgb, 0, 1) / TO_XYZ.sum(1), 0.009, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_has_a_contrast_of_three_to_one_with_the_page(theme):
    background = THEME[theme]["backgroundColor"]
    palettes = [*figures.COLOURS, *figures.RUNS, *figures.TENSES.values(), figures.KNOWN, figures.INVENTED]
    assert {c: contrast(c, background) for c in palettes if contrast(c, background) < 3} == {}
    assert contrast(THEME[theme].get("textColor", "#ffffff"), background) > 7


@pytest.mark.parametrize("vision", VISIONS)
def test_runs_and_tenses_can_be_told_apart_with_any_colour_vision(vision):
    for palette, least in ((figures.RUNS, 25), (tuple(figures.TENSES.values()), 19)):
        seen = [lab(np.array(VISIONS[vision]) @ linear(colour)) for colour in palette]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > least


def test_the_tenses_are_those_of_the_verbs_and_figures_use_the_template():
    assert list(figures.TENSES) == list(data.TENSES)
    assert go.Figure().layout.template.layout.colorway == figures.COLOURS
    assert figures.faint("#0A0B0C", 0.5) == "rgba(10, 11, 12, 0.5)"
