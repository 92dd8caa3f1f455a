"""The reports' results: complete, from the logs and the weights that ship, and compared as the statements say."""

import json
import statistics

import pytest

from cvae_core import checkpoint, curves
from cvae_core.config import config_from_dict
from cvae_core.run import Run
from cvae_core.session import create
from cvae_core.tense import metrics
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.inference import load
from cvae_core.tense.presets import preset
from cvae_core.training import fit
from scripts import reports, statements
from scripts.report_tables import reports_table
from tests.helpers import USER_VERBS, never, tiny_session
from ui.figures.reports import readings_figure

RESULTS = json.loads(reports.RESULTS.read_text())
ROWS = {row["name"]: row for row in RESULTS["rows"]}
UNUSED = {"state_width"}  # by the reports: one layer from z


def test_what_is_measured_is_as_the_report_says_and_its_logs_ship():
    assert list(ROWS) == [row.name for row in reports.ROWS]
    for row in reports.ROWS:
        wanted = vars(preset(row.preset)) | row.overrides
        minutes = []
        for seed in (training["seed"] for training in ROWS[row.name]["trainings"]):
            run = Run(checkpoint.ROOT / "assets" / "runs" / reports.log_name(row.name, seed))
            config, history = run.read_config(), run.read_metrics()
            assert config["preset"] == row.preset and "verbs" not in config
            trained = vars(config_from_dict(TenseConfig, config["config"]))
            assert {name: trained[name] for name in trained.keys() - UNUSED} == {
                name: (wanted | {"seed": seed})[name] for name in wanted.keys() - UNUSED
            }
            assert [r["epoch"] for r in history] == list(range(1, wanted["epochs"] + 1))
            minutes.append(sum(r["seconds"] for r in history) / 60)
        assert ROWS[row.name]["minutes"] == pytest.approx(statistics.mean(minutes))


def test_runs_ship_their_logs_and_the_first_its_weights_in_half_precision(
    run_root, checkpoint_root, tmp_path, monkeypatch
):
    monkeypatch.setattr(reports, "LOGS", tmp_path / "logs")
    task, run = tiny_session(epochs=2)
    fit(task, run, never)
    for name in ("source-001", "source-001-lr-0.1"):
        row = next(row for row in reports.ROWS if row.name == name)
        reports.ship(row, {0: run, 1: run})
        for seed in (0, 1):
            log = Run(tmp_path / "logs" / reports.log_name(name, seed))
            assert log.read_metrics() == [reports.rounded(row) for row in run.read_metrics()]
            assert "verbs" not in log.read_config()
    [shipped] = checkpoint_root.iterdir()  # one checkpoint of a report
    assert shipped.stem == "source-001" and load("source-001").convert(["walk"], [0], [3])
    trained, packed = (path.stat().st_size for path in (run.weights, shipped))
    assert packed < 0.75 * trained


def test_a_run_is_found_by_its_whole_config(run_root):
    row, *_ = reports.ROWS
    assert reports.find_run(row, seed=1) is None
    run = create("tense", row.preset, row.overrides | {"seed": 1}, USER_VERBS)
    create("tense", row.preset, row.overrides | {"seed": 1, "epochs": 2}, USER_VERBS)
    create("tense", "source-001", {}, USER_VERBS)
    assert reports.find_run(row, seed=1) == run and reports.find_run(row, seed=2) is None


def test_floats_of_a_log_are_rounded():
    assert reports.rounded({"epoch": 3, "kl": 4.89821028258826, "recon": 1.23456789e-7}) == {
        "epoch": 3, "kl": 4.89821, "recon": 1.23457e-7,
    }  # fmt: skip


def test_the_logs_are_small():
    size = sum(file.stat().st_size for file in (checkpoint.ROOT / "assets" / "runs").rglob("*") if file.is_file())
    assert size <= 2.5 * 2**20  # 12 of its runs are three trainings of report 002's rows, 65 kB each


@pytest.mark.parametrize("name", reports.SHIPPED)
def test_shipped_weights_score_what_the_table_says(name):
    """They are stored in half precision: a letter in some hundreds may turn, and with it a pair or a draw."""
    path = checkpoint.CHECKPOINTS / f"{reports.checkpoint_name(name)}.safetensors"
    assert path.stat().st_size <= 4 * 2**20
    model, first = load(reports.checkpoint_name(name)), ROWS[name]["trainings"][0]
    assert metrics.bleu4_of_pairs(model) == pytest.approx(first["bleu4"], abs=0.05)
    drawn = metrics.gaussian_scores(model, model.verbs, 100, reports.SAMPLE_SEEDS[0])["gaussian"]
    low, high = first["gaussian_range"]
    assert low - 0.04 <= drawn <= high + 0.04


def test_rows_are_means_over_their_trainings():
    for row in reports.ROWS:
        assert reports.summary(row, ROWS[row.name]["trainings"]) == ROWS[row.name]
    [row, *_], base = reports.ROWS, {"run": "", "gaussian_range": [0.1, 0.2]} | dict.fromkeys(reports.MEASURED, 0.5)
    both = reports.summary(row, [base | {"seed": 0}, base | {"seed": 1, "bleu4": 0.7, "gaussian_range": [0.0, 0.15]}])
    assert both["bleu4"] == pytest.approx(0.6) and both["bleu4_spread"] == pytest.approx(0.1 * 2**0.5)
    assert both["gaussian_spread"] == 0 and both["gaussian_range"] == [0.0, 0.2]
    assert reports.summary(row, [base | {"seed": 0}])["bleu4_spread"] is None


def test_findings_follow_from_the_logs():
    assert statements.findings(ROWS) == RESULTS["findings"]
    for finding in RESULTS["findings"]:
        assert sum(finding["verdicts"].values()) == len(finding["results"]) > 0


@pytest.mark.parametrize(
    ("larger", "smaller", "verdict"),
    [
        ([0.3, 0.4, 0.5], [0.1, 0.2, 0.29], statements.HOLDS),
        ([0.1, 0.2, 0.29], [0.3, 0.4, 0.5], statements.FAILS),
        ([0.1, 0.4, 0.5], [0.2, 0.2, 0.3], statements.NOISE),
        ([0.9], [0.1], statements.NOISE),  # one training each tells nothing
    ],
)
def test_a_statement_holds_if_every_seed_agrees(larger, smaller, verdict):
    assert statements.Comparison("", larger, smaller).verdict == verdict


def test_the_table_has_a_line_for_each_row():
    lines = reports_table(RESULTS).splitlines()
    assert len(lines) == 2 + len(ROWS)
    for line, row in zip(lines[2:], RESULTS["rows"], strict=True):
        assert line.startswith(f"| {row['report']} |")


def test_a_claim_is_drawn_beside_every_epoch_of_a_run():
    frame = curves.load(Run(checkpoint.ROOT / "assets" / "runs" / "source-000"))
    figure = readings_figure({"run": frame}, (0.66, 0.43))
    run, claim = figure.data
    assert list(run.x) == frame["bleu4"].tolist() and list(run.y) == frame["gaussian"].tolist()
    assert (*claim.x, *claim.y) == (0.66, 0.43)
    box = figure.layout.shapes[0]
    assert [box.x0, box.x1, box.y0, box.y1] == pytest.approx([0.61, 0.71, 0.38, 0.48])
