"""The quiz: an invented verb, the visitor's past tense, then people's, the rule model's and the network's."""

import random

import numpy as np
import streamlit as st

import ui
from cvae_core.errors import UserError
from cvae_core.tense import wug
from cvae_core.tense.data import parse_word
from cvae_core.tense.inference import Inflector
from cvae_core.tense.spelling import regular_pasts
from ui.figures.wug import Row, answer_bars, people_scatter, percent

ENOUGH = 10  # verbs before network and people are compared over all


@st.cache_data(max_entries=500, show_spinner=False)
def _probabilities(name: str, modified: float, verb: str, pasts: tuple[str, ...]) -> list[float]:
    return wug.probabilities(ui.load_model(name), verb, pasts)


def show_quiz(model: Inflector) -> None:
    """The view: a question, the comparison for the verb answered last, and after ten verbs that for all."""
    state = st.session_state
    if "wug_order" not in state:
        verbs = list(wug.load_forms())
        state["wug_order"], state["wug_answers"] = random.sample(verbs, len(verbs)), {}
    answers: dict[str, str | None] = state["wug_answers"]
    left = [verb for verb in state["wug_order"] if verb not in answers]
    if left:
        _ask(left[0], len(answers))
    else:
        st.success(f"You have answered all {len(answers)} verbs.")
    if answers:
        _show_comparison(model, list(answers)[-1], answers)
    if len(answers) >= ENOUGH:
        _show_all(model, answers)


def _record(verb: str, past: str | None) -> None:
    """Keep an answer, None for a verb that was skipped, and empty the field for the next verb; a callback."""
    st.session_state["wug_answers"][verb] = past
    st.session_state["answer"] = ""


def _record_typed(verb: str) -> None:
    """Keep what was typed, or an error for what is no word; a callback."""
    try:
        _record(verb, parse_word(st.session_state["answer"]))
    except UserError as error:
        st.session_state["wug_error"] = str(error)


def _ask(verb: str, answered: int) -> None:
    """The question: a field for the past, the rated pasts to choose from on request, and a button to skip the verb.

    The field keeps the focus from verb to verb, so that ten verbs are ten words and the Enter key.
    """
    st.html(f'<p class="question" role="status">Today I <b>{verb}</b>. Yesterday I …</p>')
    columns = st.columns([4, 2, 2], vertical_alignment="bottom")
    columns[0].text_input(
        "Its past tense", key="answer", max_chars=200, on_change=_record_typed, args=(verb,), autocomplete="off",
        placeholder="type it and press Enter",
    )  # fmt: skip
    columns[1].button("Skip this verb", key="skip", on_click=_record, args=(verb, None), width="stretch")
    choose = columns[2].toggle("Choose instead", key="choose", help="Shows the pasts that people were asked about.")
    if choose:
        with st.container(horizontal=True):
            for past in sorted(form.past for form in wug.load_forms()[verb]):
                st.button(past, key=f"choose {past}", on_click=_record, args=(verb, past))
    if error := st.session_state.pop("wug_error", None):
        st.error(error)
    st.caption(f"Verb {answered + 1}. Your answers stay in this session; nothing is stored.")


def _show_comparison(model: Inflector, verb: str, answers: dict[str, str | None]) -> None:
    """Three aligned sets of bars for a verb, the visitor's answer among them, and a sentence."""
    own, forms = answers[verb], wug.load_forms()[verb]
    same = next((form for form in forms if own in wug.spellings(verb, form.past)), None)
    new = (own,) if own and not same else ()
    pasts = (*(form.past for form in forms), *new)
    values = dict(zip(pasts, _probabilities(*ui.stamp(model.name), verb, pasts), strict=True))
    rows = [Row(form.past, values[form.past], form, form is same) for form in forms]
    rows += [Row(past, values[past], None, True) for past in new]
    st.html(answer_bars(verb, rows))
    st.markdown(_sentence(rows[: len(forms)]))


def _sentence(rows: list[Row]) -> str:
    """What is to be seen: which past people say and prefer, and whether both models agree."""
    forms = [row.form for row in rows if row.form]
    said, liked = max(forms, key=lambda f: f.production), max(forms, key=lambda f: f.rating)
    rules = max(forms, key=lambda f: f.rule_model).past
    best = max(rows, key=lambda row: row.probability)
    text = f"People said *{said.past}* most often ({said.production:.0%})"
    if liked is not said:
        text += f", but *{liked.past}* was rated higher ({liked.rating:.1f} against {said.rating:.1f})"
    if rules == best.past == liked.past:
        return f"{text}; the rule model and the network ({percent(best.probability)}) prefer that form, too."
    text += f"; the rule model prefers *{rules}*, the network *{best.past}* ({percent(best.probability)})."
    if liked.past not in (rules, best.past):
        return f"{text} Neither follows the ratings."
    return f"{text} Only the {'rule model' if rules == liked.past else 'network'} agrees with the ratings."


def _show_all(model: Inflector, answers: dict[str, str | None]) -> None:
    """Network against people over every past of the core verbs, with the correlation."""
    groups = [forms for forms in wug.load_forms().values() if forms[0].core]
    with st.spinner("Scoring every past…"):
        values = [
            _probabilities(*ui.stamp(model.name), forms[0].verb, tuple(form.past for form in forms)) for forms in groups
        ]
    forms, probabilities = [form for group in groups for form in group], [p for group in values for p in group]
    ratings = np.array([form.rating for form in forms])
    network = wug.spearman(np.array(probabilities), ratings)
    rules = wug.spearman(np.array([form.rule_model for form in forms]), ratings)
    given = {verb: past for verb, past in answers.items() if past}
    regular = sum(past in regular_pasts(verb) for verb, past in given.items())
    st.subheader("Network against people, over all pasts")
    st.markdown(
        f"You gave {len(given)} answers, {regular} of them regular. Each point is a past of one of the {len(groups)} "
        f"core verbs, filled where you saw the verb. Spearman's ρ with people's ratings: **{network:.2f}** for the "
        f"network `{model.name}`, {rules:.2f} for the rule model. Most of it is the distance between the two clouds, "
        "which any model that prefers regular forms gets right; the order *within* a cloud is harder."
    )
    st.plotly_chart(
        people_scatter(forms, probabilities, list(answers)), key="people", config=ui.PNG,
        alt=f"The network's probability of each past against people's rating; Spearman's correlation {network:.2f}",
    )  # fmt: skip
