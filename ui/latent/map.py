"""Map: all verbs in two dimensions, with a search, a lasso, and the four forms of any place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st
import torch

import ui
from cvae_core.errors import UserError
from cvae_core.tense import explore, verb_map
from cvae_core.tense.data import Verb
from cvae_core.tense.inference import Inflector
from cvae_core.tense.lexicon import frequencies, lookup
from ui import pictures
from ui.latent.common import cached_statistics, four_forms, verb_ends, version

EXPLANATIONS = {
    "PCA": "The axes are the first two principal components. A place between the verbs has an exact inverse: the mean "
    "of all verbs plus its two coordinates along these components. Try to find out what the first axis stands for: "
    "colour by length, then by verb class.",
    "t-SNE": "It keeps near points near; distances across the map mean little. It has no inverse: a place between the "
    "verbs is decoded from the mean z of its 8 nearest verbs, weighted by proximity.",
    "two dimensions": "The axes are the two dimensions with the largest KL. At a place between the verbs these two "
    "have their values on the map and all other dimensions are 0.",
}
MAX_PATTERN = 200  # characters
COLOURS = ("verb class", "length", "frequency", "first letter", "regular expression")
LENGTHS = ((4, "up to 4 letters"), (6, "5 or 6"), (8, "7 or 8"), (99, "9 or more"))
FREQUENCIES = ((5.0, "5 and more: daily"), (4.0, "4: common"), (3.0, "3: known"), (0.0, "below 3: rare"))


@st.cache_resource(max_entries=6, show_spinner="Encoding all verbs…")
def _verbs_and_means(name: str, modified: float) -> tuple[list[Verb], np.ndarray]:
    """The model's verbs, the most frequent first, and their means (n, Z)."""
    model = ui.load_model(name)
    verbs = sorted(model.verbs, key=lambda verb: -frequencies().get(verb.lemma, 0.0))
    found = verb_map.shipped(model, verbs)
    return verbs, verb_map.means(model, verbs) if found is None else found[0]


@st.cache_resource(max_entries=12, show_spinner="Computing the map…")
def _projection(name: str, modified: float, method: str) -> explore.Projection:
    verbs, mu = _verbs_and_means(name, modified)
    if method == "t-SNE" and (found := verb_map.shipped(ui.load_model(name), verbs)):
        return explore.Projection(*found, None, None)
    kl = cached_statistics(name, modified)["kl"] if method == "two dimensions" else None
    return explore.project(mu, method, kl)


def show_map(model: Inflector) -> None:
    """The view: the map, and beside it what was picked or caught."""
    verbs, mu = _verbs_and_means(*version(model))
    columns = st.columns([2, 2, 2])
    method = columns[0].segmented_control(
        "Map", list(explore.METHODS), default="PCA", required=True, key="map", bind="query-params"
    )
    colour = columns[1].selectbox("Colour", COLOURS, key="colour", bind="query-params")
    focus = _find(columns[2], verbs)
    names, group = _groups(verbs, colour)
    projection = _projection(*version(model), method)
    frame = _Frame(projection.positions)
    path, marks = _show_path(model, projection, frame)
    st.markdown(
        "A point per verb: the mean of the posterior means of its four forms. Zoom in and more names appear. **Click a "
        "verb, or a place between verbs**, to decode it; the arrow keys move the map, + and − zoom, Enter picks what "
        f"is in the middle. {EXPLANATIONS[method]}"
    )
    chart, answer = st.columns([3, 2])
    with chart:
        picked, caught = pictures.show_map(
            {
                "name": f"map {model.name} {method}", "words": [verb.lemma for verb in verbs],
                "alt": f"Map ({method}) of {len(verbs):,} verbs, coloured by {colour}",
                "places": np.round(frame.shares(projection.positions), 4).tolist(), "groups": names, "group": group,
                "path": path, "marks": marks, "focus": focus,
            },
            f"map {model.name} {method}",  # another map has other places: a click on this one means nothing there
        )  # fmt: skip
        ui.table_behind(
            lambda: pd.DataFrame({
                "verb": [verb.lemma for verb in verbs], "group": [names[i] for i in group],
                "x": projection.positions[:, 0], "y": projection.positions[:, 1],
            }), "The map as a table", "map_table",
        )  # fmt: skip
    if not _is_newer_than_search(picked) and focus is not None:
        picked = None
    with answer:
        _show_place(model, verbs, projection, frame, picked, focus)
        if caught:
            st.markdown(f"**In the lasso: {len(caught):,} verbs**")
            st.dataframe(pd.DataFrame({"verb": caught}), hide_index=True, alt="The verbs in the lasso", height=240)


class _Frame:
    """From coordinates of a projection to shares of the picture and back, the same scale on both axes."""

    def __init__(self, places: np.ndarray):
        low, high = np.percentile(places, [0.5, 99.5], axis=0)  # a few outliers may lie outside at first
        self.center, self.side = (low + high) / 2, 1.1 * float((high - low).max()) or 1.0

    def shares(self, places: np.ndarray) -> np.ndarray:
        """(n, 2) -> (n, 2), most of them from 0 to 1."""
        return (places - self.center) / self.side + 0.5

    def place(self, share: Sequence[float]) -> np.ndarray:
        """(2,) -> (2,)."""
        return (np.asarray(share) - 0.5) * self.side + self.center


