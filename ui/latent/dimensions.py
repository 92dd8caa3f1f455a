"""Single dimensions of z: sliders, their KL, and what they encode."""

import math

import numpy as np
import pandas as pd
import streamlit as st
import torch

import ui
from cvae_core.tense import explore
from cvae_core.tense.data import PRESENT
from cvae_core.tense.inference import Inflector
from cvae_core.tense.regions import Decoded, decode, owners
from ui.figures import latent as figures
from ui.latent.common import cached_sample, cached_statistics, four_forms, version, word_point
from ui.pictures import ribbon, show_ribbons

SLIDERS = 8
STRIPS, STRIP_POINTS = 12, 61


def show_dimensions(model: Inflector) -> None:
    """The view: a z whose dimensions can be changed, and statistics of all dimensions."""
    sample, statistics = cached_sample(*version(model)), cached_statistics(*version(model))
    order = np.argsort(-statistics["kl"])
    columns = st.columns(2)
    kind = columns[0].segmented_control(
        "Start from", ["A verb", "A sample"], default="A verb", required=True, key="base", bind="query-params"
    )
    if kind == "A verb":
        point = word_point(columns[1], model, "Verb", "verb", "gather")
        base, name = point.at("z"), point.word
    else:
        name = ui.seed_input(columns[1], "Seed", "seed", 0)
        base = model.draw(1, name)[0]
    active = [int(d) for d in order if statistics["active"][d]]
    if active:
        _show_strips(model, base, active[:STRIPS], f"{kind} {name}")
    with st.expander("Move several dimensions at once", on_change="rerun", key="sliders_open") as panel:
        if panel.open:
            z = _sliders(base.clone(), order[:SLIDERS].tolist(), f"{model.name} {name}")
            four_forms(explore.spell_out(model, z[None])[0], "The four forms decoded at these values")
    _show_statistics(statistics, sample, order)


def _show_strips(model: Inflector, base: torch.Tensor, dimensions: list[int], name: str) -> None:
    """For each dimension what is decoded in the present while it alone moves from -3 to 3."""
    st.markdown(
        "Each ribbon is one dimension that moves from −3 (left) to 3 (right) while the others stay where they are; the "
        "dimension with the largest KL comes first. Where a ribbon has one colour, this dimension alone does not "
        "change the verb. Try to move a sample instead of a verb: is one dimension of it a trait of words, or only "
        "together with others?"
    )
    moved = base.repeat(len(dimensions) * STRIP_POINTS, 1).view(len(dimensions), STRIP_POINTS, -1)
    for i, d in enumerate(dimensions):
        moved[i, :, d] = torch.linspace(-3, 3, STRIP_POINTS)
    forms, letters = decode(model, moved.flatten(0, 1), PRESENT, "z")
    ribbons = []
    for i, d in enumerate(dimensions):
        part = slice(i * STRIP_POINTS, (i + 1) * STRIP_POINTS)
        some = Decoded(forms[part], letters[part], *owners(forms[part], PRESENT, forms[part]))
        ribbons.append(ribbon(f"dimension {d}", some, str(d)))
    alt = f"What is decoded while each of {len(dimensions)} dimensions moves from -3 to 3"
    show_ribbons([("present", ribbons)], f"dimensions {name}", "strips", alt, STRIP_POINTS // 2)
    values = torch.linspace(-3, 3, STRIP_POINTS).tolist()
    columns = {f"{values[at]:+.0f}": forms[at::STRIP_POINTS] for at in range(0, STRIP_POINTS, STRIP_POINTS // 6)}
    ui.table_behind(lambda: pd.DataFrame({"dimension": dimensions} | columns), "The ribbons as a table", "strips_table")


def _sliders(z: torch.Tensor, dimensions: list[int], base: str) -> torch.Tensor:
    """A slider per dimension, with the value of z (Z,) at first; z with the sliders' values, changed in place."""
    initial = {f"dimension {d} of {base}": round(z[d].item(), 2) for d in dimensions}
    st.markdown(
        f"The {len(dimensions)} dimensions with the largest mean KL, largest first. Under the prior each is standard "
        "normal, so nearly always between −3 and 3."
    )
    for position, (d, (key, start)) in enumerate(zip(dimensions, initial.items(), strict=True)):
        if position % 4 == 0:  # a row at a time: on a narrow screen columns stack one by one
            columns = st.columns(4)
        low, high = float(min(-4, math.floor(start))), float(max(4, math.ceil(start)))
        st.session_state.setdefault(key, start)
        z[d] = columns[position % 4].slider(f"Dimension {d}", low, high, step=0.01, key=key)
    st.button("Reset", on_click=st.session_state.update, args=(initial,), help="Back to the initial values.")
    return z


def _show_statistics(statistics: dict, sample: explore.Sample, order: np.ndarray) -> None:
    """The KL of each dimension, and the share of its variance explained by traits of the word."""
    active = [int(d) for d in order if statistics["active"][d]]
    st.header("KL of each dimension")
    st.markdown(
        f"**{len(active)} of {len(order)} dimensions are active**: over {len(sample.words):,} words the posterior mean "
        "varies by more than 0.01 (Burda et al. 2016). In the others the posterior stays at the prior, at a KL near 0. "
        f"Over all dimensions the mean KL of a word is {statistics['kl'].sum():.2f} nats."
    )
    st.plotly_chart(
        figures.kl_bars(statistics["kl"], statistics["active"]), key="kl", config=ui.PLAIN,
        alt="Mean KL of each dimension in nats, largest first",
    )  # fmt: skip
    st.header("What each dimension encodes")
    if not active:
        st.markdown("No dimension is active: the posterior has collapsed to the prior.")
        return
    traits = explore.traits(sample)
    shares = {name: explore.explained_variance(sample.mu, labels) for name, labels in traits.items()}
    st.markdown(
        "The share of the variance of the posterior mean, in percent, that lies between groups of words (eta squared): "
        "by tense, and by the length, first letter, last letter and spelling class of the verb's present form. Many "
        "small groups explain a few percent by chance. " + _in_words(shares, active[:SLIDERS])
    )
    st.plotly_chart(
        figures.trait_heatmap(shares, active), key="traits", config=ui.PLAIN,
        alt="Percent of each active dimension's variance explained by five traits of the word",
    )  # fmt: skip


def _in_words(shares: dict[str, np.ndarray], dimensions: list[int]) -> str:
    """A sentence with the trait that explains most of each dimension's variance."""
    best = {d: max(shares, key=lambda name: shares[name][d]) for d in dimensions}  # noqa: B023
    named = [f"dimension {d}: {t} ({shares[t][d]:.0%})" for d, t in best.items()]
    return f"The largest share of each: {'; '.join(named)}."
