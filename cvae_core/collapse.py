"""Whether a posterior has collapsed: q(z | x) is nearly the prior for every x, and z holds nothing.

A falling loss does not show it; KL, mutual information and active units do (He et al. 2019).
"""

import math
from collections.abc import Sequence
from typing import Any

COLLAPSED = 0.1  # nats: with a lower KL, z carries next to no information about the input
JUDGED_FROM = 0.25  # share of training before which a small KL may still grow

REMEDY = (
    "Start again, for a collapsed posterior rarely recovers: with a smaller `kl_max`, with `kl_knots` that stay at 0 "
    "for longer, so that the decoder learns to use z before the KL is penalised, or with a lower `teacher_forcing` "
    "ratio, so that the decoder cannot rely on the true previous letters or frames."
)


def collapsed(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether the KL of the last epoch is below `COLLAPSED`. A row per epoch, with `kl`."""
    return rows[-1]["kl"] < COLLAPSED


def collapsed_since(rows: Sequence[dict[str, Any]]) -> int:
    """The epoch from which on the KL has been below `COLLAPSED`, of a run that has collapsed."""
    last_above = max((i for i, row in enumerate(rows) if row["kl"] >= COLLAPSED), default=-1)
    return rows[last_above + 1]["epoch"]


def find(row: dict[str, Any], name: str) -> float | None:
    """A number that `information.latent_statistics` logged of z, on whichever verbs: `active_units`, for example."""
    return next((value for key, value in row.items() if key.endswith(f"{name}_z") and _is_number(value)), None)


def with_kl(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that have a KL."""
    return [row for row in rows if _is_number(row.get("kl"))]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def describe(rows: Sequence[dict[str, Any]], epochs: int) -> tuple[bool, str]:
    """Whether the posterior has collapsed, and what its latent holds, as Markdown.

    `rows` are the metrics of the epochs so far, of `epochs` in all. The text is empty without a KL, and while a small
    one may still grow.
    """
    rows = with_kl(rows)
    if not rows:
        return False, ""
    row = rows[-1]
    kl, information, units = row["kl"], find(row, "mutual_information"), find(row, "active_units")
    if collapsed(rows):
        if row["epoch"] < JUDGED_FROM * epochs:
            return False, ""
        unused = "" if units is None else f", and {units:.0f} of its dimensions vary with the input"
        return True, (
            f"**The posterior has collapsed.** The KL is {kl:.2g} nats, below {COLLAPSED} since epoch "
            f"{collapsed_since(rows)}{unused}: z says nothing about the input, and the decoder works without "
            f"it. {REMEDY}"
        )
    held = f"On average z costs {kl:.1f} nats"
    if information is not None:
        bits = information / math.log(2)
        held += f" and tells {information:.1f} nats about the input, as much as {bits:.0f} answers to yes-or-no "
        held += "questions"
    if units is not None:
        held += f"; {units:.0f} of its dimensions are active"
    return False, f"The posterior has not collapsed. {held}."
