"""Verbs on the Train page."""

from functools import partial

import pandas as pd
import streamlit as st

import ui
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.systems import family
from cvae_core.tense.data import TENSES, Verb
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.verb_file import VerbFile, parse_verbs
from ui.figures.samples import aligned, map_figure
from ui.form import SCRATCH, pick_init, pick_preset, show_fields, show_start

TITLE = "Verbs"
LOSS_UNIT = "nats"
SCORES = {
    "accuracy_new": "accuracy on the verbs of the list",
    "accuracy_old": "accuracy on the verbs known before",
    "accuracy": "accuracy on unseen verbs",
    "bleu4": "BLEU-4, the course's ten pairs",
    "gaussian": "Gaussian score, 100 samples",
    "distinct": "distinct rows among the samples",
}
LEXICON, USER = "The built-in dictionary", "My own verbs"
# Presets that need weights to start from.
FROM_WEIGHTS = (
    "fine-tune", "best-rest", "best-last", "best-end", "best-own", "best-all", "best-all-end", "best-all-last",
)  # fmt: skip
MAX_VERBS = 20_000
# Verbs of the demonstration: common ones, a third of them irregular, and every spelling rule.
DEMO = (
    "walk play jump look talk call stop plan hope smile carry try run begin sing go write take make give think bring "
    "catch fly"
)


def demo() -> tuple[str, tuple[str, list[Verb]]]:
    """Preset and verbs of a training that shows within seconds how a model learns."""
    verbs = {verb.lemma: verb for verb in load_lexicon().verbs}
    chosen = [verbs[lemma] for lemma in DEMO.split()]
    return "demo", (f"{len(chosen)} common verbs", chosen)


def show_form() -> None:
    """The form: initial weights, verbs, preset and fields."""
    columns = st.columns(2)
    init = pick_init(
        columns[0], [*ui.model_names(), SCRATCH], "init",
        "Fine-tuning starts from a model's weights and mixes verbs that it was trained on into every batch "
        "(rehearsal); with random weights training starts from scratch.",
    )  # fmt: skip
    user = _pick_verbs(USER if init else LEXICON)
    preset = pick_preset(
        columns[1], _presets(init is not None, user is not None), f"preset {init is None} {user is None}",
        "`best` is the first step of the shipped recipe, `best-…` its later steps, which need a model to start from; "
        "`course` and `fast-course` are for the course's list, `demo` for a few verbs, `fine-tune` for new verbs. "
        "Those named `source-…` are the configurations of the three reports.",
    )  # fmt: skip
    changed = show_fields("tense", preset, init is not None)
    verbs = (f"{len(user.verbs)} own verbs", user.verbs) if user else None
    show_start("tense", preset, changed, verbs, init, disabled=bool(user and not user.verbs))


def _presets(from_weights: bool, user: bool) -> list[str]:
    """The presets that suit the initial weights and the verbs, the most suitable first."""
    if not from_weights:
        return [name for name in family("tense").PRESETS if name not in FROM_WEIGHTS]
    others = ["best", *FROM_WEIGHTS[1:]]
    return ["fine-tune", *others] if user else [*others, "fine-tune"]


def _pick_verbs(first: str) -> VerbFile | None:
    """Upload or type verbs, an empty list until there are some; None for the built-in dictionary."""
    if st.segmented_control("Verbs", [LEXICON, USER], default=first, required=True, key=f"verbs {first}") == LEXICON:
        return None
    columns = st.columns(2)
    as_is = st.toggle("Keep rows that cannot be right", key="as_is", help="Otherwise they are repaired, and shown.")
    parse = partial(parse_verbs, as_is=as_is)
    verbs = ui.uploaded_text(columns[0], "A text file", "verb_file", parse)
    typed = columns[1].text_area(
        "Or type them here", key="typed", max_chars=200_000, placeholder="googol googols googoling googoled",
        help=f"One verb per line, its four forms ({', '.join(TENSES)}) separated by spaces, commas or tabs; equally "
        "correct spellings separated by a slash: burned/burnt.",
    )  # fmt: skip
    if verbs is None and not typed.strip():
        st.info("Enter your verbs, one per line with four forms: `walk walks walking walked`.")
        return VerbFile(())
    name = "your list" if verbs is None else st.session_state["verb_file"].name
    verbs = verbs or parse(typed, name)
    if len(verbs.verbs) > MAX_VERBS:
        raise UserError(f"{name} has {len(verbs.verbs):,} verbs; at most {MAX_VERBS:,} are trained here.")
    duplicates = f", {verbs.duplicates:,} repeated lines left out" if verbs.duplicates else ""
    st.markdown(f"**{len(verbs.verbs):,} verbs** in {name}{duplicates}.")
    for note in verbs.notes:
        st.info(note)
    return verbs