def _find(column, verbs: list[Verb]) -> int | None:
    """An input for a form to look for; the index of its verb, None without one."""
    typed = column.text_input(
        "Find a verb", key="find", bind="query-params", max_chars=200, placeholder="any of its forms"
    )
    if not (form := typed.strip().lower()):
        return None
    lemmas = {verb.lemma for verb, _ in lookup(form)} | {form}
    found = next((i for i, verb in enumerate(verbs) if verb.lemma in lemmas), None)
    if found is None:
        column.markdown(f"No verb of the map has the form {form}.")
    return found


def _is_newer_than_search(picked: dict | None) -> bool:
    """Whether something was picked since the search was last changed."""
    state = st.session_state
    if state.get("searched") != state["find"]:
        state["searched"], state["picked_before"] = state["find"], picked
    return picked != state["picked_before"]


def _groups(verbs: list[Verb], colour: str) -> tuple[list[str], list[int]]:
    """The names of the groups that are coloured alike, and the group of each verb."""
    if colour == "regular expression":
        pattern = st.text_input(
            "Regular expression", "^re|ate$", key="pattern", bind="query-params", max_chars=MAX_PATTERN,
            help="Colours verbs that contain a match: `^re` begins with re, `ate$` ends with ate, `a|b` is either.",
        )  # fmt: skip
        labels = ["matches" if found else "does not match" for found in _matching(verbs, pattern)]
    else:
        labels = [_label(verb, colour) for verb in verbs]
    names = sorted(set(labels), key=_order(colour, labels))
    return names, [names.index(label) for label in labels]


def _matching(verbs: list[Verb], pattern: str) -> list[bool]:
    """RE2 takes linear time; with Python's `re` a pattern could block the server."""
    if len(pattern) > MAX_PATTERN:
        raise UserError(f"A regular expression here has at most {MAX_PATTERN} characters.")
    try:
        return pc.match_substring_regex(pa.array([verb.lemma for verb in verbs]), pattern=pattern).to_pylist()
    except ValueError as error:  # ArrowInvalid, or a lone surrogate
        raise UserError(f"That is not a regular expression: {str(error).splitlines()[0][:200]}.") from None


def _label(verb: Verb, colour: str) -> str:
    if colour == "length":
        return next(name for most, name in LENGTHS if len(verb.lemma) <= most)
    if colour == "frequency":
        zipf = frequencies().get(verb.lemma, 0.0)
        return next(name for least, name in FREQUENCIES if zipf >= least)
    return verb.lemma[0] if colour == "first letter" else explore.verb_class(verb)


def _order(colour: str, labels: list[str]):
    """The key that sorts the names of groups: as they are listed, by letter, or the largest first."""
    listed = {"length": LENGTHS, "frequency": FREQUENCIES}.get(colour)
    if listed:
        return [name for _, name in listed].index
    if colour == "first letter":
        return str
    counts = {label: labels.count(label) for label in set(labels)}
    return lambda label: -counts[label]


def _show_path(model: Inflector, projection: explore.Projection, frame: _Frame) -> tuple[list, list]:
    """The straight path between two verbs and some samples, on the map: places of the path, and marks with labels."""
    panel = st.expander("A path and samples on the map", on_change="rerun", key="path_open")
    if not panel.open:
        return [], []
    columns = panel.columns(3)
    a, b = (ends := verb_ends(columns[0], columns[1], model)).points("z")
    samples = columns[2].number_input("Samples of N(0, I)", 0, 30, 5, key="map_samples", bind="query-params")
    z = torch.cat([model.path(a, b, 30), model.draw(max(samples, 1), 0)[:samples]]).cpu().numpy()
    places = frame.shares(np.array([explore.z_to_position(projection, point) for point in z])).round(4).tolist()
    names = [ends.first.word, ends.second.word]
    names += [row[0] for row in model.decode_rows(torch.from_numpy(z[30:]).to(model.device))] if samples else []
    return places[:30], [
        [*place, name] for place, name in zip([places[0], places[29], *places[30:]], names, strict=True)
    ]


def _show_place(
    model: Inflector, verbs: list[Verb], projection: explore.Projection, frame: _Frame, picked: dict | None,
    focus: int | None,
) -> None:  # fmt: skip
    """The four forms and the nearest verbs of what was picked, or of the verb that was looked for."""
    number = {verb.lemma: i for i, verb in enumerate(verbs)}
    index = number.get(str(picked.get("word"))) if picked else focus
    if index is not None:
        z, title = projection.mu[index], f"At {verbs[index].lemma}"
    elif picked and (share := pictures.place(picked.get("place"))):
        z, title = explore.position_to_z(projection, frame.place(share)), "Between the verbs"
    else:
        return
    st.markdown(f"**{title}**")
    decoded = explore.spell_out(model, torch.from_numpy(z)[None].to(model.device))[0]
    four_forms(decoded, "The four forms decoded at the chosen place")
    nearest, distances = explore.neighbours(z, projection.mu)
    st.markdown(f"Nearest verbs (norm of this z: {np.linalg.norm(z):.2f})")
    st.dataframe(
        pd.DataFrame({"verb": [verbs[i].lemma for i in nearest], "distance": distances.round(2)}),
        hide_index=True, alt="The ten nearest verbs with their distance",
    )  # fmt: skip
