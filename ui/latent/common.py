"""Shared by the views of the latent space."""

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


def encoded_word(column, model: Inflector, label: str, key: str, word: str) -> torch.Tensor:
    """An input for a verb, with its reconstruction below; its posterior mean (Z,) at the inferred tense.

    UserError if the text is no word.
    """
    word = parse_word(column.text_input(label, word, key=key, bind="query-params", max_chars=200))
    source = model.infer_tense(word)
    z = model.posterior([word], [source])[0]
    form = model.decode(z, source)[0].form
    changed = "" if form == word else f" From z alone it is reconstructed as **{form}**."
    column.markdown(f"Inferred tense: {TENSES[source]}.{changed}")
    return z[0]


def verb_ends(first, second, model: Inflector) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs for two verbs in two columns, shared by the path and the map; their posterior means (Z,)."""
    return (
        encoded_word(first, model, "From", "from", "gather"),
        encoded_word(second, model, "To", "to", "skipped"),
    )


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
