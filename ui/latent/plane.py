"""Plane: a flat section of latent space through three points, drawn as territories of verbs."""

import pandas as pd
import streamlit as st
import torch

import ui
from cvae_core.tense import explore
from cvae_core.tense.data import TENSES
from cvae_core.tense.inference import Inflector
from cvae_core.tense.regions import Decoded, Plane, plane_through, territories
from ui.latent.common import four_forms, seeds_input, version, word_point
from ui.pictures import show_plane

SIDES = (16, 80)  # cells on a side: the first picture, and the finished one
WORDS = {"corner_a": "walk", "corner_b": "write", "corner_c": "grattle"}
KINDS = ("Three words", "One word, two random directions", "Three samples")
DISTANCE = {"z": 2.0, "s": 8.0}  # of a random direction's end from the word; samples of N(0, I) are √Z from 0


def show_planes(model: Inflector) -> None:
    """The view: the plane, and the four tenses at the point that was picked."""
    columns = st.columns([3, 1, 1])
    kind = columns[0].segmented_control(
        "Through", KINDS, default=KINDS[0], required=True, key="through", bind="query-params"
    )
    space = "z"
    if model.config.spelling_size:
        space = columns[1].segmented_control(
            "Space", ["z", "s"], default="z", required=True, key="plane_space", bind="query-params",
            help="z identifies a verb: territories of verbs. s spells a word: territories of spellings.",
        )  # fmt: skip
    tense = columns[2].selectbox("Tense", TENSES, key="plane_tense", bind="query-params")
    corners, labels = _corners(model, kind, space)
    st.markdown(
        "Each colour is the verb that is decoded there, paler where the decoder is less sure; italics: not in the "
        "dictionary. The dashed line is the straight path from the first corner to the second. **Click a place**, or "
        "move the cross with the arrow keys and press Enter. Try the same three words in s: where z has territories of "
        "whole verbs, s has one for each way to spell."
    )
    plane = plane_through(corners)
    chart, answer = st.columns([3, 2])
    with chart:
        key = (*version(model), space, tense, corners.cpu().numpy().tobytes())
        decoded, picked = _draw(model, plane, key, labels, space, TENSES.index(tense))
        ui.table_behind(lambda: _table(decoded), "The territories as a table", "plane_table")
    with answer:
        x, y = picked or (0.5, 0.5)
        place = torch.tensor([[(2 * x - 1) * plane.radius, (1 - 2 * y) * plane.radius]])
        st.markdown("**At the cross**, in the four tenses")
        four_forms(explore.spell_out(model, plane.points(place), space=space)[0], "The four forms decoded at the cross")


def _corners(model: Inflector, kind: str, space: str) -> tuple[torch.Tensor, list[str]]:
    """The three points (3, d) and their labels."""
    columns = st.columns(3)
    if kind == "Three samples":
        seeds = seeds_input(*columns)
        z = torch.cat([model.draw(1, seed) for seed in seeds])
        return (model.spelled(z, "z") if space == "s" else z), [f"sample {seed}" for seed in seeds]
    if kind == "Three words":
        points = [
            word_point(column, model, label, key, word)
            for column, label, (key, word) in zip(columns, ("First", "Second", "Third"), WORDS.items(), strict=True)
        ]
        return torch.stack([point.at(space) for point in points]), [point.word for point in points]
    point = word_point(columns[0], model, "Word", "corner_a", WORDS["corner_a"])
    seed = ui.seed_input(columns[1], "Seed of the directions", "directions", 1)
    center = point.at(space)
    directions = torch.randn(2, len(center), generator=torch.Generator().manual_seed(seed)).to(center)
    ends = center + DISTANCE[space] * directions / directions.norm(dim=1, keepdim=True)
    return torch.cat([center[None], ends]), [point.word, "", ""]


def _draw(
    model: Inflector, plane: Plane, key: tuple, labels: list[str], space: str, tense: int
) -> tuple[Decoded, tuple[float, float] | None]:
    """The picture, coarse at first if it was not decoded before under this key: its cells and the picked point."""
    corners = [
        ((x / plane.radius + 1) / 2, (1 - y / plane.radius) / 2, label)
        for (x, y), label in zip(plane.corners.tolist(), labels, strict=True)
    ]
    name = " ".join(["plane", space, TENSES[tense], *filter(None, labels)])
    alt = f"Territories of verbs on the plane through {', '.join(filter(None, labels))}, {TENSES[tense]}, in {space}"
    slot = st.empty()
    done = _finished().get(key)
    if done is None:
        coarse = territories(model, plane, SIDES[0], tense, space)
        with slot:
            show_plane(coarse, SIDES[0], corners, name, "plane coarse", alt)
        bar = st.progress(0.0, "Decoding 6,400 points…")
        done = territories(model, plane, SIDES[1], tense, space, bar.progress)
        bar.empty()
        _remember(key, done)
    with slot:
        return done, show_plane(done, SIDES[1], corners, name, "plane", alt)


def _table(decoded: Decoded) -> pd.DataFrame:
    """A row per verb: its share of the plane, and how sure the decoder is there."""
    cells = pd.DataFrame({"verb": decoded.verbs, "known": decoded.known, "probability": decoded.probabilities})
    table = cells.groupby("verb").agg(
        **{
            "share of the plane": ("known", lambda part: len(part) / len(cells)),
            "in the dictionary": ("known", "first"),
            "mean probability": ("probability", "mean"),
        }
    )
    return table.sort_values("share of the plane", ascending=False).reset_index()


@st.cache_resource
def _finished() -> dict[tuple, Decoded]:
    """The planes that were decoded last, for all sessions."""
    return {}


def _remember(key: tuple, decoded: Decoded) -> None:
    planes = _finished()
    planes[key] = decoded
    while len(planes) > 20:
        planes.pop(next(iter(planes)), None)
