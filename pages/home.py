"""What a CVAE is, a conversion, previews of the other pages, and the scores of the shipped models."""

import streamlit as st

import ui

ui.frame("home")

from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.tense.data import COURSE_PAIRS, TENSES, parse_word
from cvae_core.tense.lexicon import listed_forms
from ui.figures.words import Card, form_cards

ASSETS = checkpoint.ROOT / "assets"
EXAMPLES = ("go", "stop", "write", "blorp")
PREVIEWS = [  # page, label of the link, picture, its alternative text
    (
        "latent", "**Latent space**: walk from one verb to another", "ribbon-{theme}.png",
        "Ribbons: what is decoded along the path between two verbs, in four tenses",
    ),
    (
        "digits", "**Digits**: complete the hidden half", "digit.png",
        "The upper half of a digit, and seven completions that differ",
    ),
    (
        "video", "**Video**: what happens next, beside the truth", "clip.gif",
        "A robot arm pushes objects over a table, beside the predicted frames",
    ),
    (
        "curves", "**Curves**: how the model learned", "curve.svg",
        "Cross entropy and KL of the shipped model of verbs by epoch",
    ),
]  # fmt: skip


@st.fragment
def show_conversion() -> None:
    """Convert a verb to the four tenses."""
    st.session_state.setdefault("verb", "go")
    columns = st.columns([2, 3], vertical_alignment="bottom")
    text = columns[0].text_input("Type a verb, real or invented", key="verb", bind="query-params", max_chars=200)
    with columns[1].container(horizontal=True):
        for example in EXAMPLES:
            st.button(example, on_click=st.session_state.update, args=({"verb": example},))
    try:
        word = parse_word(text)
        if not ui.show_remark(word):
            return
        model = ui.load_model("tense")
        source = model.infer_tense(word)
        answers = model.convert([word] * len(TENSES), [source] * len(TENSES), list(range(len(TENSES))))
    except UserError as error:
        st.error(str(error))
        return
    listed = [listed_forms(word, source, tense) for tense in range(len(TENSES))]
    st.html(
        form_cards([Card(t, a.form, a.probability, f) for t, a, f in zip(TENSES, answers, listed, strict=True)])
    )  # fmt: skip
    st.markdown(
        f"Inferred tense: **{TENSES[source]}**. Each percentage is the model's probability of the whole word; the "
        "dictionary marks what it knows and never changes an answer."
    )
    st.page_link(ui.PAGES / "convert.py", label="See it letter by letter", icon=":material/arrow_forward:",
                 query_params={"verb": word})  # fmt: skip


def show_previews() -> None:
    """A picture of each of four pages, with a link to it."""
    theme = "dark" if st.context.theme.type == "dark" else "light"
    with st.container(key="previews"):  # a grid, by ui/style.css
        for page, label, picture, alt in PREVIEWS:
            with st.container(border=True):
                st.page_link(ui.PAGES / f"{page}.py", label=label)
                st.image(ASSETS / "previews" / picture.format(theme=theme), width="stretch", alt=alt)


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
        (
            "BLEU-4", shipped["bleu4"],
            f"`tense`: overlap of letter sequences with the right form, on the {len(COURSE_PAIRS)} pairs of the course "
            "that the project began with; it asks for 0.7",
        ),
        (
            "Random z that decode to verbs", shipped["gaussian"],
            "`tense`: of 5,000 random latent vectors, the share whose four forms are one of its verbs; "
            f"{shipped['gaussian_refined']:.1%} after three rounds of refinement; the course asks for 30%",
        ),
    ]  # fmt: skip
    with st.container(key="scores"):  # a grid, too
        for name, value, meaning in scores:
            with st.container():
                st.metric(name, f"{value:.3f}" if name == "BLEU-4" else f"{value:.1%}")
                st.markdown(meaning)


st.title("Conditional variational autoencoders")
st.markdown(
    "A CVAE learns to generate something, here an English verb, **given a condition**, here its tense: letter by "
    "letter, without a dictionary."
)
show_conversion()
ui.paint()
st.subheader("Explore")
show_previews()
st.subheader("How well it does")
show_scores()
with st.expander("Where it comes from"):
    st.markdown(
        "An LSTM encodes the verb in its tense as two Gaussians: **z** identifies a verb, **s** spells a word. Another "
        "LSTM decodes s in the target tense ([Theory](theory)). The model that answers, `tense`, was trained on every "
        "verb of the dictionary; `tense-heldout` shares its first three training steps and was never trained on the "
        "test verbs. The scores are those of `python -m cvae_core evaluate tense --compare` with `--checkpoint tense` "
        "and `tense-heldout`."
        "\n\n"
        "The verbs follow three course reports, *Deep Learning and Practice Lab4 – VAE*, *Lab4-Conditional "
        "sequence-to-sequence VAE* and *Lab5: Conditional Sequence-to-Sequence VAE*, and correct their errors. The "
        "digits follow *Learning Structured Output Representation using Deep Conditional Generative Models* (Sohn, Lee "
        "and Yan 2015): the hidden part of a picture given the rest. The video follows *Report of Lab #4*: the next "
        "frames of a robot's table, given the actions of its arm."
    )
