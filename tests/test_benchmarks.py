"""Benchmarks, as commands with small settings: what they print, what they refuse, what they write."""

import re
import runpy
import sys

import pytest
import torch

from cvae_core import checkpoint, training
from cvae_core.tense.data import select_split
from cvae_core.tense.inference import load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.video.data import write_clip
from cvae_core.video.model import build
from cvae_core.video.presets import PRESETS
from scripts import growth
from scripts.growth import Part
from tests.helpers import ROOT, run_python, write_verbs
from tests.tiny_pictures import VIDEO, square_clips, write_mnist


@pytest.fixture
def benchmark(capsys, monkeypatch, run_root):
    """Run `python -m benchmarks.NAME …`, in this process, and return what it printed."""

    def run(name: str, *arguments) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        capsys.readouterr()
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
        return capsys.readouterr().out

    return run


def figure(printed: str, name: str) -> float:
    """The number behind a name in a table of two columns."""
    return float(re.search(rf"^{re.escape(name)}\s+([\d.,]+)", printed, re.M)[1].replace(",", ""))


def test_tests_and_benchmarks_do_not_import_each_other():
    def importing(folder: str, other: str) -> list[str]:
        lines = re.compile(rf"^\s*(?:from|import) {other}\b", re.M)
        return [str(p) for p in (ROOT / folder).rglob("*.py") if lines.search(p.read_text(encoding="utf-8"))]

    assert importing("tests", "benchmarks") == importing("benchmarks", "tests") == importing("scripts", "tests") == []
    assert importing("scripts", "benchmarks") == importing("cvae_core", "scripts") == []


def test_the_loop_and_batches_train_the_same_loss_and_arithmetic_is_counted(benchmark):
    """The benchmark itself refuses to time two sides whose losses differ."""
    printed = benchmark("train_speed", "--rounds", 1, "--verbs", 1, "--threads", 1)
    letters = sum(len(word) + 1 for word in select_split(load_lexicon().verbs, "train")[0].row)  # the end included
    lstm, out = 4 * 256 * (256 + 256), 256 * 29
    heads = 2 * 256 * 32 + (32 + 8) * 256  # mu and logvar; the hidden state from z and tense
    flops = 6 * (letters * (2 * lstm + out) + 4 * heads)
    assert figure(printed, "arithmetic of an epoch") == pytest.approx(flops / 1e6, abs=1e-3)
    assert figure(printed, "ratio") > 1


@pytest.mark.slow
def test_batches_train_at_least_thirty_times_as_fast(benchmark):
    printed = benchmark("train_speed", "--rounds", 3)
    assert figure(printed, "ratio") >= 30
    assert 10 < figure(printed, "share of the matrix-product rate") < 100


@pytest.mark.parametrize(("mark", "said", "epochs"), [(0.0, "reached in", 1), (2.0, "not reached in", 2)])
def test_training_to_the_mark_stops_there_or_says_that_it_did_not(benchmark, tmp_path, mark, said, epochs):
    data = ["--data", write_verbs(tmp_path / "verbs.txt"), "--device", "cpu", "--threads", 1]
    lines = benchmark("time_to_mark", *data, "--bleu4", 0, "--gaussian", mark, "--epochs", 2).splitlines()
    assert lines[-1].startswith(said) and sum(line.startswith("bleu4") for line in lines) == epochs


def test_an_ablation_row_scores_what_was_held_out_only_where_it_was(benchmark, tmp_path):
    options = ["--epochs", 1, "--verbs", 40, "--samples", 5, "--device", "cpu", "--threads", 1]
    printed = benchmark("ablation", "--data", write_verbs(tmp_path / "verbs.txt"), "--only", "all parts", *options)
    header, course, dictionary = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in printed.splitlines()
        if line.startswith(("| |", "| course", "| dictionary"))
    )
    held_out = [header.index("unseen verbs"), header.index("their tense")]
    assert [course[i] for i in held_out] == ["–", "–"] and "–" not in [dictionary[i] for i in held_out]
    assert len(course) == len(dictionary) == len(header)


def test_a_higher_temperature_lowers_confidence_and_the_best_is_stored(benchmark, tmp_path):
    path = tmp_path / "mine.safetensors"
    checkpoint.copy(checkpoint.find("tense-heldout"), path)
    *rows, last = benchmark("temperature", "--checkpoint", path, "--verbs", 5, "--write").splitlines()[2:]
    temperatures, accuracies, confidences, _, nll = zip(
        *([float(cell) for cell in row.split()] for row in rows), strict=True
    )
    assert len(set(accuracies)) == 1 and list(temperatures) == sorted(temperatures)
    assert list(confidences) == sorted(confidences, reverse=True) and confidences[0] > confidences[-1]
    best = temperatures[nll.index(min(nll))]
    assert checkpoint.read(path)[1]["temperature"] == best and f"temperature {best:g}" in last
    assert load(str(path)).temperature == best


def test_no_temperature_is_fitted_on_verbs_that_the_model_was_trained_on(benchmark):
    with pytest.raises(SystemExit):
        benchmark("temperature", "--checkpoint", "tense")


def test_an_epoch_of_digits_is_timed(benchmark):
    printed = benchmark("digits_speed", "--images", 300, "--threads", 1)
    assert "one epoch of 300 images" in printed
    assert figure(printed, "share of the matrix products' rate") > 0
    assert figure(printed, "100 samples of a completion, one thread") > 0


def test_a_prediction_of_video_is_timed(benchmark):
    assert figure(benchmark("video_speed", "--repeats", 1), "ratio") > 0


