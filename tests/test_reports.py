"""The reports' results: complete, from the logs and the weights that ship, and compared as the statements say."""

import json

import pytest

from benchmarks import reports
from cvae_core import checkpoint
from cvae_core.runs import Run
from cvae_core.tense import metrics
from cvae_core.tense.inference import load
from cvae_core.tense.model import TenseConfig
from cvae_core.tense.presets import preset
from cvae_core.training import config_from_dict

RESULTS = json.loads(reports.RESULTS.read_text())
ROWS = {row["name"]: row for row in RESULTS["rows"]}


def test_what_is_measured_is_as_the_report_says_and_its_log_ships():
    assert list(ROWS) == [row.name for row in reports.ROWS]
    for row in reports.ROWS:
        run = Run(checkpoint.ROOT / "assets" / "runs" / row.name)
        config, history = run.read_config(), run.read_metrics()
        assert config["preset"] == row.preset and "verbs" not in config
        wanted = vars(preset(row.preset)) | row.overrides
        assert vars(config_from_dict(TenseConfig, config["config"])) == wanted
        assert [r["epoch"] for r in history] == list(range(1, wanted["epochs"] + 1))
        assert ROWS[row.name]["minutes"] == pytest.approx(sum(r["seconds"] for r in history) / 60)


def test_the_logs_are_small():
    size = sum(file.stat().st_size for file in (checkpoint.ROOT / "assets" / "runs").rglob("*") if file.is_file())
    assert size <= 2 * 2**20


@pytest.mark.parametrize("name", reports.SHIPPED)
def test_shipped_weights_score_what_the_table_says(name):
    """They are stored in half precision: a letter in some hundreds may turn, and with it a pair or a draw."""
    path = checkpoint.CHECKPOINTS / f"{reports.short(name)}.safetensors"
    assert path.stat().st_size <= 4 * 2**20
    tense = load(reports.short(name))
    assert metrics.bleu4_of_pairs(tense) == pytest.approx(ROWS[name]["bleu4"], abs=0.05)
    drawn = metrics.gaussian_scores(tense, tense.verbs, 100, reports.SEEDS[0])["gaussian"]
    low, high = ROWS[name]["gaussian_range"]
    assert low - 0.04 <= drawn <= high + 0.04


def test_findings_follow_from_the_logs():
    assert reports.findings(ROWS) == RESULTS["findings"]
    for finding in RESULTS["findings"]:
        assert 0 <= finding["holds"] <= finding["of"] == len(finding["results"])


def test_the_table_has_a_line_for_each_row():
    lines = reports.table(RESULTS["rows"]).splitlines()
    assert len(lines) == 2 + len(ROWS)
    assert "| 002, ratio 0.8, two cycles | 0.9286 |" in lines[-1]
