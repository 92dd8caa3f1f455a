"""The three reports' configurations and claims, and the runs of their rows.

`python -m benchmarks.reports` trains and measures them.
"""

import json
import statistics
from typing import NamedTuple

from cvae_core import checkpoint, runs
from cvae_core.config import config_from_dict
from cvae_core.run import Run
from cvae_core.schedules import constant, plateau
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.presets import preset

BATCH = {"batch_size": 8}
# 000 averages over letters, so its steps are an eighth of the others': here the rate grows with the batch.
BATCH_000 = BATCH | {"learning_rate": 0.4}
# With the mean, a KL weight of 1 weighs eight times what it does in the bound; here it does not.
SUM_000 = BATCH | {"recon": "sum", "learning_rate": 0.05}
# Report 002 averages over letters, too. It scores its weights every 500 words; here every 2,000, to save time.
BATCH_002 = BATCH | {"learning_rate": 0.4, "evaluate_every": 250}
# What was tried beside the preset of 000.
RATIO_08 = BATCH_000 | {"teacher_forcing": plateau(20 / 60, 0.8)}
RATIO_1 = BATCH_000 | {"teacher_forcing": constant()}
WEIGHT_01 = BATCH_000 | {"kl_max": 0.1}
SEEDS = 3  # trainings of each row
SAMPLE_SEEDS = range(100, 105)  # training scores with seed 0
RESULTS = checkpoint.ROOT / "assets" / "reports.json"
LOGS = checkpoint.ROOT / "assets" / "runs"
MEASURED = ("bleu4", "bleu4_sampled", "gaussian", "distinct", "unseen", "kl", "minutes")  # of each training
SHIPPED = ("source-000", "source-001", "source-002")  # with their weights


class Row(NamedTuple):
    """A row of a report's table: its claimed scores, and the configuration that it is trained with here."""

    name: str
    report: str
    bleu4: float | None
    gaussian: float | None
    preset: str
    overrides: dict


ROWS = [
    Row("source-002-one-cycle-0.4", "002, ratio 0.4, one cycle", 0.7478, 0.06, "source-002-one-cycle-0.4", BATCH_002),
    Row("source-002-two-cycles-0.4", "002, ratio 0.4, two cycles", 0.9286, 0.3, "source-002-two-cycles-0.4", BATCH_002),
    Row("source-002-one-cycle-0.8", "002, ratio 0.8, one cycle", 0.6550, 0.28, "source-002-one-cycle-0.8", BATCH_002),
    Row("source-002", "002, ratio 0.8, two cycles", 0.9286, 0.39, "source-002", BATCH_002),
    Row("source-001", "001, KLD_weight 0, LR 0.05", 0.8201, 1.0, "source-001", BATCH),
    Row("source-001-single", "the same, a word at a time", 0.8201, 1.0, "source-001", {}),
    Row("source-001-lr-0.1", "001, KLD_weight 0, LR 0.1", 0.7596, 1.0, "source-001-lr-0.1", BATCH),
    Row("source-001-kl-0.5", "001, KLD_weight 0.5, LR 0.05", 0.7567, 0.75, "source-001-kl-0.5", BATCH),
    Row("source-000", "000, sigmoid, weight 0.08, ratio 0.9", 0.66, 0.43, "source-000", BATCH_000),
    Row("source-000-ratio-0.8", "000, sigmoid, weight 0.08, ratio 0.8", 0.66, 0.43, "source-000", RATIO_08),
    Row("source-000-ratio-1", "000, sigmoid, weight 0.08, ratio 1", 0.66, 0.43, "source-000", RATIO_1),
    Row("source-000-weight-0.1", "000, sigmoid, weight 0.1, ratio 0.9", 0.66, 0.43, "source-000", WEIGHT_01),
    Row("source-000-cyclical", "000, cyclical", 0.66, 0.43, "source-000-cyclical", BATCH_000),
    Row("source-000-cyclical-sum", "the same with the sum over letters", 0.66, 0.43, "source-000-cyclical", SUM_000),
    Row("source-000-monotonic", "000, monotonic", None, None, "source-000-monotonic", BATCH_000),
    Row("source-000-sigmoid", "000, sigmoid, weight 1, ratio 0", None, None, "source-000-sigmoid", BATCH_000),
]  # fmt: skip


def config_of(row: Row, seed: int) -> TenseConfig:
    """The configuration that a row is trained with."""
    return config_from_dict(TenseConfig, vars(preset(row.preset)) | row.overrides | {"seed": seed})


def find_run(row: Row, seed: int) -> Run | None:
    """The newest run of the row's configuration with a seed, finished or resumable."""
    wanted = config_of(row, seed)
    for run in runs.list_runs():
        saved = run.read_config()
        if saved.get("preset") == row.preset and config_from_dict(TenseConfig, saved["config"]) == wanted:
            return run
    return None


# --- runs -----------------------------------------------------------------------------------------------------


def checkpoint_name(name: str) -> str:
    """The name of the checkpoint of a report: source-000-cyclical -> source-000."""
    return "-".join(name.split("-")[:2])


def log_name(row_name: str, seed: int) -> str:
    """The folder in assets/runs/ of a row's run with a seed."""
    return row_name + (f"-seed-{seed}" if seed else "")


def ship(row: Row, repeats: dict[int, Run]) -> None:
    """Copy the logs of each seed's run; for one row of each report the weights of seed 0, in half precision (4 MB)."""
    for seed, run in repeats.items():
        ship_log(run, log_name(row.name, seed))
    if row.name in SHIPPED and 0 in repeats:
        weights = checkpoint.CHECKPOINTS / f"{checkpoint_name(row.name)}.safetensors"
        checkpoint.copy(repeats[0].weights, weights, pack="float16")


def summary(row: Row, trainings: list[dict]) -> dict:
    """A row of assets/reports.json: what is claimed, means over the trainings, and deviations (`…_spread`)."""
    claims = {"claimed_bleu4": row.bleu4, "claimed_gaussian": row.gaussian}
    means, spreads = {}, {}
    for name in MEASURED:
        values = [training[name] for training in trainings if training[name] is not None]
        means[name] = statistics.mean(values) if values else None
        spreads[f"{name}_spread"] = statistics.stdev(values) if len(values) > 1 else None
    low, high = zip(*(training["gaussian_range"] for training in trainings), strict=True)
    return {
        "name": row.name, "report": row.report, **claims, **means, **spreads, "gaussian_range": [min(low), max(high)],
        "batch_size": row.overrides.get("batch_size", 1), "trainings": trainings,
    }  # fmt: skip


def ship_log(run: Run, name: str) -> None:
    """Copy a run's config and metrics to assets/runs/, without the user's verbs and the path of the data.

    Metrics are rounded to six digits, to keep the folder small.
    """
    folder = LOGS / name
    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in run.read_config().items() if key not in ("verbs", "source")}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    Run(folder).write_metrics([rounded(row) for row in run.read_metrics()])


def rounded(row: dict) -> dict:
    """A row of metrics, its floats to six significant digits."""
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in row.items()}