def show_samples(run: Run, rows: list[dict], beside) -> None:
    """The latent map, conversions and random z after the last of some epochs, each with what to look at."""
    if rows[-1].get("map"):  # runs of older versions have none
        _show_map(beside, rows)
    left, right = st.columns(2)
    with left:
        _show_conversions(rows)
    with right:
        _show_generated(rows)


def _show_map(place, rows: list[dict]) -> None:
    """Where the verbs lie in latent space."""
    maps = [row["map"] for row in rows if row.get("map")]
    projected = bool(rows[-1].get("projected", True))
    place.markdown(
        "**The latent map.** A point per verb, the mean of its four posterior means. At first all verbs lie on one "
        "spot, because z does not matter yet; then they part, until each has a place of its own. "
        + ("The map has the two directions in which they differ most." if projected else
           "z has two dimensions here, so this is all of it; the circles are 1 and 2 standard deviations of the prior.")
    )  # fmt: skip
    shown = aligned(maps) if projected else maps[-1]
    place.altair_chart(
        map_figure(shown, projected), key=f"map {len(shown)}",
        alt=f"Map of {len(shown)} verbs in latent space after epoch {rows[-1]['epoch']}",
    )  # fmt: skip


def _show_conversions(rows: list[dict]) -> None:
    """The conversions after the last epoch, and since when each has been right."""
    table = pd.DataFrame(rows[-1]["conversions"], columns=["word", "to", "answer", "expected"])
    right = (table["answer"] == table["expected"]).tolist()
    table["right"] = ["✓" if ok else "✗" for ok in right]
    table["since epoch"] = [_right_since(rows, i) for i in range(len(table))]
    st.markdown(
        f"**Conversions: {sum(right)} of {len(right)} right** after epoch {rows[-1]['epoch']}. Endings come first, "
        "because all verbs share them; then the stems; irregular pasts, which no other verb helps with, come last."
    )
    st.dataframe(table, hide_index=True, height="content", alt="Conversions, and whether each is right")


def _right_since(rows: list[dict], index: int) -> str:
    """The epoch from which on a conversion has been right; empty if it is wrong now."""
    since = ""
    for row in reversed(rows):
        _, _, answer, expected = row["conversions"][index]
        if answer != expected:
            break
        since = str(row["epoch"])
    return since


def _show_generated(rows: list[dict]) -> None:
    """The same random z decoded after the last epoch and, for one of them, after every epoch."""
    row = rows[-1]
    known = row.get("known") or [False] * len(row["generated"])
    table = pd.DataFrame(row["generated"], columns=TENSES)
    table["a verb"] = ["✓" if verb else "✗" for verb in known]
    st.markdown(
        f"**Random z: {sum(known)} of {len(known)} are verbs.** The same samples of N(0, I), decoded in four tenses. "
        "The four forms of a row agree once z alone decides on the verb and the tense on the ending."
    )
    st.dataframe(table, hide_index=True, height="content", alt="Random z decoded in four tenses")
    with st.expander("The first of them, epoch by epoch"):
        decoded = pd.DataFrame([[s["epoch"], *s["generated"][0]] for s in reversed(rows)], columns=["epoch", *TENSES])
        st.dataframe(decoded, hide_index=True, alt="One random z decoded in four tenses after each epoch")


def links(run: Run) -> list[tuple[str, str, dict]]:
    """Finished runs: Convert and Latent space."""
    if run.state != "finished":
        return []
    return [
        ("convert", "Try it in Convert", {"model": run.id}),
        ("latent", "Its latent space", {"model": run.id}),
    ]
