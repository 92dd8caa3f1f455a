"""A map of words in two dimensions; a click decodes a point."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
import torch

from cvae_core.tense import explore
from cvae_core.tense.data import TENSES
from cvae_core.tense.inference import Inflector
from ui.figures import latent as figures
from ui.latent.common import cached_sample, cached_statistics, four_forms, verb_ends, version

ZOOMING = {"displaylogo": False, "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]}
EXPLANATIONS = {
    "PCA": "The axes are the first two principal components. A point between the words has an exact inverse: the mean "
    "of all words plus its two coordinates along these components.",
    "t-SNE": "It keeps near points near; distances across the map mean little. It has no inverse, so a point between "
    "the words is decoded from the mean z of its 8 nearest words, weighted by proximity; the path is "
    "projected in the same way.",
    "two dimensions": "The axes are the two dimensions with the largest KL. At a point between the words these two "
    "have their values on the map and all other dimensions are 0.",
}


@st.cache_resource(max_entries=12, show_spinner="Computing the map…")
def _cached_map(name: str, modified: float, method: str) -> explore.Projection:
    sample = cached_sample(name, modified)
    return explore.project(sample.mu, method, cached_statistics(name, modified)["kl"])


def show_map(model: Inflector) -> None:
    """The view: the map with a path on it, and the decoded forms of the clicked point."""
    columns = st.columns(2)
    method = columns[0].segmented_control(
        "Map", list(explore.METHODS), default="PCA", required=True, key="map", bind="query-params"
    )
    colour = columns[1].segmented_control(
        "Colour", ["tense", "verb class", "length"], default="tense", required=True, key="colour", bind="query-params"
    )
    sample = cached_sample(*version(model))
    projection = _cached_map(*version(model), method)
    path = model.path(*verb_ends(*st.columns(2), model), 12)
    chart, answer = st.columns([3, 2])
    with chart:
        event = st.plotly_chart(
            _map_with_path(model, colour, sample, projection, path), key=f"chart {model.name} {method} {colour}",
            on_select="rerun", selection_mode="points", config=ZOOMING,
            alt=f"Map ({method}) of {len(sample.words)} words, coloured by {colour}, with the path between two words",
        )  # fmt: skip
    with answer:
        _show_point(model, sample, projection, path.cpu().numpy(), event["selection"]["points"])
    st.markdown(
        f"The map shows the posterior means of {len(sample.words):,} words. {EXPLANATIONS[method]} Where the four "
        "tenses of a verb lie together, z encodes the verb and leaves the tense to the condition."
    )


def _map_with_path(
    model: Inflector, colour: str, sample: explore.Sample, projection: explore.Projection, path: torch.Tensor
) -> go.Figure:
    """The map coloured by a trait, with a path of z (m, Z) on it."""
    forms = [" · ".join(row) for row in model.decode_rows(path)]
    positions = np.array([explore.z_to_place(projection, z) for z in path.cpu().numpy()])
    names = [f"{word} ({TENSES[t]})" for word, t in zip(sample.words, sample.tenses, strict=True)]
    return figures.map_figure(projection.places, names, explore.traits(sample)[colour], positions, forms)


def _show_point(
    model: Inflector, sample: explore.Sample, projection: explore.Projection, path: np.ndarray, points: list[dict]
) -> None:
    """The four forms and the nearest words of the clicked point; `path` is (m, Z)."""
    if not points:
        st.markdown(
            "**Click a point, or anywhere between the points**, to decode it. On a touch screen tap the point, wait a "
            "moment, and tap it again."  # plotly selects the point touched before
        )
        return
    index = int(np.ravel(points[0].get("customdata", figures.EMPTY))[0])
    zs = np.concatenate([projection.mu, path])
    if 0 <= index < len(zs):
        z = zs[index]
        title = f"At {sample.words[index]}" if index < len(sample.words) else f"At step {index - len(sample.words) + 1}"
    else:
        z = explore.place_to_z(projection, (points[0]["x"], points[0]["y"]))
        title = "Between the words"
    st.header(title)
    decoded = explore.spell_out(model, torch.from_numpy(z)[None].to(model.device))[0]
    four_forms(decoded, "The four forms decoded at the chosen point")
    nearest, distances = explore.neighbours(z, projection.mu)
    st.markdown(f"Nearest words (norm of this z: {np.linalg.norm(z):.2f})")
    st.dataframe(
        pd.DataFrame({
            "word": [sample.words[i] for i in nearest],
            "tense": [TENSES[sample.tenses[i]] for i in nearest],
            "distance": distances.round(2),
        }),
        hide_index=True,
        alt="The ten nearest words with their distance",
    )  # fmt: skip
