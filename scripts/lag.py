"""The run in which q lags behind the posterior: `python -m scripts.lag` trains it and writes assets/runs/NAME/.

Report 003's label model on scikit-learn's small digits, 20 batches an epoch, with a learning rate so low that what
happens in the first hundred batches can be watched.
"""

import json
import tempfile
from pathlib import Path

import torch

from cvae_core import runs
from cvae_core.session import prepare
from cvae_core.training import fit
from scripts.reports import LOGS, ship_log

NAME = "source-003-label-lag"
CHANGES = {"learning_rate": 1e-4, "epochs": 80}
EARLY, EVERY = 12, 4  # all of the first epochs, then every so many
WHOLE = 20  # epochs between rows that keep the other samples, which are larger


def main() -> None:
    """Train and ship."""
    with tempfile.TemporaryDirectory() as folder:
        runs.RUNS = Path(folder)
        task, run = prepare("digits", "source-003-label", CHANGES)
        fit(task, run, on_event=lambda event: print(event["row"]["epoch"]) if event["kind"] == "epoch" else None)
        ship_log(run, NAME)
        rows = [row for row in run.read_samples() if row["epoch"] <= EARLY or row["epoch"] % EVERY == 0]
    kept = [row if row["epoch"] % WHOLE == 0 else {k: row[k] for k in ("epoch", "posteriors")} for row in rows]
    (LOGS / NAME / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
