"""Shared by the views of the latent space."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
import torch

import ui
from cvae_core.tense import explore
from cvae_core.tense.data import TENSES, parse_word
from cvae_core.tense.inference import Inflector

ROUNDS = 3  # of refinement
REFINE_HELP = (
    f"Encode the four decoded forms, multiply their posteriors and decode the mean, {ROUNDS} times. It moves z to a "
    "nearby point where the four forms agree on one verb."
)


def version(model: Inflector) -> tuple[str, float]:
    """The key of a model in the caches: its name and its file's modification time."""
    return model.name, ui.stamp(model.name)[1]


@st.cache_resource(max_entries=6, show_spinner="Encoding some verbs…")
def cached_sample(name: str, modified: float) -> explore.Sample:
    """Words with their posteriors, encoded once per version of a model."""
    return explore.sample_words(ui.load_model(name))


@st.cache_resource(max_entries=6, show_spinner=False)
def cached_statistics(name: str, modified: float) -> dict[str, np.ndarray]:
    """`explore.dimension_statistics`, computed once per version of a model."""
    sample = cached_sample(name, modified)
    return explore.dimension_statistics(sample.mu, sample.logvar)


class WordPoint(NamedTuple):
    """A word that was typed, and where it lies in latent space."""

    model: Inflector
    word: str
    tense: int

    def at(self, space: str) -> torch.Tensor:
        """The point of z or s that stands for the word: (d,)."""
        return self.model.infer([self.word], [self.tense], space)[0]


def word_point(column, model: Inflector, label: str, key: str, word: str) -> WordPoint:
    """An input for a word, with its inferred tense below. UserError if the text is no word."""
    word = parse_word(column.text_input(label, word, key=key, bind="query-params", max_chars=200))
    point = WordPoint(model, word, model.infer_tense(word))
    column.markdown(f"Inferred tense: {TENSES[point.tense]}.{_reconstructed(point)}")
    return point


def _reconstructed(point: WordPoint) -> str:
    """A sentence where z stands for another word."""
    form = point.model.decode(point.at("z")[None], point.tense)[0].form
    return "" if form == point.word else f" Its z decodes to **{form}**."


class Ends(NamedTuple):
    """The two words at the ends of a path."""

    first: WordPoint
    second: WordPoint

    def points(self, space: str) -> torch.Tensor:
        """(2, d)."""
        return torch.stack([self.first.at(space), self.second.at(space)])


def verb_ends(first, second, model: Inflector) -> Ends:
    """Inputs for two verbs in two columns, shared by the ribbons and the map."""
    return Ends(word_point(first, model, "From", "from", "gather"), word_point(second, model, "To", "to", "skipped"))


def seeds_input(*columns) -> list[int]:
    """An input for the seed of a sample in each column, and a button that changes all of them."""
    keys = [f"seed_{letter}" for letter, _ in zip("abc", columns, strict=False)]
    seeds = [
        ui.seed_input(column, f"Seed of sample {i}", key, i)
        for i, (column, key) in enumerate(zip(columns, keys, strict=True), 1)
    ]
    st.button("Resample", on_click=ui.new_seeds, args=keys, help="Sample new z from N(0, I).")
    return seeds


def four_forms(decoded: dict, alt: str) -> None:
    """A table of one z decoded in the four tenses, as `explore.spell_out` gives it."""
    st.dataframe(
        pd.DataFrame({
            "tense": TENSES,
            "form": decoded["forms"],
            "✓": ["✓" if k else "" for k in decoded["known"]],  # in the dictionary
            "probability": [f"{p:.1%}" for p in decoded["probabilities"]],
        }),
        hide_index=True,
        alt=alt,
    )  # fmt: skip
    st.markdown(
        "✓ The four forms are one verb of the dictionary."
        if decoded["verb"]
        else "The four forms are not one verb of the dictionary; a ✓ marks a form that it lists."
    )
