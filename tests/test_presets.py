"""The reports' configurations train on the course's own files."""

from dataclasses import replace

import pytest

from cvae_core import runs
from cvae_core.schedules import constant, geometric, plateau, ramp
from cvae_core.tense.presets import PRESETS, preset
from cvae_core.tense.task import TenseTask
from cvae_core.tense.verb_file import read_verbs
from cvae_core.training import fit
from tests.helpers import COURSE, needs


def test_every_preset_is_a_valid_config_and_the_reports_share_theirs():
    for name in PRESETS:
        config = preset(name)
        if name.startswith("source-"):
            assert (config.hidden_size, config.latent_size, config.condition_size) == (256, 32, 8)
            assert (config.optimizer, config.batch_size, config.spelling_size, config.pairs) == ("sgd", 1, 0, "same")


def test_a_table_s_rows_differ_in_what_the_report_says():
    def changes(name, base):
        return {k: v for k, v in vars(preset(name)).items() if v != getattr(preset(base), k)}

    assert changes("source-001-lr-0.1", "source-001") == {"learning_rate": 0.1}
    assert changes("source-001-kl-0.5", "source-001") == {
        "kl_knots": constant(), "kl_max": 0.5, "teacher_forcing": geometric(0.5, 3, 30),
    }  # fmt: skip
    one_cycle, down_to_04 = {"kl_knots": ramp(0.2, 0.8)}, {"teacher_forcing": plateau(0.2, 0.4)}
    assert changes("source-002-one-cycle-0.8", "source-002") == one_cycle
    assert changes("source-002-two-cycles-0.4", "source-002") == down_to_04
    assert changes("source-002-one-cycle-0.4", "source-002") == one_cycle | down_to_04


@needs("tense/train.txt")
@pytest.mark.parametrize("name", ["source-000-cyclical", "source-001", "source-002"])
def test_a_report_trains_from_end_to_end_on_the_course_files(tmp_path, name):
    # Its schedules and structure; narrower, in batches and in fewer epochs, for the sake of time.
    config = replace(preset(name), epochs=10, batch_size=256, hidden_size=32, latent_size=8, evaluate_every=20)
    verbs = read_verbs(COURSE / "train.txt", as_is=True).verbs
    assert len(verbs) == 1217
    task = TenseTask(config, verbs[::3], data_name="file train.txt")
    run = runs.create({"system": "tense", "config": vars(config)}, name, tmp_path)
    assert fit(task, run) == "finished"
    rows = run.read_metrics()
    assert rows[-1]["recon"] < rows[0]["recon"]
    if name == "source-002":
        assert [row["beta"] for row in rows] == pytest.approx([0, 0, 0.025, 0.05, 0.075] * 2)
        ratios = [row["teacher_forcing_ratio"] for row in rows]
        assert ratios == pytest.approx([1, 1, 1, 0.975, 0.95, 0.925, 0.9, 0.875, 0.85, 0.825])
