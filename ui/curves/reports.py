"""The scores that the three course reports claim, and those measured here."""

import json

import pandas as pd
import streamlit as st

from cvae_core import checkpoint
from ui.curves.choose import PNG, link_to_curves
from ui.figures.curves import claims_figure

WHY = """
- **Gaussian 1.0 (001)**: its code prints the score of each tuple, 1 if it is in the list. The score of a set of samples
  is the mean, which is near 0 for its model and for ours.
- **0.43 and 0.489 (000)**: the text and the table give different scores for one run. As its listing prints the loss,
  the cross entropy is a mean over letters and the KL a sum over dimensions; that gives the KL so much weight
  that the posterior collapses (KL 0.0): the decoder then outputs the same few verbs for every z. The Gaussian score
  then depends on whether these few are in the list; *distinct* shows the collapse.
- **BLEU-4 of 002**: 0.9286 is what nine right pairs and one wrong one give; all four of our runs end there.
- **Gaussian scores of 002**: its final KL weight is not printed. At 0.1 the KL is 18 to 20 nats, far more than the
  7 that single out one verb in 1,217, so that a random z is seldom near the posterior of one of them.
- **One word at a time (001)**: a step of 0.05 for every word is eight times the step of a batch of eight, whose
  gradient is a mean. With the sum over letters it does not converge.
"""


def show_reports() -> None:
    """The view: claimed and measured scores of each row of the reports, and their qualitative claims."""
    results = json.loads((checkpoint.ROOT / "assets" / "reports.json").read_text())
    st.markdown(
        "The three course reports on verb tenses, each row trained here with the report's settings, in batches of "
        "eight words unless stated otherwise. BLEU-4 is on the course's ten pairs; the Gaussian score is the mean "
        "over five sets of 100 samples, with the lowest and the highest. It counts a tuple once, however often its row "
        "occurs in the list. *Distinct* is the number of different rows among 100 samples, *unseen* the accuracy on "
        "verbs that were not in the list."
    )
    table = pd.DataFrame([
        {
            "report": row["report"],
            "BLEU-4 claimed": row["claimed_bleu4"], "BLEU-4": row["bleu4"],
            "Gaussian claimed": row["claimed_gaussian"], "Gaussian": row["gaussian"],
            "five sets": "{:.2f} to {:.2f}".format(*row["gaussian_range"]),
            "distinct": row["distinct"], "unseen": row["unseen"], "KL in nats": row["kl"], "minutes": row["minutes"],
        }
        for row in results["rows"]
    ])  # fmt: skip
    digits = {"KL in nats": "%.1f", "minutes": "%.0f"}
    columns = {name: st.column_config.NumberColumn(format=digits.get(name, "%.3f")) for name in table.columns[1:]}
    columns.pop("five sets")
    st.dataframe(table, hide_index=True, column_config=columns, alt="Claimed and measured scores of the reports")
    st.plotly_chart(
        claims_figure(results["rows"]), key="claims", config=PNG,
        alt="Claimed and measured BLEU-4 and Gaussian score of each report's row",
    )  # fmt: skip
    with st.expander("Why some claims are not reproduced"):
        st.markdown(WHY)
    st.subheader("Qualitative claims")
    for finding in results["findings"]:
        with st.expander(f"{finding['statement']}: true in {finding['holds']} of {finding['of']} comparisons"):
            st.markdown("\n".join(f"- {text}" for text in finding["results"]))
    st.markdown(f"Measured by `python -m benchmarks.reports --data train.txt`, on {results['machine']}.")
    link_to_curves("Show the curves of these runs", [f"shipped/{row['name']}" for row in results["rows"]])
