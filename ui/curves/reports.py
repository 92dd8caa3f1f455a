"""The scores that the three course reports claim, and those measured here."""

import json

import pandas as pd
import streamlit as st

from cvae_core import checkpoint
from cvae_core.run import Run
from ui.curves.choose import PNG, link_to_curves, read, table_height
from ui.figures.reports import claims_figure, readings_figure
from ui.frame import GUIDES

WIDTHS = {
    "report": 215,
    "BLEU-4 claimed": 108,
    "measured": 96,
    "sampled z": 76,
    "Gaussian claimed": 118,
    "measured ": 96,
    "distinct": 64,
    "seeds": 50,
}  # pixels
VERDICTS = {"holds": "green", "does not hold": "red", "cannot be told from noise": "gray"}


def show_reports() -> None:
    """The view: claimed and measured scores of each row of the reports, and the reports' statements, tested."""
    results = json.loads((checkpoint.ROOT / "assets" / "reports.json").read_text())
    st.markdown(
        "Three course reports trained CVAEs on verb tenses. Each row of their tables was trained here with the "
        "report's settings, in batches of eight words unless the row says otherwise. **Circles are what a report "
        "claims, dots what came out**; a bar is one standard deviation over trainings with different seeds."
    )
    st.plotly_chart(
        claims_figure(results["rows"]), key="claims", config=PNG,
        alt="BLEU-4 and Gaussian score of each report's row: claimed, and measured with a standard deviation",
    )  # fmt: skip
    table = _table(results["rows"])
    st.dataframe(
        table, hide_index=True, height=table_height(len(table), len(table)),
        column_config={name: st.column_config.TextColumn(width=width) for name, width in WIDTHS.items()},
        alt="Claimed and measured scores of the reports",
    )  # fmt: skip
    st.caption(
        "BLEU-4 on the course's ten pairs, with the posterior's mean as z and with samples of it. Gaussian score: the "
        "share of 100 random z whose four words are a row of the list, mean of five sets. Distinct: different rows "
        "among them. Seeds: how often the row was trained."
    )
    with st.expander("How the reports were read"):
        st.markdown((GUIDES / "reports.md").read_text(encoding="utf-8"))
    _show_readings(results["rows"])
    st.subheader("What the reports say, tested")
    for finding in results["findings"]:
        found = " · ".join(
            f":{colour}[{verdict}: {finding['verdicts'][verdict]}]"
            for verdict, colour in VERDICTS.items()
            if finding["verdicts"][verdict]
        )
        with st.expander(f"{finding['statement']} — {found}"):
            st.markdown("\n".join(f"- {text}" for text in finding["results"]))
    st.caption(f"Measured by `python -m benchmarks.reports --data train.txt`, on {results['machine']}.")
    link_to_curves("Show the curves of these runs", [f"shipped/{row['name']}" for row in results["rows"]])


def _show_readings(rows: list[dict]) -> None:
    """Every epoch of the runs of report 000's rows, which read its text in different ways; drawn when it is opened."""
    panel = st.expander(
        "Report 000: how near each reading comes, epoch by epoch", on_change="rerun", key="readings_open"
    )
    if not panel.open:
        return
    readings = [row for row in rows if row["name"].startswith("source-000")]
    frames = {row["report"]: read(Run(checkpoint.ROOT / "assets" / "runs" / row["name"]))[1] for row in readings}
    claim = readings[0]["claimed_bleu4"], readings[0]["claimed_gaussian"]
    with panel:
        st.markdown(
            "A path is a training, from the open circle to the square, a point for each epoch. The box holds what is "
            "within 0.05 of the claim. A letter in one of the ten pairs moves BLEU-4; the Gaussian score is that of "
            "100 random z."
        )
        st.plotly_chart(
            readings_figure(frames, claim), key="readings", config=PNG,
            alt="BLEU-4 and Gaussian score of every epoch of each reading of report 000, and the claim",
        )  # fmt: skip


def _table(rows: list[dict]) -> pd.DataFrame:
    def mean(row: dict, score: str) -> str:
        spread = row[f"{score}_spread"]
        return f"{row[score]:.3f}" + (f" ± {spread:.3f}" if spread is not None else "")

    def optional(value: float | None, digits: int) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    return pd.DataFrame([
        {
            "report": row["report"],
            "BLEU-4 claimed": optional(row["claimed_bleu4"], 4), "measured": mean(row, "bleu4"),
            "sampled z": optional(row["bleu4_sampled"], 3),
            "Gaussian claimed": optional(row["claimed_gaussian"], 2), "measured ": mean(row, "gaussian"),
            "distinct": optional(row["distinct"], 3), "seeds": str(len(row["trainings"])),
        }
        for row in rows
    ])  # fmt: skip
