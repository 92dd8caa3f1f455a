"""Curves: reading histories, best epochs, smoothing, thinning, comparing runs, TensorBoard."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_core import curves
from cvae_core.errors import UserError
from cvae_core.run import Run
from tests.logged import make_run

VALUES = st.lists(st.floats(-1e6, 1e6), max_size=300).map(np.array)


@pytest.fixture
def history(tmp_path):
    return curves.load(make_run(tmp_path))


def test_history_has_a_row_an_epoch_and_hours_since_the_start(history):
    assert history["epoch"].tolist() == [0, 1, 2, 3]
    assert history["step"].tolist() == [0, 10, 20, 30]
    assert history["hours"].tolist() == [0, 0.5, 1, 2]
    assert history["loss"].isna().tolist() == [True, False, False, False]


def test_a_later_row_of_an_epoch_counts_and_epochs_are_in_order(tmp_path):
    rows = [{"epoch": 2, "loss": 1.0}, {"epoch": 1, "loss": 5.0}, {"epoch": 2, "loss": 3.0}]
    assert curves.load(make_run(tmp_path, rows=rows))["loss"].tolist() == [5.0, 3.0]


def test_what_is_no_finite_number_is_left_empty(tmp_path):
    rows = [{"epoch": 1, "loss": float("nan"), "kl": 2.0, "note": "x"}, {"epoch": 2, "loss": 1.0, "kl": float("inf")}]
    loaded = curves.load(make_run(tmp_path, rows=rows))
    assert "note" not in loaded
    assert loaded["loss"].isna().tolist() == [True, False]
    assert loaded["kl"].isna().tolist() == [False, True]


def test_a_run_without_an_epoch_gives_no_rows(tmp_path):
    run = make_run(tmp_path, rows=[])
    assert len(curves.load(run)) == 0
    (run.path / "metrics.jsonl").unlink()
    assert len(curves.load(run)) == 0


@pytest.mark.parametrize(
    "text", ["{\n", "[1, 2]\n", "7\n", '{"loss": 1}\n', b"\xff\xfe\n", '{"epoch": 1%s}\n' % ("0" * 400)]
)
def test_a_damaged_history_gets_a_sentence(tmp_path, text):
    run = make_run(tmp_path)
    (run.path / "metrics.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match="no readable metrics.jsonl"):
        curves.load(run)


def test_kinds_know_no_system():
    kinds = {"epoch": "position", "kl": "loss", "beta": "schedule", "frames_per_second": "speed", "psnr": "score"}
    assert {name: curves.kind(name) for name in kinds} == kinds


def test_names_are_those_of_any_run_in_order_of_logging():
    frames = {"a": pd.DataFrame(columns=["epoch", "bleu4", "loss"]), "b": pd.DataFrame(columns=["kl", "psnr", "bleu4"])}
    assert curves.names(frames, "loss", "score") == ["loss", "kl", "bleu4", "psnr"]


def test_best_epoch_is_by_score_otherwise_by_loss(history):
    assert curves.best_epoch(history) == 2
    assert curves.best_epoch(history.drop(columns="score").assign(loss=[9, 3, 2, 1])) == 3
    assert curves.best_epoch(history[["epoch"]]) is None
    assert curves.best_epoch(history.head(0)) is None


@given(VALUES, st.floats(0, 0.99))
def test_smoothing_is_the_debiased_average(values, weight):
    smoothed, last, norm = curves.smooth(pd.Series(values, dtype=float), weight).tolist(), 0.0, 0.0
    for value, got in zip(values, smoothed, strict=True):
        last, norm = weight * last + value, weight * norm + 1
        assert got == pytest.approx(last / norm, rel=1e-6, abs=1e-6)


@given(VALUES, st.integers(4, 100))
def test_thinning_keeps_ends_and_extremes_and_no_more_than_asked(values, count):
    kept = curves.thin(values, count)
    assert len(kept) <= count and (np.diff(kept) > 0).all()
    if len(values):
        assert kept[0] == 0 and kept[-1] == len(values) - 1
        assert values[kept].min() == values.min() and values[kept].max() == values.max()
    if len(values) <= count:
        assert len(kept) == len(values)


def test_thinning_keeps_a_spike_in_each_stretch():
    values = np.zeros(10_000)
    values[[1234, 7777]] = 5, -5
    assert {1234, 7777} <= set(curves.thin(values, 100))


@given(VALUES)
def test_clipping_shows_the_middle_of_the_values(values):
    limits = curves.clip_range(values)
    if not len(values):
        assert limits is None
    else:
        low, high = limits
        assert low < high
        assert low <= np.percentile(values, 2) and np.percentile(values, 98) <= high


def test_clipping_leaves_an_outlier_outside():
    low, high = curves.clip_range(np.append(np.linspace(0, 1, 1000), 1e6))
    assert -0.1 < low < 0.05 and 0.95 < high < 1.1


def test_only_differing_settings_are_compared():
    first = {"preset": "a", "data": None, "created": "2026", "verbs": [["walk"]], "config": {"seed": 0, "epochs": 5}}
    second = {"preset": "b", "created": "2027", "config": {"seed": 0, "epochs": 6, "tags": ["x"]}}
    table = curves.differing({"one": curves.settings(first), "two": curves.settings(second)})
    assert table.to_dict("index") == {
        "one": {"preset": "a", "epochs": "5", "tags": "–"},
        "two": {"preset": "b", "epochs": "6", "tags": '["x"]'},
    }


def test_summary_gives_last_and_best_values(history):
    row = curves.summary({"run": history}, ["loss", "bleu4", "psnr"]).loc["run"]
    assert (row["epochs"], row["hours"], row["best epoch"]) == (3, 2, 2)
    assert (row["loss, last"], row["loss, best epoch"]) == (3.0, 2.0)
    assert row["bleu4, last"] == 0.9  # the last one logged
    assert pd.isna(row["psnr, last"]) and pd.isna(row["psnr, best epoch"])


def test_groups_are_runs_of_one_value_or_of_the_same_settings():
    runs = {"a": {"kl": 1, "seed": 0}, "b": {"kl": 1, "seed": 1}, "c": {"kl": 2, "seed": 0, "device": "cpu"}}
    assert curves.groups(runs, "kl") == {"kl = 1": ["a", "b"], "kl = 2": ["c"]}
    assert curves.groups(runs, "data") == {"data = –": ["a", "b", "c"]}
    assert curves.groups(runs, curves.SAME) == {"a (2 runs)": ["a", "b"], "c": ["c"]}


def test_a_group_has_means_and_standard_deviations_of_the_runs_that_have_an_epoch(history):
    longer = history[history["loss"].notna()]
    shorter = longer.assign(loss=longer["loss"] + 2).iloc[:-1]
    group = curves.group_history([longer, shorter])
    assert group["epoch"].tolist() == longer["epoch"].tolist()
    assert group["loss"].tolist() == [*(longer["loss"].iloc[:-1] + 1), longer["loss"].iloc[-1]]
    spread = group["loss" + curves.SPREAD]
    assert spread.iloc[:-1].tolist() == pytest.approx([2**0.5] * len(shorter)) and np.isnan(spread.iloc[-1])
    assert curves.names({"group": group}, "loss", "score") == curves.names({"one": history}, "loss", "score")
    assert curves.group_history([history]) is history


def test_a_summary_of_a_group_is_mean_and_standard_deviation(history):
    group = curves.group_history([history, history.assign(loss=history["loss"] + 2)])
    last = history["loss"].iloc[-1]
    table = curves.summary({"group": group, "one": history}, ["loss"])
    assert table["loss, last"].tolist() == [f"{last + 1:.4g} ± 1.4", f"{last:.4g}"]


def test_with_a_baseline_the_numbers_are_differences(history):
    better = history.assign(loss=history["loss"] - 0.5)
    table = curves.summary({"a": history, "b": better}, ["loss"], baseline="a")
    assert table["loss, last"].tolist() == [0, -0.5]
    assert table["epochs"].tolist() == [history["epoch"].max()] * 2
    group = curves.group_history([better, better])
    table = curves.summary({"a": history, "group": group}, ["loss"], baseline="a")
    assert table["loss, last"].tolist() == ["+0", "-0.5 ± 0"]


def test_tidy_table_begins_with_run_epoch_step_hours(history):
    table = curves.tidy({"a": history, "b": history[["epoch", "hours", "loss"]]})
    assert table.columns[:4].tolist() == ["run", "epoch", "step", "hours"]
    assert "seconds" not in table and {"loss", "bleu4", "words_per_second"} <= set(table)
    assert table["run"].tolist() == ["a"] * 4 + ["b"] * 4


def test_tensorboard_reads_what_was_exported(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = make_run(tmp_path / "runs", seed=7)
    curves.export_tensorboard({"shipped/demo": run}, tmp_path / "out")
    events = EventAccumulator(str(tmp_path / "out" / "shipped" / "demo"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "kl", "beta", "bleu4", "score", "words_per_second"}
    loss = events.Scalars("loss")
    assert [(e.step, e.value) for e in loss] == [(1, 4.0), (2, 2.0), (3, 3.0)]
    assert [e.wall_time - curves.started(run) for e in loss] == pytest.approx([1800, 3600, 7200])
    assert [e.step for e in events.Scalars("bleu4")] == [0, 1, 2]
    text = events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert '"seed": 7' in text


def test_zip_holds_a_folder_for_each_run(tmp_path):
    runs = {name: make_run(tmp_path, name) for name in ("20260102-030405-a", "20260102-030405-b")}
    names = zipfile.ZipFile(io.BytesIO(curves.zip_tensorboard(runs))).namelist()
    assert {name.split("/")[0] for name in names} == set(runs)
    assert sum("tfevents" in name for name in names) == 2


def test_start_is_in_the_id_otherwise_the_age_of_the_config(tmp_path):
    a, b = make_run(tmp_path), make_run(tmp_path, "default")
    assert curves.started(Run(tmp_path / "20260102-030406-x")) - curves.started(a) == 1
    assert curves.started(b) == (b.path / "config.json").stat().st_mtime
