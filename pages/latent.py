"""The latent space: walk between two verbs, look at a map, draw words from the prior, turn single dimensions."""

import streamlit as st

import ui

ui.frame("latent")

import math
import random

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch

from cvae_core import runs
from cvae_core.errors import UserError
from cvae_core.figures import latent as figures
from cvae_core.latent import PATHS
from cvae_core.tense import explore
from cvae_core.tense.data import TENSES, parse_word
from cvae_core.tense.inference import Tense

ROUNDS = 3  # of refinement
MAX_SEED = 2**31 - 1
PLAIN = {"displayModeBar": False}
ZOOMING = {"displaylogo": False, "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]}
REFINE_HELP = (
    f"Read the four decoded forms back through the encoder, join what they say, and decode again; {ROUNDS} rounds. "
    "It pulls a z to the nearest place where the four forms agree on one verb."
)


# --- shared by the views --------------------------------------------------------------------------------------------


def version(tense: Tense) -> tuple[str, float]:
    """What the caches know a model by: its name and when its file was written."""
    return tense.name, runs.find_weights(tense.name).stat().st_mtime


@st.cache_resource(max_entries=6, show_spinner="Encoding some verbs…")
def cached_sample(name: str, modified: float) -> explore.Sample:
    return explore.sample_words(ui.load_model(name))


@st.cache_resource(max_entries=12, show_spinner="Laying out the map…")
def cached_map(name: str, modified: float, method: str) -> explore.Projection:
    sample = cached_sample(name, modified)
    return explore.project(sample.mu, method, cached_statistics(name, modified)["kl"])


@st.cache_resource(max_entries=6, show_spinner=False)
def cached_statistics(name: str, modified: float) -> dict[str, np.ndarray]:
    sample = cached_sample(name, modified)
    return explore.dimension_statistics(sample.mu, sample.logvar)


def seed_input(column, label: str, key: str, seed: int) -> int:
    st.session_state.setdefault(key, seed)  # not as the field's value, which a button may not overwrite
    return column.number_input(label, 0, MAX_SEED, step=1, key=key, bind="query-params")


def new_seeds(*keys: str) -> None:
    st.session_state.update({key: random.randint(0, MAX_SEED) for key in keys})


def encoded_word(column, tense: Tense, label: str, key: str, word: str) -> torch.Tensor:
    """A field for a verb, and under it what became of it; its posterior mean (Z,) at the inferred tense."""
    word = parse_word(column.text_input(label, word, key=key, bind="query-params", max_chars=200))
    source = tense.infer_tense(word)
    z = tense.posterior([word], [source])[0]
    spelled = tense.decode(z, source)[0].form
    changed = "" if spelled == word else f" From z alone it comes back as **{spelled}**."
    column.markdown(f"Inferred tense: {TENSES[source]}.{changed}")
    return z[0]


def say(form: str, known: bool, probability: float) -> str:
    percent = "<1%" if probability < 0.01 else f"{probability:.0%}"
    return f"{form}{' ✓' if known else ''} ({percent})"


def four_forms(said: dict, alt: str) -> None:
    """What one z says in the four tenses."""
    st.dataframe(
        pd.DataFrame({
            "tense": TENSES,
            "form": said["forms"],
            "✓": ["✓" if k else "" for k in said["known"]],  # the dictionary has it
            "probability": [f"{p:.1%}" for p in said["probabilities"]],
        }),
        hide_index=True,
        alt=alt,
    )  # fmt: skip
    st.markdown(
        "✓ The four forms are one verb of the dictionary."
        if said["verb"]
        else "The four forms are not one verb of the dictionary; a ✓ marks a form it has."
    )


# --- interpolate ----------------------------------------------------------------------------------------------------


def verb_ends(first, second, tense: Tense) -> tuple[torch.Tensor, torch.Tensor]:
    """Two verbs, asked for in two columns; (Z,) each. The walk and the map share them."""
    return (
        encoded_word(first, tense, "From", "from", "gather"),
        encoded_word(second, tense, "To", "to", "skipped"),
    )


def pick_ends(tense: Tense) -> tuple[torch.Tensor, torch.Tensor]:
    """The two ends of the path, (Z,) each."""
    kind = st.segmented_control(
        "Ends", ["Two verbs", "Two draws"], default="Two verbs", required=True, key="ends", bind="query-params"
    )
    first, second = st.columns(2)
    if kind == "Two verbs":
        return verb_ends(first, second, tense)
    seeds = (
        seed_input(first, "Seed of the first z", "seed_a", 1),
        seed_input(second, "Seed of the second z", "seed_b", 2),
    )
    st.button("Resample", on_click=new_seeds, args=("seed_a", "seed_b"), help="Draw two new z from N(0, I).")
    return tense.draw(1, seeds[0])[0], tense.draw(1, seeds[1])[0]


def show_interpolate(tense: Tense) -> None:
    a, b = pick_ends(tense)
    columns = st.columns([1, 1, 1], vertical_alignment="bottom")
    method = columns[0].segmented_control(
        "Path", list(PATHS), default="lerp", required=True, key="path", bind="query-params",
        help="lerp is the straight line; slerp is the arc around the origin.",
    )  # fmt: skip
    steps = columns[1].slider("Steps", 2, 30, 8, key="steps", bind="query-params")
    refined = columns[2].toggle("Refine each step", key="refine", bind="query-params", help=REFINE_HELP)
    walked = explore.walk(tense, a, b, steps, method, ROUNDS if refined else 0)
    st.dataframe(
        pd.DataFrame([
            {"step": w["step"]}
            | {t: say(*cell) for t, *cell in zip(TENSES, w["forms"], w["known"], w["probabilities"], strict=True)}
            | {"one verb": "✓" if w["verb"] else "", "norm of z": f"{w['norm']:.2f}"}
            for w in walked
        ]),
        hide_index=True,
        alt="The four forms at each step of the path",
    )  # fmt: skip
    st.markdown(
        "A ✓ beside a form: the dictionary has it in this tense. In the column *one verb*: the dictionary has all four "
        "as one verb. In brackets: the probability the decoder gives the word."
    )
    st.download_button("Download CSV", pd.DataFrame(map(flat_row, walked)).to_csv(index=False), "path.csv", "text/csv")
    st.header("How long is z on the way?")
    show_norms(tense, a, b, method, walked)


def flat_row(w: dict) -> dict:
    """One step of a walk as a row of a file."""
    row = {"step": w["step"], "t": w["t"], "norm": w["norm"]}
    for i, tense in enumerate(TENSES):
        row |= {tense: w["forms"][i], f"{tense} probability": w["probabilities"][i], f"{tense} known": w["known"][i]}
    return row | {"one verb": w["verb"]}


def show_norms(tense: Tense, a: torch.Tensor, b: torch.Tensor, method: str, walked: list[dict]) -> None:
    norms = {name: tense.path(a, b, len(walked), name).norm(dim=1).tolist() for name in PATHS}
    captions = [" · ".join(w["forms"][:2]) + "<br>" + " · ".join(w["forms"][2:]) for w in walked]
    st.plotly_chart(
        figures.walk_figure(norms, method, captions), key="norms", config=PLAIN,
        alt="Norm of z along the straight line and along the arc, with the words of the step",
    )  # fmt: skip
    halfway = [tense.path(a, b, 3, name)[1].norm().item() for name in ("lerp", "slerp")]
    d = len(a)
    st.markdown(
        f"The ends of this path have norms {a.norm():.2f} and {b.norm():.2f}; halfway, lerp has "
        f"**{halfway[0]:.2f}** and slerp **{halfway[1]:.2f}**. A draw from N(0, I) in {d} dimensions has a norm of "
        f"about √{d} = {math.sqrt(d):.2f}: nearly all draws lie in a thin shell of that radius. The middle of two "
        f"independent draws has half the variance of one, so a norm of about √({d}/2) = {math.sqrt(d / 2):.2f}: the "
        "straight line cuts through the shell, where the decoder has seen few examples. Slerp follows the shell. "
        "Posterior means of words are shorter than draws: dimensions the model does not use stay near 0 in them."
    )


# --- map ------------------------------------------------------------------------------------------------------------

HOW_PLACED = {
    "PCA": "Its axes are the two directions in which they vary most. An empty place is read back exactly: the mean of "
    "all points plus its two coordinates along these directions, everything else at the average.",
    "t-SNE": "It keeps near points near; distances across the map mean little. It has no way back, so an empty place "
    "is read as the mean z of its 8 nearest points, the nearer the more weight; the path is placed in the same way.",
    "two dimensions": "Its axes are the two dimensions on which the model spends the most (largest KL). At an empty "
    "place these two have their values on the map and all other dimensions are 0.",
}


def show_map(tense: Tense) -> None:
    columns = st.columns(2)
    method = columns[0].segmented_control(
        "Map", list(explore.METHODS), default="PCA", required=True, key="map", bind="query-params"
    )
    colour = columns[1].segmented_control(
        "Colour", ["tense", "verb class", "length"], default="tense", required=True, key="colour", bind="query-params"
    )
    sample = cached_sample(*version(tense))
    projection = cached_map(*version(tense), method)
    path = tense.path(*verb_ends(*st.columns(2), tense), 12)
    chart, answer = st.columns([3, 2])
    with chart:
        event = st.plotly_chart(
            map_with_path(tense, colour, sample, projection, path), key=f"chart {tense.name} {method} {colour}",
            on_select="rerun", selection_mode="points", config=ZOOMING,
            alt=f"Map ({method}) of {len(sample.words)} words, coloured by {colour}, with the path between two words",
        )  # fmt: skip
    with answer:
        show_place(tense, sample, projection, path.cpu().numpy(), event["selection"]["points"])
    st.markdown(
        f"The map shows the posterior means of {len(sample.words):,} words. {HOW_PLACED[method]} Where the four tenses "
        "of a verb lie together, z holds the verb and leaves the tense to the condition."
    )


def map_with_path(
    tense: Tense, colour: str, sample: explore.Sample, projection: explore.Projection, path: torch.Tensor
) -> go.Figure:
    """The map coloured by a trait, with a path of z (m, Z) on it."""
    said = [" · ".join(row) for row in tense.decode_rows(path)]
    places = np.array([explore.z_to_place(projection, z) for z in path.cpu().numpy()])
    names = [f"{word} ({TENSES[t]})" for word, t in zip(sample.words, sample.tenses, strict=True)]
    return figures.map_figure(projection.places, names, explore.traits(sample)[colour], places, said)


def show_place(
    tense: Tense, sample: explore.Sample, projection: explore.Projection, path: np.ndarray, points: list[dict]
) -> None:
    """The four forms and the nearest words of the clicked point or place; the path is (m, Z)."""
    if not points:
        st.markdown(
            "**Click a point, or anywhere between the points**, to see what the decoder says there. On a touch screen "
            "tap the place, wait a moment, and tap it again."  # plotly selects what lay under the finger before
        )
        return
    index = int(np.ravel(points[0].get("customdata", figures.EMPTY))[0])
    zs = np.concatenate([projection.mu, path])
    if 0 <= index < len(zs):
        z = zs[index]
        title = f"At {sample.words[index]}" if index < len(sample.words) else f"At step {index - len(sample.words) + 1}"
    else:
        z = explore.place_to_z(projection, (points[0]["x"], points[0]["y"]))
        title = "At an empty place"
    st.header(title)
    said = explore.spell_out(tense, torch.from_numpy(z)[None].to(tense.device))[0]
    four_forms(said, "The four forms decoded at the chosen place")
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


# --- sample ---------------------------------------------------------------------------------------------------------


@st.cache_data(max_entries=20, show_spinner="Drawing and reading…")
def cached_draws(name: str, modified: float, n: int, seed: int, rounds: int) -> dict:
    from cvae_core.tense.metrics import gaussian_score  # nltk, which it also needs, takes seconds to import

    tense = ui.load_model(name)
    z = tense.refine(tense.draw(n, seed), rounds)
    rows = tense.decode_rows(z)
    score, distinct = gaussian_score(rows, tense.verbs)
    reasons = [explore.explain(row, tense.verbs) for row in rows]
    return {"rows": rows, "why": reasons, "score": score, "distinct": distinct} | explore.consistency(rows)


def show_sample(tense: Tense) -> None:
    columns = st.columns(3, vertical_alignment="bottom")
    n = columns[0].number_input("Draws", 1, 500, 100, key="n", bind="query-params")
    seed = seed_input(columns[1], "Seed", "seed", 0)
    columns[2].button("Resample", on_click=new_seeds, args=("seed",), help="A new seed.")
    ways = {"one shot": 0, f"refined ({ROUNDS} rounds)": ROUNDS}
    made = {way: cached_draws(*version(tense), n, seed, rounds) for way, rounds in ways.items()}
    for column, (way, draws) in zip(st.columns(2), made.items(), strict=True):
        with column:
            st.metric(f"Gaussian score, {way}", f"{draws['score']:.1%}")
            st.markdown(
                f"{draws['distinct']:.1%} of the draws are *different* training rows. As one verb: "
                f"{draws['dictionary']:.1%} are a verb of the dictionary, {draws['rules']:.1%} are spelled as one "
                "verb, real or invented."
            )
    st.markdown(
        f"The course's Gaussian score, the one-shot figure, is the share of z drawn from N(0, I) whose four decoded "
        f"forms are a row of the {len(tense.verbs):,} verbs the model was trained on. *Spelled as one verb* asks less: "
        "whether the other three forms are what the dictionary or the spelling rules give for the decoded present "
        "form, so it measures whether one z in four tenses is one verb."
    )
    columns = st.columns(2, vertical_alignment="bottom")
    way = columns[0].segmented_control(
        "Table", list(ways), default="one shot", required=True, key="table", help=REFINE_HELP
    )
    failures = columns[1].toggle("Failures only", key="failures", bind="query-params")
    show_draws(made[way], failures)


def show_draws(draws: dict, failures: bool) -> None:
    """The draws one by one, with the reason where one is no row."""
    table = pd.DataFrame(draws["rows"], columns=list(TENSES))
    table.insert(0, "draw", range(1, len(table) + 1))
    table.insert(1, "a row", ["✗" if why else "✓" for why in draws["why"]])
    table["why not"] = draws["why"]
    shown = table[table["why not"] != ""] if failures else table
    st.dataframe(shown, hide_index=True, alt="The drawn tuples, and why some are no row")
    st.download_button("Download CSV", shown.to_csv(index=False), "draws.csv", "text/csv")


# --- dimensions -----------------------------------------------------------------------------------------------------

SLIDERS = 8


def show_dimensions(tense: Tense) -> None:
    sample, statistics = cached_sample(*version(tense)), cached_statistics(*version(tense))
    order = np.argsort(-statistics["kl"])
    columns = st.columns(2)
    kind = columns[0].segmented_control(
        "Start from", ["A verb", "A draw"], default="A verb", required=True, key="base", bind="query-params"
    )
    if kind == "A verb":
        base = encoded_word(columns[1], tense, "Verb", "verb", "gather")
        name = st.session_state["verb"]
    else:
        name = seed_input(columns[1], "Seed", "seed", 0)
        base = tense.draw(1, name)[0]
    z = turn(base.clone(), order[:SLIDERS].tolist(), f"{tense.name} {name}")
    four_forms(explore.spell_out(tense, z[None])[0], "The four forms decoded at these values")
    show_statistics(statistics, sample, order)


def turn(z: torch.Tensor, dimensions: list[int], base: str) -> torch.Tensor:
    """A slider for each dimension; the given z (Z,) with their values."""
    starts = {f"dimension {d} of {base}": round(z[d].item(), 2) for d in dimensions}
    st.markdown(
        f"The {len(dimensions)} dimensions with the largest mean KL, largest first. Under the prior each is a standard "
        "normal number, so nearly always between −3 and 3."
    )
    for place, (d, (key, start)) in enumerate(zip(dimensions, starts.items(), strict=True)):
        if place % 4 == 0:  # a row at a time: on a narrow screen columns stack one by one
            columns = st.columns(4)
        low, high = float(min(-4, math.floor(start))), float(max(4, math.ceil(start)))
        st.session_state.setdefault(key, start)
        z[d] = columns[place % 4].slider(f"Dimension {d}", low, high, step=0.01, key=key)
    st.button("Reset", on_click=st.session_state.update, args=(starts,), help="Back to the values of the start.")
    return z


def show_statistics(statistics: dict, sample: explore.Sample, order: np.ndarray) -> None:
    active = [int(d) for d in order if statistics["active"][d]]
    st.header("How much each dimension is used")
    st.markdown(
        f"**{len(active)} of {len(order)} dimensions are active**: over {len(sample.words):,} words the posterior mean "
        "varies by more than 0.01 (Burda et al. 2016). The model leaves the others at the prior, where they cost "
        f"nothing. In all a word costs {statistics['kl'].sum():.2f} nats of KL on average."
    )
    st.plotly_chart(
        figures.kl_bars(statistics["kl"], statistics["active"]), key="kl", config=PLAIN,
        alt="Mean KL of each dimension in nats, largest first",
    )  # fmt: skip
    st.header("What each dimension carries")
    if not active:
        st.markdown("No dimension is active, so none carries anything: the posterior has collapsed to the prior.")
        return
    traits = explore.traits(sample)
    shares = {name: explore.explained_variance(sample.mu, labels) for name, labels in traits.items()}
    st.markdown(
        "The share of the variance of the posterior mean, in percent, that lies between groups of words (eta squared): "
        "by tense, and by the length, first letter, last letter and spelling class of the verb's present form. Many "
        "small groups explain a few percent by chance. " + in_words(shares, active[:SLIDERS])
    )
    st.plotly_chart(
        figures.trait_heatmap(shares, active), key="traits", config=PLAIN,
        alt="Percent of each active dimension's variance explained by five traits of the word",
    )  # fmt: skip


def in_words(shares: dict[str, np.ndarray], dimensions: list[int]) -> str:
    """The trait that explains most of each dimension."""
    best = {d: max(shares, key=lambda name: shares[name][d]) for d in dimensions}  # noqa: B023
    named = [f"dimension {d}: {t} ({shares[t][d]:.0%})" for d, t in best.items()]
    return f"What explains most: {'; '.join(named)}."


# --- the page -------------------------------------------------------------------------------------------------------

VIEWS = {
    "Interpolate": show_interpolate,
    "Map": show_map,
    "Sample": show_sample,
    "Dimensions": show_dimensions,
}

st.title("Latent space")
st.markdown(
    "The encoder turns a word into a z, a short list of numbers; the decoder spells a z in any tense. Here words are "
    "always spelled from z alone, even by a model whose decoder also sees the source word when it converts; so a word "
    "may come back changed."
)
left, right = st.columns([3, 1], vertical_alignment="bottom")
view = left.segmented_control(
    "View", list(VIEWS), default="Interpolate", required=True, key="view", bind="query-params"
)
with right:
    model = ui.pick_model("Model", "model")
try:
    VIEWS[view](model)
except UserError as error:
    st.error(str(error))
