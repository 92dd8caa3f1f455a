"""One verb converted by one model or by several: each part of it in a row, each model in a column."""

import math
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import streamlit as st
from torch import Tensor

import ui
from cvae_core.errors import UserError
from cvae_core.latent import Gaussian, kl_to_standard
from cvae_core.tense.data import TENSES, parse_word
from cvae_core.tense.familiarity import warning
from cvae_core.tense.inference import Candidate, Inflector
from cvae_core.tense.lexicon import listed_forms
from ui.figures import TENSES as COLOURS
from ui.figures import bars
from ui.figures.words import Card, candidate_tree, form_cards, letter_tiles

DRAWN, SHOWN = 200, 8  # samples, and different ones that are listed


class Conversion(NamedTuple):
    """What one model makes of a word."""

    model: Inflector
    word: str
    source: int
    target: int
    s: Tensor  # (1, S), spells the word
    answers: list[Candidate]  # in the four tenses

    @property
    def answer(self) -> Candidate:
        """In the tense that was asked for."""
        return self.answers[self.target]

    @property
    def colour(self) -> str:
        """Of that tense."""
        return COLOURS[TENSES[self.target]]


def convert(model: Inflector, word: str, source: int, target: int) -> Conversion:
    """The four forms of a word by one model."""
    s = model.infer([word], [source])
    return Conversion(model, word, source, target, s, model.answer(s, range(len(TENSES))))


def side_by_side(conversions: list[Conversion], show: Callable[[Conversion, int], None]) -> None:
    """Show one part of each conversion, in columns of a row of their own: what is compared stays at one height."""
    for i, (column, conversion) in enumerate(zip(st.columns(len(conversions)), conversions, strict=True)):
        with column:
            if len(conversions) > 1 and show is not show_answer:
                st.markdown(f"`{conversion.model.name}`")
            show(conversion, i)


def show_answer(c: Conversion, column: int) -> None:
    """The answer and its probability, large."""
    label = f"{c.word} → {TENSES[c.target]} (model {c.model.name})"
    probability = f"{c.answer.probability:.1%} probability"
    st.metric(label, c.answer.form, probability, delta_color="off", delta_arrow="off")


def show_forms(c: Conversion, column: int) -> None:
    """The four forms as cards, with what the dictionary and the model know of the word."""
    listed = [listed_forms(c.word, c.source, t) for t in range(len(TENSES))]
    cards = [Card(t, a.form, a.probability, forms) for t, a, forms in zip(TENSES, c.answers, listed, strict=True)]
    st.html(form_cards(cards, asked=TENSES[c.target]))
    familiarity = c.model.familiarity([c.word], [c.source])[0]
    if c.model.reaches_floor(familiarity) is False:
        st.warning(warning(c.model, c.word))
    st.markdown(uncertainty(c.model.posterior([c.word], [c.source])) + _familiarity(c.model, familiarity))


def show_letters(c: Conversion, column: int) -> None:
    """The answer's letters under those of the word that they are aligned with."""
    letters, probabilities = c.model.letter_probabilities(c.s, c.target, c.answer.form)
    st.html(letter_tiles(c.word, letters, probabilities, c.colour))


def show_candidates(c: Conversion, column: int) -> None:
    """The candidates of beam search as a tree."""
    st.html(candidate_tree(c.model.alternatives(c.s, c.target, c.answer)))


@st.fragment
def show_samples(c: Conversion, column: int) -> None:
    """Forms sampled from the decoder, letter by letter, at a temperature that the user chooses."""
    panel = st.expander("Sample instead of choosing the likeliest", on_change="rerun", key=f"samples {column}")
    if not panel.open:
        return
    with panel:
        temperature = st.slider(
            "Temperature", 0.5, 3.0, 1.0, 0.1, key=f"temperature {column}",
            help="Logits are divided by it: below 1 the likeliest letters are drawn even more often, above 1 the "
            f"others more often. The probabilities above are at {c.model.temperature:g}, the temperature in this "
            "checkpoint: 1, or one fitted on validation verbs.",
        )  # fmt: skip
        drawn = c.model.sample(c.s, c.target, DRAWN, temperature, seed=0)
        rows = [(form, times / DRAWN, str(times)) for form, times in drawn[:SHOWN]]
        st.html(bars(rows, "Forms drawn, with their number", c.colour))
        rest = sum(times for _, times in drawn[SHOWN:])
        more = f" {len(drawn) - SHOWN} others were drawn {rest} times." if rest else ""
        st.markdown(f"{DRAWN} forms drawn from the decoder, each letter given those before it.{more}")


def show_score(conversions: list[Conversion]) -> None:
    """Score a form that the user enters beside the answer of each model."""
    word, target = conversions[0].word, TENSES[conversions[0].target]
    typed = st.text_input(
        f"A form of your own for the {target} of {word}", key="own", max_chars=200,
        placeholder="another spelling",
        help="Its probability, beside that of each model's own answer. log p is the sum over its letters, before the "
        "softmax temperature is applied.",
    )  # fmt: skip
    if not typed.strip():
        return
    try:
        own = parse_word(typed)
    except UserError as error:
        st.error(str(error))
        return
    rows = []
    for c in conversions:
        forms = list(dict.fromkeys([own, c.answer.form]))
        n = len(forms)
        for form, score in zip(forms, c.model.score([c.word] * n, [c.source] * n, [c.target] * n, forms), strict=True):
            rows.append({
                "model": c.model.name, "form": form, "log p, nats": f"{score.log_probability:.2f}",
                "probability": f"{math.exp(score.log_probability_temperature):.2%}",
                "": "the model's answer" if form == c.answer.form else "yours",
            })  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt=f"Probability of {own} and of the models' own answers")


def uncertainty(z: Gaussian) -> str:
    """A sentence on the KL of the word's posterior."""
    kl = kl_to_standard(*z).sum().item()
    one_in = f"about {math.exp(kl):,.0f}" if kl < 14 else "over a million"  # more than the verbs there are
    return f"KL of z to the prior: {kl:.1f} nats, enough to single out one verb in {one_in}."


def _familiarity(model: Inflector, familiarity: float) -> str:
    """A sentence that compares a word's familiarity with the model's floor; empty if the checkpoint has none."""
    if model.familiarity_floor is None:
        return ""
    floor = f"words below {model.familiarity_floor:.1f} count as unfamiliar"
    return f" Familiarity: {familiarity:.1f} nats per letter; {floor}.".replace("-", "−")


def show_parts(conversions: list[Conversion]) -> None:
    """All that is shown of a word below the answers."""
    word = conversions[0].word
    side_by_side(conversions, show_forms)
    ui.paint()
    st.subheader("Letter by letter")
    st.markdown(
        f"Above each letter stands the letter of *{word}* that it is aligned with; below it, its probability and up to "
        "three alternatives of at least 1%."
    )
    side_by_side(conversions, show_letters)
    st.subheader("Where the candidates diverge")
    st.markdown("The five best forms of beam search. Each branch has the probability of all that follows it.")
    side_by_side(conversions, show_candidates)
    show_score(conversions)
    side_by_side(conversions, show_samples)
