"""What this is, and one live conversion."""

import streamlit as st

import ui

ui.frame("home")

from cvae_core.errors import UserError
from cvae_core.tense.data import TENSES, parse_word

st.title("Conditional variational autoencoders")
st.markdown(
    "A CVAE learns to write something — here, an English verb — **given a condition** — here, its tense. "
    "Type a verb: the network spells it letter by letter in all four tenses. It looks nothing up."
)

st.session_state.setdefault("verb", "abandon")
verb = st.text_input("Verb", key="verb", bind="query-params", max_chars=200)
try:
    word = parse_word(verb)
    tense = ui.load_model("tense")
    source, _ = tense.infer_tense(word)
    made = tense.convert([word] * len(TENSES), [source] * len(TENSES), list(range(len(TENSES))))
except UserError as error:
    st.error(str(error))
else:
    columns = [*st.columns(2), *st.columns(2)]  # two by two, so that long forms have room
    for column, name, candidate in zip(columns, TENSES, made, strict=True):
        column.metric(name, candidate.form, f"{candidate.probability:.0%} sure", delta_color="off", delta_arrow="off")
    st.caption(f"Read as {TENSES[source]}. The percentage is the network's own probability for the whole word.")

st.page_link("pages/convert.py", label="Convert verbs: letter by letter, candidates, whole files", icon="➡️")
st.markdown(
    """
#### What happens
An LSTM reads the verb and its tense into a Gaussian over a latent vector **z**; a second LSTM writes the verb in the
tense you ask for, from z and from what the first one saw. Trained on four fifths of a dictionary's verbs, it
inflects those that it never met by what it learned of English spelling.

#### Where it comes from
Three course reports on *conditional sequence-to-sequence VAE* for verb tenses — *Deep Learning and Practice Lab4 –
VAE*, *Lab4-Conditional sequence-to-sequence VAE* and *Lab5: Conditional Sequence-to-Sequence VAE* — on one library,
`cvae_core`, with a command line of the same name.
"""
)
