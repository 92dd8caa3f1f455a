"""Ribbons: what is decoded along a path between two points of latent space."""

import math

import pandas as pd
import streamlit as st
import torch

import ui
from cvae_core.tense import explore
from cvae_core.tense.data import TENSES
from cvae_core.tense.inference import Inflector
from cvae_core.tense.regions import decode_all
from ui.figures import latent as figures
from ui.latent.common import REFINE_HELP, ROUNDS, seeds_input, verb_ends, version
from ui.pictures import ribbon, show_ribbons

POINTS = 201
SHORT = ("pres.", "3rd p.", "-ing", "past")
PATHS = {
    "s, straight": ("s", "lerp"), "z, straight": ("z", "lerp"), "z, arc": ("z", "slerp"), "s, arc": ("s", "slerp"),
}  # fmt: skip
PATHS_HELP = (
    "s spells a word: the path begins and ends at the words themselves, known or not, with invented spellings between. "
    "z identifies a verb: nearly every point is a verb of the dictionary, and an unknown word becomes a verb near it. "
    "The arc goes around the origin (slerp) where the straight line (lerp) goes past it."
)
READ = (
    "Each ribbon is one tense along the path, a colour per verb; the higher it is, the surer the decoder. Hatched, "
    "in italics: not in the dictionary. **Where all four ribbons change at the same point, one latent is one verb.** "
)
TRY = {
    "Two verbs": "Try two words that no dictionary has, *grattle* and *vashify*, and compare the path in s with that "
    "in z.",
    "Two samples": "Try *z, arc* above *z, straight*: halfway the straight line is nearer to the origin than the prior "
    "ever is.",
}


def show_interpolate(model: Inflector) -> None:
    """The view: ribbons along one or more paths, a table of the steps, and the norm along the path."""
    columns = st.columns([2, 3])
    kind = columns[0].segmented_control(
        "Ends", list(TRY), default="Two verbs", required=True, key="ends", bind="query-params"
    )
    paths = _pick_paths(columns[1], model, words := kind == "Two verbs")
    first, second = st.columns(2)
    if words:
        typed = verb_ends(first, second, model)
        ends = {space: typed.points(space) for space in {PATHS[path][0] for path in paths}}
        name = f"{typed.first.word}-{typed.second.word}"
    else:
        seeds = seeds_input(first, second)
        z = torch.cat([model.draw(1, seed) for seed in seeds])
        ends = {"z": z, "s": model.spelled(z, "z")}
        name = f"samples-{seeds[0]}-{seeds[1]}"
    rows = [(path, _ribbons(*version(model), *PATHS[path], _plain(ends[PATHS[path][0]]))) for path in paths]
    st.markdown(READ + TRY[kind])
    show_ribbons(rows, f"{name} {' '.join(paths)}", "ribbons", f"What is decoded along the path {name}, in four tenses")
    _show_steps(model, ends, paths)


def _pick_paths(place, model: Inflector, words: bool) -> list[str]:
    """The paths to show, one above another; at least one."""
    options = [path for path, (space, _) in PATHS.items() if space == "z" or model.config.spelling_size]
    default = [path for path in (["s, straight"] if words else ["z, straight"]) if path in options] or options[:1]
    return place.pills(
        "Paths", options, selection_mode="multi", default=default, key="paths" if words else "paths_of_samples",
        bind="query-params", help=PATHS_HELP,
    ) or default  # fmt: skip


def _plain(ends: torch.Tensor) -> tuple[tuple[float, ...], ...]:
    """Two points as plain numbers, a key of the cache."""
    return tuple(map(tuple, ends.tolist()))


@st.cache_data(max_entries=60, show_spinner=False)
def _ribbons(name: str, modified: float, space: str, method: str, ends: tuple) -> list[dict]:
    model = ui.load_model(name)
    a, b = torch.tensor(ends, device=model.device)
    decoded = decode_all(model, model.path(a, b, POINTS, method), space)
    return [ribbon(*part) for part in zip(TENSES, decoded, SHORT, strict=True)]


def _show_steps(model: Inflector, ends: dict[str, torch.Tensor], paths: list[str]) -> None:
    """The first path as a table of a few steps, to download, and the norm of its points."""
    panel = st.expander("The path as a table, and its norm", on_change="rerun", key="steps_open")
    if not panel.open:
        return
    space, method = PATHS[paths[0]]
    a, b = ends[space]
    columns = panel.columns(2, vertical_alignment="bottom")
    steps = columns[0].slider("Steps", 2, 30, 8, key="steps", bind="query-params")
    refined = space == "z" and columns[1].toggle(
        "Refine each step", key="refine", bind="query-params", help=REFINE_HELP
    )
    walked = explore.walk(model, a, b, steps, method, ROUNDS if refined else 0, space)
    panel.dataframe(
        pd.DataFrame([
            {"step": w["step"]}
            | {t: _cell(*cell) for t, *cell in zip(TENSES, w["forms"], w["known"], w["probabilities"], strict=True)}
            | {"one verb": "✓" if w["verb"] else "", f"norm of {space}": f"{w['norm']:.2f}"}
            for w in walked
        ]),
        hide_index=True,
        alt="The four forms at each step of the path",
    )  # fmt: skip
    panel.markdown(
        "A ✓ after a form: the dictionary lists it in this tense. In the column *one verb*: the dictionary lists all "
        "four as one verb. In brackets: the probability that the decoder gives the word."
    )
    table = pd.DataFrame(map(_flat_row, walked)).to_csv(index=False)
    panel.download_button("Download CSV", table, "path.csv", "text/csv", on_click="ignore")
    with panel:
        _show_norms(model, a, b, space)


def _cell(form: str, known: bool, probability: float) -> str:
    percent = "<1%" if probability < 0.01 else f"{probability:.0%}"
    return f"{form}{' ✓' if known else ''} ({percent})"


def _flat_row(w: dict) -> dict:
    """A step of a path as a row of the CSV file."""
    row = {"step": w["step"], "t": w["t"], "norm": w["norm"]}
    for i, tense in enumerate(TENSES):
        row |= {tense: w["forms"][i], f"{tense} probability": w["probabilities"][i], f"{tense} known": w["known"][i]}
    return row | {"one verb": w["verb"]}


def _show_norms(model: Inflector, a: torch.Tensor, b: torch.Tensor, space: str) -> None:
    """A chart of the norm on the line and on the arc, and why they differ."""
    ways = {"straight line": "lerp", "arc": "slerp"}
    norms = {name: model.path(a, b, POINTS, method).norm(dim=1).tolist() for name, method in ways.items()}
    st.plotly_chart(
        figures.norm_figure(norms, space), key="norms", config=ui.PLAIN,
        alt=f"Norm of {space} along the straight line and along the arc",
    )  # fmt: skip
    halfway = [values[POINTS // 2] for values in norms.values()]
    d = len(a)
    st.markdown(
        f"Halfway the line has norm **{halfway[0]:.2f}** and the arc **{halfway[1]:.2f}**. A sample of N(0, I) in {d} "
        f"dimensions has a norm of about √{d} = {math.sqrt(d):.2f}: nearly all samples lie in a thin shell of that "
        f"radius. The midpoint of two independent samples has half the variance of one, so a norm of about "
        f"√({d}/2) = {math.sqrt(d / 2):.2f}: the straight line leaves the shell for a region where the decoder was "
        "trained on few examples; the arc stays in it. Posterior means of words have smaller norms than samples: in "
        "dimensions that the model does not use they stay near 0."
    )
