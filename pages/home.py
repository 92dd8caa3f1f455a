"""What a CVAE is, a conversion, and the scores of the shipped models."""

import streamlit as st

import ui

ui.frame("home")

from cvae_core.errors import UserError
from cvae_core.tense.data import TENSES, parse_word

LINKS = {
    "convert": "**Convert**, letter by letter, or a whole file",
    "latent": "**Latent space**: paths, a map, random verbs",
    "digits": "**Digits**: predict the hidden quadrants",
    "video": "**Video**: predict the frames after a robot's actions",
    "curves": "**Curves**: compare training runs",
    "train": "**Train**, or fine-tune on your own verbs",
    "theory": "**Theory**: where the loss comes from",
}


def show_conversion() -> None:
    """Convert a verb to the four tenses."""
    st.session_state.setdefault("verb", "abandon")
    text = st.text_input("Type a verb, real or invented", key="verb", bind="query-params", max_chars=200)
    try:
        word = parse_word(text)
        if not ui.show_remark(word):
            return
        model = ui.load_model("tense")
        source = model.infer_tense(word)
        candidates = model.convert([word] * len(TENSES), [source] * len(TENSES), list(range(len(TENSES))))
    except UserError as error:
        st.error(str(error))
        return
    columns = [*st.columns(2), *st.columns(2)]  # two by two, so that long forms have room
    for column, name, candidate in zip(columns, TENSES, candidates, strict=True):
        column.metric(
            name, candidate.form, f"{candidate.probability:.0%} probability", delta_color="off", delta_arrow="off"
        )
    st.markdown(f"Inferred tense: {TENSES[source]}. The percentage is the model's probability of the whole word.")


def show_scores() -> None:
    """The main scores of the shipped models, with the model and the measure of each."""
    shipped, heldout = ui.read_scores("tense"), ui.read_scores("tense-heldout")
    known, unseen = shipped["own"], heldout["unseen"]
    rules = heldout["baselines"]["spelling rules"]["accuracy"]
    scores = [
        (
            "Known verbs right", known["accuracy"],
            f"`tense`: {known['verbs']:,} verbs, all 12 directions; {known['frequent']:.1%} of the 1,000 most frequent "
            "verbs",
        ),
        (
            "Unseen verbs right", unseen["accuracy"],
            f"`tense-heldout`, not trained on these {unseen['verbs']} verbs; spelling rules reach {rules:.1%}",
        ),
        ("BLEU-4", shipped["bleu4"], "`tense`: the course's ten pairs; full marks at 0.7"),
        (
            "Random z that are verbs", shipped["gaussian"],
            f"`tense`: five sets of 1,000 samples, one shot; {shipped['gaussian_refined']:.1%} after three rounds of "
            "refinement; full marks at 30 %",
        ),
    ]  # fmt: skip
    for column, (name, value, meaning) in zip(st.columns(len(scores)), scores, strict=True):
        column.metric(name, f"{value:.3f}" if name == "BLEU-4" else f"{value:.1%}")
        column.markdown(meaning)


st.title("Conditional variational autoencoders")
st.markdown(
    "A CVAE learns to generate something, here an English verb, **given a condition**, here its tense. The decoder "
    "generates it letter by letter, without a dictionary."
)
left, right = st.columns([3, 2], gap="large")
with left:
    show_conversion()
with right:
    for name, label in LINKS.items():
        st.page_link(f"pages/{name}.py", label=label)
    st.markdown(
        "It follows three course reports, *Deep Learning and Practice Lab4 – VAE*, *Lab4-Conditional "
        "sequence-to-sequence VAE* and *Lab5: Conditional Sequence-to-Sequence VAE*, and corrects their errors. The "
        "digits follow *Learning Structured Output Representation using Deep Conditional Generative Models* (Sohn, Lee "
        "and Yan 2015): the hidden part of a picture given the rest. The video follows *Report of Lab #4*: "
        "the next frames of a robot's table, given the actions of its arm."
    )
show_scores()
st.markdown(
    "An LSTM encodes the verb in its tense as two Gaussians: **z** identifies a verb, **s** spells a word. Another "
    "LSTM decodes s in the target tense. The model that answers, `tense`, was trained on every verb of the "
    "dictionary; `tense-heldout` is the same model before fine-tuning on the test verbs. The scores are those of "
    "`python -m cvae_core evaluate tense --compare` with `--checkpoint tense` and `tense-heldout`."
)
