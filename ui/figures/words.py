"""Figures of the Convert page."""

import math
import os
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from cvae_core.tense.align import align
from cvae_core.tense.data import LETTERS
from cvae_core.tense.inference import Candidate
from ui.figures import COLOURS, INVENTED, KNOWN, TENSES

END = "⏎"

RUNNERS_UP = 3  # at each letter


class Card(NamedTuple):
    """A form of a verb: its tense, the model's answer and its probability, and the dictionary's forms."""

    tense: str
    form: str
    probability: float
    listed: list[str]


def form_cards(cards: list[Card], asked: str | None = None) -> str:
    """The forms of a verb as cards, in HTML, each with a bar of its probability and what the dictionary says of it.

    The card of the tense that was `asked` for has a border. Cards have their tense's colour, verdicts that of `KNOWN`
    or `INVENTED`.
    """
    items = []
    for card in cards:
        if not card.listed:
            mark, verdict = INVENTED, "not in the dictionary"
        elif card.form in card.listed:
            mark, verdict = KNOWN, "✓ in the dictionary"
        else:
            mark, verdict = INVENTED, f"✗ dictionary: {', '.join(card.listed)}"
        items.append(
            f'<li{" class=asked" if card.tense == asked else ""} style="--colour: {TENSES[card.tense]}">'
            f'<span>{card.tense}</span><b>{card.form}</b><i style="--sure: {card.probability:.3f}"></i>'
            f'<span class=verdict style="--colour: {mark}">{card.probability:.1%} · {verdict}</span></li>'
        )
    return f'<ol class="forms" aria-label="The verb in four tenses">{"".join(items)}</ol>'


def letter_tiles(source: str, letters: list[str], probabilities: np.ndarray, colour: str = COLOURS[0]) -> str:
    """The letters of an answer as tiles, in HTML: the source's letter above each, its probability and runners-up below.

    A tile is the paler, the less probable its letter.

    Letters of the source that the answer drops are crossed out. `probabilities` are the distributions (T, 27), a to z,
    then the end; runners-up below 1 % are left out. (A plotly heat map took a fifth of the time of a conversion.)
    """
    names, tiles = [*LETTERS, END], []
    rows = iter(zip(letters, probabilities, strict=True))
    for before, after in [*align(source, "".join(letters[:-1])), ("", END)]:
        if not after:
            tiles.append(f"<li><em>{before}</em><s>{before}</s><span>dropped</span></li>")
            continue
        letter, row = next(rows)
        chosen = names.index(letter)
        others = [i for i in np.argsort(-row)[: RUNNERS_UP + 1] if i != chosen and row[i] >= 0.01][:RUNNERS_UP]
        rest = "".join(f"<span>{names[i]} {row[i]:.0%}</span>" for i in others)
        tiles.append(
            f'<li><em>{before}</em><b style="--sure: {row[chosen]:.2f}">{letter}</b><span>{row[chosen]:.0%}</span>'
            f"{rest}</li>"
        )
    return (
        f'<ol class="letters" style="--colour: {colour}" aria-label="Letters and their probabilities">'
        f"{''.join(tiles)}</ol>"
    )


def candidate_tree(candidates: list[Candidate]) -> str:
    """The forms that beam search found as a tree, in HTML, which branches where they differ; ⏎ ends a word."""
    forms = [(candidate.form + END, candidate.probability) for candidate in candidates]
    return f'<ul class="tree" aria-label="Candidates of beam search">{_branch(forms)}</ul>'


def _branch(forms: list[tuple[str, float]]) -> str:
    """The letters that the forms begin with, and a branch for each letter that follows, the likeliest first."""
    shared = os.path.commonprefix([form for form, _ in forms])
    total = sum(probability for _, probability in forms)
    label = shared if len(forms) > 1 else shared.removesuffix(END) or END
    branches: dict[str, list[tuple[str, float]]] = {}
    if len(forms) > 1:
        for form, probability in forms:
            rest = form[len(shared) :]
            branches.setdefault(rest[0], []).append((rest, probability))
    inner = "".join(map(_branch, branches.values()))
    percent = f"{total:.1%}" if total >= 0.001 else "below 0.1%"
    return f"<li><b>{label}</b> {percent}" + (f"<ul>{inner}</ul>" if inner else "") + "</li>"


def reliability_figure(bins: list[dict]) -> go.Figure:
    """Reliability diagram: accuracy against mean probability of each bin of `metrics.calibration`.

    A bin with more answers is a larger point. On the dotted diagonal the probabilities are calibrated.
    """
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "width": 1}, hoverinfo="skip")
    figure.add_scatter(
        x=[b["confidence"] for b in bins], y=[b["accuracy"] for b in bins], customdata=[b["count"] for b in bins],
        mode="markers+lines", line={"width": 1.2},
        marker={"size": [6 + 3 * math.log10(b["count"]) for b in bins], "sizemode": "diameter"},
        hovertemplate="%{customdata:,} answers: mean probability %{x:.0%}, accuracy %{y:.0%}<extra></extra>",
    )  # fmt: skip
    percent = {"range": [0, 1.03], "tickformat": ".0%", "fixedrange": True}
    figure.update_layout(
        xaxis=percent | {"title": "probability of the answer"}, yaxis=percent | {"title": "accuracy"},
        height=360, showlegend=False,
    )  # fmt: skip
    return figure
