"""Convert a verb to a tense: the answer, its letters' probabilities, other candidates; or a whole file."""

import streamlit as st

import ui

ui.frame("convert")

from functools import partial

import pandas as pd

from cvae_core.errors import UserError
from cvae_core.tense.data import PAST, TENSES, parse_word
from cvae_core.tense.lexicon import lookup
from cvae_core.tense.table import convert_table, format_table, parse_table, safe
from ui.conversion import convert, show_answer, show_parts, side_by_side
from ui.figures.words import reliability_figure

EXAMPLES = {"walk": "regular", "begin": "irregular", "stop": "doubling", "went": "a past", "blorp": "invented"}
MAX_ROWS = 20_000


@st.fragment  # entering a verb reruns this function, not the page
def show_word() -> None:
    """Convert one verb with one model, or with two side by side."""
    st.session_state.setdefault("verb", "abandon")
    with st.container(horizontal=True):
        for example, kind in EXAMPLES.items():
            st.button(f"{example} ({kind})", on_click=st.session_state.update, args=({"verb": example},))
    columns = st.columns([3, 2, 2], vertical_alignment="bottom")
    text = columns[0].text_input("Verb", key="verb", bind="query-params", max_chars=200)
    target_name = columns[1].selectbox("To", TENSES, index=3, key="target", bind="query-params")
    with columns[2].popover("Model and tense", icon=":material/tune:", width="stretch"):
        names = ui.model_names()
        first = ui.pick_model("Model", "model", names=names)
        second = ui.pick_model("Compare with", "beside", none="none", names=names)
        chosen = st.selectbox("From", ["infer", *TENSES], key="source", bind="query-params")
    try:
        word = parse_word(text)
    except UserError as error:
        st.error(str(error))
        return
    target = TENSES.index(target_name)
    if not ui.show_remark(word) and chosen == "infer":
        return
    if chosen == "infer":
        source = first.infer_tense(word)
        listed = sorted({t for _, t in lookup(word)})
        other = "" if source in listed or not listed else f" The dictionary lists it as {TENSES[listed[0]]}."
        st.caption(f"Inferred tense: {TENSES[source]}.{other}")
    else:
        source = TENSES.index(chosen)
    conversions = [convert(model, word, source, target) for model in ([first, second] if second else [first])]
    side_by_side(conversions, show_answer)
    show_parts(conversions)
    for c in conversions:
        _add_to_history(word, TENSES[source], TENSES[target], c.answer.form, c.model.name)
    history = st.expander("History of this visit", on_change="rerun")
    if history.open:
        alt = "Conversions of this visit"
        history.dataframe(pd.DataFrame(st.session_state["history"]), hide_index=True, alt=alt)


def _add_to_history(word: str, source: str, target: str, answer: str, model: str) -> None:
    entry = {"word": word, "from": source, "to": target, "answer": answer, "model": model}
    history = st.session_state.setdefault("history", [])
    if entry not in history:
        st.session_state["history"] = [entry, *history][:50]


@st.fragment
def show_reliability() -> None:
    """Calibration of the answers' probabilities on unseen verbs."""
    panel = st.expander("How reliable is the probability?", on_change="rerun")
    if not panel.open:
        return
    scores = ui.read_scores("tense-heldout")["unseen"]
    with panel:
        st.markdown(
            "The model `tense-heldout` on verbs that it was not trained on, in all 12 directions: `tense` was trained "
            "on every verb of the dictionary, which leaves none to measure this on. Larger points stand for more "
            "answers; on the dotted line the probability equals the share of right answers. On "
            f"average the two differ by {scores['calibration']['error']:.1%} (expected calibration error, 15 bins)."
        )
        st.plotly_chart(
            reliability_figure(scores["calibration"]["bins"]), config=ui.PLAIN, key="reliability",
            alt="Accuracy against the mean probability of the answers",
        )  # fmt: skip


def show_batch() -> None:
    """Convert an uploaded table of verbs."""
    st.markdown(
        "A CSV or TSV file with the columns `word,source,target`, or a plain list of words. Where the file names no "
        "source tense, it is inferred; where it names no target tense, the one chosen below is used. At most "
        f"{MAX_ROWS:,} rows. Columns added beside the answer and its probability: `familiar` (does the model know the "
        "word), `known` and `dictionary` (what the dictionary lists), `note` (where the two differ)."
    )
    columns = st.columns(2)
    with columns[0]:
        model = ui.pick_model("Model", "model")
    target = columns[1].selectbox("To, where the file does not say", TENSES, index=PAST, key="file_target")
    try:
        rows = ui.uploaded_text(st, "CSV or TSV file", "verb_table", partial(parse_table, target=target))
        if rows is None:
            return
        if len(rows) > MAX_ROWS:
            raise UserError(f"The file has {len(rows):,} rows; at most {MAX_ROWS:,} are converted here.")
    except UserError as error:
        st.error(str(error))
        return
    bar = st.progress(0.0, "Converting…")
    converted = convert_table(model, rows, lambda n, total: bar.progress(n / total, f"{n:,} of {total:,} words"))
    bar.empty()
    failed = sum(bool(row["error"]) for row in converted)
    st.markdown(f"{len(converted) - failed:,} rows converted, {failed:,} with an error.")
    table = pd.DataFrame(converted).map(safe).rename(columns=safe)  # the widget can export it, too
    st.dataframe(table, hide_index=True, alt="Converted rows")
    st.download_button("Download CSV", format_table(converted), "converted.csv", "text/csv", on_click="ignore")


ui.header(
    "convert", "Convert a verb",
    "Type an English verb, real or invented, and see how the model spells it in another tense, letter by letter.",
)  # fmt: skip
one, many = st.tabs(["One verb", "A file"], on_change="rerun", key="tab", bind="query-params")
if one.open:  # the widgets of a hidden tab would be sent at every rerun, too
    with one:
        show_word()
        show_reliability()
if many.open:
    with many:
        show_batch()
