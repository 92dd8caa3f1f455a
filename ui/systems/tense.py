"""Verbs on the Train page."""

from functools import partial

import pandas as pd
import streamlit as st

import ui
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.systems import family
from cvae_core.tense.data import TENSES
from cvae_core.tense.verb_file import VerbFile, parse_verbs
from ui.form import SCRATCH, pick_init, pick_preset, show_fields, show_start

TITLE = "Verbs"
LOSS_UNIT = "nats"
SCORES = {
    "accuracy_new": "accuracy on the new verbs",
    "accuracy_old": "accuracy on the old verbs",
    "accuracy": "accuracy on unseen verbs",
    "bleu4": "BLEU-4, the course's ten pairs",
    "gaussian": "Gaussian score, 100 samples",
    "distinct": "distinct rows among the samples",
}
LEXICON, USER = "The built-in dictionary", "My own verbs"
# Presets that need weights to start from.
FROM_WEIGHTS = ("fine-tune", "best-rest", "best-last", "best-end", "best-all", "best-all-end")
MAX_VERBS = 20_000


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
        "Those named source-… are the configurations of the three reports.",
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


def show_samples(run: Run, rows: list[dict]) -> None:
    """Conversions of the course's pairs after the last epoch, and the same random z decoded after each epoch."""
    left, right = st.columns(2)
    table = pd.DataFrame(rows[-1]["conversions"], columns=["word", "to", "answer", "expected"])
    table["right"] = ["✓" if a == e else "✗" for a, e in zip(table["answer"], table["expected"], strict=True)]
    left.markdown(f"**Conversions after epoch {rows[-1]['epoch']}**")
    left.dataframe(table, hide_index=True, alt="Conversions of the course's pairs")
    decoded = pd.DataFrame([[s["epoch"], *s["generated"][0]] for s in reversed(rows)], columns=["epoch", *TENSES])
    right.markdown("**The same random z, epoch by epoch**")
    right.dataframe(decoded, hide_index=True, alt="One random z decoded in four tenses after each epoch")


def links(run: Run) -> list[tuple[str, str, dict]]:
    """Finished runs: Convert and Latent space."""
    if run.state != "finished":
        return []
    return [
        ("convert", "Try it in Convert", {"model": run.id}),
        ("latent", "Its latent space", {"model": run.id}),
    ]