def test_a_heavier_kl_and_a_hybrid_are_scored_by_three_estimates(benchmark, tmp_path):
    options = ["--betas", 1.5, "--alphas", 0.5, "--samples", 2, "--epochs", 1, "--hidden-size", 8, "--device", "cpu"]
    rows = benchmark("digits_estimates", "--data", write_mnist(tmp_path), *options, "--threads", 1).splitlines()[-2:]
    assert [row.split(":")[0] for row in rows] == ["CVAE, beta 1.5", "hybrid, alpha 0.5"]
    for row in rows:
        kl, bound, importance, monte_carlo = map(float, re.findall(r"-?\d+\.\d+", row.split(":")[1]))
        assert kl > 0 and importance < bound + 1 and monte_carlo < bound + 10


def test_a_checkpoint_is_scored_on_all_test_images(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr("cvae_core.digits.metrics.MC_SAMPLES", 5)
    options = ["--checkpoint", "digits", "--objectives", "hybrid", "--device", "cpu", "--threads", 1]
    rows = benchmark("digits_estimates", "--data", write_mnist(tmp_path), *options).splitlines()[1:]
    assert [row.split(":")[0] for row in rows] == [f"hybrid, {n} visible" for n in (1, 2, 3)]
    scores = [float(row.split(":")[1]) for row in rows]
    assert 0 < scores[2] < min(scores[:2])  # of random pixels, of which the fewest are hidden


def test_the_reports_results_are_printed(benchmark):
    printed = benchmark("reports", "--table")
    assert "| 002, ratio 0.8, two cycles | 0.9286 |" in printed and "\n002: two cycles do better than one: " in printed


# --- how cost grows ---------------------------------------------------------------------------------------------


def test_slopes_of_known_powers_are_under_the_table(tmp_path):
    part = Part(
        "Growth", "How.", ("x", "line", "square", "left out"), [(n, 3.0 * n, 0.5 * n**2, 1.0) for n in (1, 10, 1000)],
        ("line", "square"),
    )  # fmt: skip
    assert growth.slopes(part) == pytest.approx({"line": 1.0, "square": 2.0})
    text = growth.section(part, "growth.svg")
    assert "| 1,000 | 3,000 | 500,000 | 1 |" in text and "Slopes: line 1.00; square 2.00." in text
    growth.plot(part, tmp_path / "growth.svg")
    growth.plot(part, tmp_path / "again.svg")
    picture = (tmp_path / "growth.svg").read_text()
    assert "<svg" in picture and "square (slope 2.00)" in picture
    assert picture == (tmp_path / "again.svg").read_text()  # no date, no random names


def test_a_part_measured_again_replaces_itself(tmp_path):
    first, second = (Part(title, "How.", ("x", "y"), [(1, 1.0), (2, 2.0)], ("y",)) for title in ("A", "B"))
    for part, name in ((first, "a"), (second, "b"), (first._replace(rows=[(1, 1.0), (2, 8.0)]), "a")):
        growth.write(part, name, tmp_path, "Today.")
    text = (tmp_path / "RESULTS.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == ["# How cost grows", "## A", "## B"]
    assert "Slopes: y 3.00." in text.split("## B")[0] and "(plots/b.svg)" in text
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["a.svg", "b.svg"]


def test_updates_are_timed_by_width(benchmark, tmp_path):
    printed = benchmark("scale", "--only", "width", "--sizes", 8, 16, "--out", tmp_path)
    assert (
        (tmp_path / "RESULTS.md")
        .read_text()
        .endswith(f"{printed.strip()}\n\n![Training against the model's width](plots/width.svg)\n")
    )


@pytest.mark.slow
def test_updates_are_timed_by_verbs_invented_ones_included(tmp_path):
    done = run_python("-m", "benchmarks.scale", "--only", "lexicon", "--sizes", 50, 6600, "--out", tmp_path)
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| 50 ", "| 6,600 "))]
    assert done.returncode == 0 and len(rows) == 2, done.stderr
    assert all(float(cell.replace(",", "")) > 0 for row in rows for cell in row.split("|")[1:-1])


def test_a_fold_is_predicted_by_a_model_of_the_others(tmp_path, run_root, monkeypatch):
    monkeypatch.setenv("CVAE_CACHE", "")  # `gain` sets it: monkeypatch restores it
    monkeypatch.setitem(PRESETS, "robot", {"epochs": 1, "batch_size": 3, "keep": "last"})
    tasks, fit = [], training.fit
    monkeypatch.setattr(training, "fit", lambda task, run: tasks.append(task) or fit(task, run))
    for number, clip in enumerate(square_clips(6)):
        write_clip(clip, tmp_path / "train" / f"traj_{number}" / "0")
    gain = runpy.run_module("benchmarks.video_folds", run_name="folds")["gain"]
    start = tmp_path / "start.safetensors"
    checkpoint.write(start, build(VIDEO).state_dict(), {"system": "video", "config": vars(VIDEO)})
    gains = [gain(str(tmp_path), str(start), "robot", 3, (seed, 1)) for seed in (0, 0, 7)]
    assert gains[0] == gains[1] != gains[2]
    (held_out, _), trained_on = tasks[0].validation, [frames for frames, _ in tasks[0].train]
    for number, clip in enumerate(square_clips(6)):
        assert any(torch.equal(clip.frames, frames) for frames in held_out) == (number in (1, 4))
        assert any(torch.equal(clip.frames, frames) for frames in trained_on) == (number not in (1, 4))
