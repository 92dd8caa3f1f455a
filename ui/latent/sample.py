"""Words decoded from samples of the prior, and the Gaussian score."""

from collections import Counter

import numpy as np
import pandas as pd
import streamlit as st
from scipy.special import gammaln, xlogy

import ui
from cvae_core.tense import explore
from cvae_core.tense.data import TENSES
from cvae_core.tense.inference import Inflector
from cvae_core.tense.metrics import gaussian_score
from ui.figures import latent as figures
from ui.latent.common import REFINE_HELP, ROUNDS, version

KINDS = ("a verb", "spelled like one verb", "not one verb")


@st.cache_data(max_entries=20, show_spinner="Decoding the samples…")
def _cached_samples(name: str, modified: float, n: int, seed: int, rounds: int) -> dict:
    model = ui.load_model(name)
    z = model.refine(model.draw(n, seed), rounds)
    rows = model.decode_rows(z)
    score, distinct = gaussian_score(rows, model.verbs)
    reasons = [explore.explain(row, model.verbs) for row in rows]
    kinds = [_kind(row, reason) for row, reason in zip(rows, reasons, strict=True)]
    lemmas = [row[0] for row, kind in zip(rows, kinds, strict=True) if kind == KINDS[0]]
    return {
        "rows": rows, "reasons": reasons, "kinds": kinds, "score": score, "distinct": distinct,
        "times": list(Counter(lemmas).values()),
    } | explore.consistency(rows)  # fmt: skip


def _kind(row: tuple[str, ...], reason: str) -> str:
    """What a sample is: one of KINDS. `reason` is why it is no training row, empty if it is one."""
    if not reason:
        return KINDS[0]
    return KINDS[1] if explore.verb_of(row) or explore.is_regular(row) else KINDS[2]


def show_sample(model: Inflector) -> None:
    """The view: scores of samples of the prior, one shot and refined, and a table of the samples."""
    columns = st.columns(3, vertical_alignment="bottom")
    n = columns[0].number_input("Samples", 1, 2000, 200, key="n", bind="query-params")
    seed = ui.seed_input(columns[1], "Seed", "seed", 0)
    columns[2].button("Resample", on_click=ui.new_seeds, args=("seed",), help="A new seed.")
    rounds_of = {"one shot": 0, f"refined ({ROUNDS} rounds)": ROUNDS}
    results = {way: _cached_samples(*version(model), n, seed, rounds) for way, rounds in rounds_of.items()}
    for column, (way, samples) in zip(st.columns(2), results.items(), strict=True):
        with column:
            st.metric(f"Gaussian score, {way}", f"{samples['score']:.1%}")
            st.markdown(
                f"{samples['distinct']:.1%} of the samples are *different* training rows. As one verb: "
                f"{samples['dictionary']:.1%} are a verb of the dictionary, {samples['rules']:.1%} are spelled as one "
                "verb, real or invented."
            )
    st.markdown(
        f"The course's Gaussian score, the one-shot figure, is the share of samples z ~ N(0, I) whose four decoded "
        f"forms are a row of the {len(model.verbs):,} verbs that the model was trained on. *Spelled as one verb* is "
        "less strict: the other three forms are what the dictionary or the spelling rules give for the decoded present "
        "form, so it measures whether the four forms of one z belong to one verb."
    )
    left, right = st.columns(2)
    with left:
        _show_running_score(results["one shot"])
    with right:
        _show_shares(results["one shot"], len(model.verbs))
    columns = st.columns(2, vertical_alignment="bottom")
    way = columns[0].segmented_control(
        "Table", list(results), default="one shot", required=True, key="table", help=REFINE_HELP
    )
    failures = columns[1].toggle("Failures only", key="failures", bind="query-params")
    _show_samples(results[way], failures)


def _show_running_score(samples: dict) -> None:
    """How the Gaussian score settles as samples accumulate, with its confidence interval."""
    st.markdown(
        "**How sure is the score?** The line is the score of the first samples, the band its 95 % confidence interval "
        "(Wilson). With 100 samples, as the course draws, it is about ten points wide: try another seed, then more "
        "samples."
    )
    st.plotly_chart(
        figures.running_score([kind == KINDS[0] for kind in samples["kinds"]]), key="running", config=ui.PNG,
        alt="Gaussian score of the first n samples with its 95 % confidence interval",
    )  # fmt: skip


def _show_shares(samples: dict, verbs: int) -> None:
    """How evenly the samples fall on the verbs, beside equal shares."""
    n = sum(samples["times"])
    counts = [0] * (max(samples["times"], default=0) + 1)
    counts[0] = verbs - len(samples["times"])
    for times in samples["times"]:
        counts[times] += 1
    expected = equal_shares(n, verbs, len(counts))
    st.markdown(
        "**Does every verb get its share of the prior?** The bars count the verbs that no sample, one, two, … decoded "
        "to; the lines are what equal shares would give (a Poisson distribution). Draw 2,000 samples to see them well."
    )
    st.plotly_chart(
        figures.shares_figure(counts, expected), key="shares", config=ui.PNG,
        alt="Verbs by the number of samples that decode to them, and what equal shares would give",
    )  # fmt: skip


def equal_shares(n: int, verbs: int, counts: int) -> list[float]:
    """How many verbs 0, 1, …, `counts` - 1 of n samples would decode to if each verb were equally likely."""
    rate, i = n / verbs, np.arange(counts)
    # In logarithms: with few verbs the power and the factorial are too large for a float.
    return (verbs * np.exp(xlogy(i, rate) - rate - gammaln(i + 1))).tolist()


def _show_samples(samples: dict, failures: bool) -> None:
    """A table of the decoded samples, or of `failures` alone, with the reason why one is no training row."""
    table = pd.DataFrame(samples["rows"], columns=list(TENSES))
    table.insert(0, "sample", range(1, len(table) + 1))
    table.insert(1, "what it is", samples["kinds"])
    table["why not"] = samples["reasons"]
    if failures:
        table = table[table["why not"] != ""]
    st.dataframe(table, hide_index=True, alt="The decoded samples, and why some are no training row")
    st.download_button("Download CSV", table.to_csv(index=False), "samples.csv", "text/csv", on_click="ignore")
