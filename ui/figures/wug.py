"""Figures of the Wug test page: bars of people and models, network against people, pasts over the epochs."""

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from cvae_core.tense.wug import OTHER, REGULAR, RIGHT, Form, kind_of

LOWEST, HIGHEST = 1, 7  # of a rating
COLOURS = {"regular": "#0099E5", "irregular": "#E57300"}  # as in the stylesheet
SMALLEST = 1e-6  # probability at the left edge of the scatter


class Row(NamedTuple):
    """A past with the network's probability; `form` is None for an answer that nobody rated."""

    past: str
    probability: float
    form: Form | None
    own: bool  # the visitor's answer


def answer_bars(verb: str, rows: Sequence[Row]) -> str:
    """A table in HTML: a row for each past, three aligned sets of bars; the visitor's row is marked."""
    body = "".join(_bars_of(row) for row in rows)
    return (
        f'<table class="wug"><caption>The past of <b>{verb}</b></caption><thead>'
        '<tr><td></td><th colspan="2" scope="colgroup">People</th><th scope="colgroup">Rule model</th>'
        '<th scope="colgroup">Network</th></tr>'
        '<tr><td></td><th scope="col">said it</th><th scope="col">rating, 1 to 7</th><th scope="col">score, 1 to 7</th>'
        f'<th scope="col">probability</th></tr></thead><tbody>{body}</tbody></table>'
    )


def _bars_of(row: Row) -> str:
    cells = [_bar(None, "")] * 3
    if form := row.form:
        scores = [form.rating, form.rule_model]
        cells = [_bar(form.production, f"{form.production:.0%}")]
        cells += [_bar((score - LOWEST) / (HIGHEST - LOWEST), f"{score:.1f}") for score in scores]
    cells.append(_bar(row.probability, percent(row.probability)))
    mark = "<span>your answer</span>" if row.own else ""
    return f'<tr{" class=own" if row.own else ""}><th scope="row"><b>{row.past}</b>{mark}</th>{"".join(cells)}</tr>'


def _bar(share: float | None, text: str) -> str:
    if share is None:
        return "<td><span>not asked</span></td>"
    return f'<td><i style="--share: {share:.4f}"></i><span>{text}</span></td>'


def percent(probability: float) -> str:
    """A probability as text, also one near 0 or 1."""
    if probability < 0.001:
        return "< 0.1%"
    if probability > 0.995:
        return "> 99%"
    return f"{probability:.0%}" if probability >= 0.095 else f"{probability:.1%}"


def people_scatter(forms: Sequence[Form], probabilities: Sequence[float], answered: Sequence[str]) -> go.Figure:
    """Network against people: probability of each past (x, logarithmic) and its mean rating (y).

    The pasts of verbs that were `answered` are filled, the others open.
    """
    figure = go.Figure()
    for kind, symbol in (("regular", "circle"), ("irregular", "square")):
        chosen = [i for i, form in enumerate(forms) if form.regular == (kind == "regular")]
        figure.add_scatter(
            x=[max(probabilities[i], SMALLEST) for i in chosen], y=[forms[i].rating for i in chosen], mode="markers",
            name=f"{kind} past", text=[f"{forms[i].verb} → {forms[i].past}" for i in chosen],
            customdata=[percent(probabilities[i]) for i in chosen],
            hovertemplate="%{text}<br>network %{customdata}, people %{y:.1f}<extra></extra>",
            marker={
                "size": 10, "color": COLOURS[kind], "line": {"width": 2, "color": COLOURS[kind]},
                "symbol": [symbol if forms[i].verb in answered else f"{symbol}-open" for i in chosen],
            },
        )  # fmt: skip
    figure.update_layout(
        xaxis={"title": "the network's probability", "type": "log", "tickformat": ".0e", "nticks": 7},
        yaxis={"title": "people's rating, 1 to 7", "range": [2, 7]}, height=420,
        margin={"l": 10, "r": 10, "t": 10, "b": 10}, legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return figure


KINDS = {RIGHT: "irregular, right", REGULAR: "regularised", OTHER: "another form"}


def learning_table(pasts: dict[int, dict[str, str]], verbs: Sequence[str], epoch: int, real: bool) -> str:
    """A table in HTML: each verb's past after an epoch, and a strip with a cell for each epoch.

    `pasts` are those of `wug.logged_pasts` by epoch. A cell is coloured by `wug.kind_of`; the epoch's has a frame. The
    right past of an invented verb is not known.
    """
    rows = []
    for verb in verbs:
        by_epoch = {e: found[verb] for e, found in pasts.items()}
        kinds = {e: kind_of(verb, past) for e, past in by_epoch.items()}
        cells = "".join(
            f'<i class="{kinds[e]}{" now" if e == epoch else ""}" title="epoch {e}: {past}"></i>'
            for e, past in by_epoch.items()
        )
        label = KINDS[kinds[epoch]] if real else {REGULAR: "regular"}.get(kinds[epoch], "not regular")
        rows.append(
            f'<tr><th scope="row">{verb}</th><td><b class="{kinds[epoch]}">{by_epoch[epoch] or "(nothing)"}</b>'
            f'<span>{label}</span></td><td class="strip" aria-hidden="true"><div>{cells}</div></td></tr>'
        )
    return (
        f'<table class="learning"><caption>After epoch {epoch}</caption><thead><tr><th scope="col">verb</th>'
        '<th scope="col">its past</th><th scope="col">all epochs</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
