"""Words decoded from draws of the prior, and the Gaussian score."""

import pandas as pd
import streamlit as st

import ui
from cvae_core.tense import explore
from cvae_core.tense.data import TENSES
from cvae_core.tense.inference import Tense
from ui.latent.common import REFINE_HELP, ROUNDS, version


@st.cache_data(max_entries=20, show_spinner="Decoding the draws…")
def _cached_draws(name: str, modified: float, n: int, seed: int, rounds: int) -> dict:
    from cvae_core.tense.metrics import gaussian_score  # nltk, which it also needs, takes seconds to import

    model = ui.load_model(name)
    z = model.refine(model.draw(n, seed), rounds)
    rows = model.decode_rows(z)
    score, distinct = gaussian_score(rows, model.verbs)
    reasons = [explore.explain(row, model.verbs) for row in rows]
    return {"rows": rows, "why": reasons, "score": score, "distinct": distinct} | explore.consistency(rows)


def show_sample(model: Tense) -> None:
    """The view: scores of the draws, one shot and refined, and the draws one by one."""
    columns = st.columns(3, vertical_alignment="bottom")
    n = columns[0].number_input("Draws", 1, 500, 100, key="n", bind="query-params")
    seed = ui.seed_input(columns[1], "Seed", "seed", 0)
    columns[2].button("Resample", on_click=ui.new_seeds, args=("seed",), help="A new seed.")
    ways = {"one shot": 0, f"refined ({ROUNDS} rounds)": ROUNDS}
    results = {way: _cached_draws(*version(model), n, seed, rounds) for way, rounds in ways.items()}
    for column, (way, draws) in zip(st.columns(2), results.items(), strict=True):
        with column:
            st.metric(f"Gaussian score, {way}", f"{draws['score']:.1%}")
            st.markdown(
                f"{draws['distinct']:.1%} of the draws are *different* training rows. As one verb: "
                f"{draws['dictionary']:.1%} are a verb of the dictionary, {draws['rules']:.1%} are spelled as one "
                "verb, real or invented."
            )
    st.markdown(
        f"The course's Gaussian score, the one-shot figure, is the share of z drawn from N(0, I) whose four decoded "
        f"forms are a row of the {len(model.verbs):,} verbs that the model was trained on. *Spelled as one verb* is "
        "less strict: the other three forms are what the dictionary or the spelling rules give for the decoded present "
        "form, so it measures whether the four forms of one z belong to one verb."
    )
    columns = st.columns(2, vertical_alignment="bottom")
    way = columns[0].segmented_control(
        "Table", list(ways), default="one shot", required=True, key="table", help=REFINE_HELP
    )
    failures = columns[1].toggle("Failures only", key="failures", bind="query-params")
    _show_draws(results[way], failures)


def _show_draws(draws: dict, failures: bool) -> None:
    """The draws one by one, with the reason where one is no row."""
    table = pd.DataFrame(draws["rows"], columns=list(TENSES))
    table.insert(0, "draw", range(1, len(table) + 1))
    table.insert(1, "a row", ["✗" if why else "✓" for why in draws["why"]])
    table["why not"] = draws["why"]
    shown = table[table["why not"] != ""] if failures else table
    st.dataframe(shown, hide_index=True, alt="The drawn tuples, and why some are no row")
    st.download_button("Download CSV", shown.to_csv(index=False), "draws.csv", "text/csv")
