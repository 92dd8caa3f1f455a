"""Convert a verb to a tense: the answer, its letters' probabilities, other candidates; or a whole file."""

import streamlit as st

import ui

ui.frame("convert")

import math
from functools import partial

import pandas as pd
from torch import Tensor

from cvae_core.errors import UserError
from cvae_core.latent import Gaussian, kl_to_standard
from cvae_core.tense.data import PAST, TENSES, parse_word
from cvae_core.tense.familiarity import warning
from cvae_core.tense.inference import Inflector
from cvae_core.tense.lexicon import listed_forms, lookup, note_on
from cvae_core.tense.table import convert_table, format_table, parse_table, safe
from ui.figures.words import Card, candidate_tree, form_cards, letter_tiles, reliability_figure, sample_bars

EXAMPLES = {"walk": "regular", "begin": "irregular", "stop": "doubling", "went": "a past", "blorp": "invented"}
MAX_ROWS = 20_000
DRAWN, SHOWN = 200, 8  # samples, and different ones that are listed


def show_conversion(model: Inflector, word: str, source: int, target: int, column: int) -> str:
    """Show the answer, the four forms and their probabilities; returns the answer."""
    s = model.infer([word], [source])
    answers = model.answer(s, range(len(TENSES)))
    answer = answers[target]
    st.metric(
        f"{word} → {TENSES[target]} (model {model.name})", answer.form, f"{answer.probability:.1%} probability",
        delta_color="off", delta_arrow="off",
    )  # fmt: skip
    listed = [listed_forms(word, source, t) for t in range(len(TENSES))]
    cards = [Card(t, c.form, c.probability, forms) for t, c, forms in zip(TENSES, answers, listed, strict=True)]
    st.html(form_cards(cards, asked=TENSES[target]))
    if note := note_on(answer.form, listed[target]):
        st.caption(note)
    familiarity = model.familiarity([word], [source])[0]
    if model.reaches_floor(familiarity) is False:
        st.warning(warning(model, word))
    st.markdown(_uncertainty(model.posterior([word], [source])) + _familiarity(model, familiarity))
    letters, probabilities = model.letter_probabilities(s, target, answer.form)
    st.subheader("Letter by letter")
    st.markdown(
        f"Above each letter the one of *{word}* that it stands for (aligned by edit distance); below it its "
        "probability, then the letters that the decoder held possible in its place."
    )
    st.html(letter_tiles(word, letters, probabilities))
    st.subheader("Where the candidates part")
    st.markdown("The five best forms of beam search. Each branch has the probability of all that follows it.")
    candidates = model.alternatives(s, target, answer)
    st.html(candidate_tree(candidates))
    show_score(model, word, source, target, answer.form, column)
    show_samples(model, s, target, column)
    return answer.form


@st.fragment
def show_samples(model: Inflector, s: Tensor, target: int, column: int) -> None:
    """Forms drawn from the decoder letter by letter, at a temperature that the user chooses."""
    panel = st.expander("Draw instead of choosing the likeliest", on_change="rerun", key=f"samples {column}")
    if not panel.open:
        return
    with panel:
        temperature = st.slider(
            "Temperature", 0.5, 3.0, 1.0, 0.1, key=f"temperature {column}",
            help="Logits are divided by it: below 1 the likeliest letters are drawn even more often, above 1 the "
            "others more often.",
        )  # fmt: skip
        drawn = model.sample(s, target, DRAWN, temperature, seed=0)
        st.html(sample_bars(drawn[:SHOWN], DRAWN))
        rest = sum(times for _, times in drawn[SHOWN:])
        more = f" {len(drawn) - SHOWN} others were drawn {rest} times." if rest else ""
        st.markdown(f"{DRAWN} forms drawn from the decoder, each letter given those before it.{more}")


def show_score(model: Inflector, word: str, source: int, target: int, answer: str, column: int) -> None:
    """Score a form that the user enters beside the model's own."""
    typed = st.text_input(
        f"A form of your own for the {TENSES[target]}", key=f"own {column}", max_chars=200, placeholder=answer,
        help="The model's log-probability of that form, in nats, beside that of its own answer.",
    )  # fmt: skip
    if not typed.strip():
        return
    try:
        forms = [parse_word(typed), answer]
    except UserError as error:
        st.error(str(error))
        return
    scores = model.score([word] * 2, [source] * 2, [target] * 2, forms)
    columns = ["log-probability", f"at temperature {model.temperature:g}"]
    table = pd.DataFrame([map("{:.2f}".format, score) for score in scores], columns=columns)
    table.insert(0, "form", forms)
    st.dataframe(table, hide_index=True, alt="Log-probabilities, in nats, of your form and of the model's")


def _uncertainty(z: Gaussian) -> str:
    """A sentence on the KL of the word's posterior."""
    kl = kl_to_standard(*z).sum().item()
    one_in = math.exp(min(kl, 20))
    return f"KL of z to the prior: {kl:.1f} nats, enough to single out one verb in about {one_in:,.0f}."


def _familiarity(model: Inflector, familiarity: float) -> str:
    """A sentence that compares a word's familiarity with the model's floor; empty if the checkpoint has none."""
    if model.familiarity_floor is None:
        return ""
    floor = f"words below {model.familiarity_floor:.1f} count as unfamiliar"
    return f" Familiarity: {familiarity:.1f} nats per letter; {floor}."


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
        first = ui.pick_model("Model", "model")
        second = ui.pick_model("Compare with", "beside", none="none")
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
    models = [first, second] if second else [first]
    for i, (column, model) in enumerate(zip(st.columns(len(models)), models, strict=True)):
        with column:
            answer = show_conversion(model, word, source, target, i)
            _add_to_history(word, TENSES[source], TENSES[target], answer, model.name)
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
        "A CSV or TSV file with the columns `word,source,target`, or a plain list of words. A tense that the file does "
        "not name is inferred for the word, and chosen here for the answer."
    )
    target = st.selectbox("To, where the file does not say", TENSES, index=PAST, key="file_target")
    try:
        rows = ui.uploaded_text(st, "CSV or TSV file", "verb_table", partial(parse_table, target=target))
        if rows is None:
            return
        if len(rows) > MAX_ROWS:
            raise UserError(f"The file has {len(rows):,} rows; at most {MAX_ROWS:,} are converted here.")
    except UserError as error:
        st.error(str(error))
        return
    model = ui.load_model(st.session_state.get("model", "tense"))
    bar = st.progress(0.0, "Converting…")
    converted = convert_table(model, rows, lambda n, total: bar.progress(n / total, f"{n:,} of {total:,} words"))
    bar.empty()
    failed = sum(bool(row["error"]) for row in converted)
    st.markdown(f"{len(converted) - failed:,} rows converted, {failed:,} with an error.")
    table = pd.DataFrame(converted).map(safe).rename(columns=safe)  # the widget can export it, too
    st.dataframe(table, hide_index=True, alt="Converted rows")
    st.download_button("Download CSV", format_table(converted), "converted.csv", "text/csv")


ui.header(
    "convert", "Convert a verb",
    "Type an English verb, real or invented, and see how the model spells it in another tense, letter by letter.",
)  # fmt: skip
one, many = st.tabs(["One verb", "A file"])
with one:
    show_word()
    show_reliability()
with many:
    show_batch()
