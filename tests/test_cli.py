"""The command line: what each command prints, what it refuses and how, and a training from end to end."""

import json
import os
import signal
import subprocess

import pytest
import torch

from cvae_core import checkpoint, runs
from cvae_core.__main__ import main
from cvae_core.tense.data import TENSES, select_split
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.task import TenseTask
from tests.helpers import python, run_python, write_verbs
from tests.tiny import ROWS, SIZES

SMALL = [text for name, value in SIZES.items() for text in (f"--{name.replace('_', '-')}", str(value))]
SMALL += ["--train-on", "all", "--batch-size", "6", "--seed", "3"]


def call(*args, **options):
    """A command in a subprocess."""
    return run_python("-m", "cvae_core", *args, **options)


@pytest.fixture
def folder(tmp_path, run_root, checkpoint_root):
    """A folder with data, runs and checkpoints for this test."""
    write_verbs(tmp_path / "verbs.txt", "walk walks walking walked")
    return tmp_path


# --- convert ----------------------------------------------------------------------------------------------------


def test_convert_prints_the_word():
    done = call("convert", "abandon", "--to", "past")
    assert (done.returncode, done.stdout, done.stderr) == (0, "abandoned\n", "")


def test_convert_json(cli):
    results = json.loads(cli("convert", " Abandon", "sent", "--to", "sp", "--json"))
    assert [(m["word"], m["source"], m["target"]) for m in results] == [
        ("abandon", "present", "present"),
        ("sent", "past", "present"),
    ]
    for m in results:
        forms = {a["form"]: a["probability"] for a in m["alternatives"]}
        assert {"word", "source", "target", "prediction", "probability", "alternatives"} <= set(m)
        assert forms[m["prediction"]] == pytest.approx(m["probability"], rel=1e-3)
        assert list(forms.values()) == sorted(forms.values(), reverse=True) and len(forms) == 5


def test_convert_to_all_and_from(cli):
    assert cli("convert", "walked", "--to", "all").split() == ["walk", "walks", "walking", "walked"]
    assert cli("convert", "go", "walked").splitlines() == ["go goes going went", "walk walks walking walked"]
    results = json.loads(cli("convert", "walked", "--from", "present", "--to", "all", "--json"))
    assert [m["target"] for m in results] == list(TENSES)
    assert {m["source"] for m in results} == {"present"}  # as given, though the model would infer past


def test_convert_file(tmp_path, cli):
    folder = tmp_path
    (folder / "in.csv").write_text("word,source,target,note\nabandon,present,past,=1\nsent,,tp,\nw4lk,present,past,\n")
    assert cli("convert", "--file", folder / "in.csv", "--out", folder / "out.csv") == ""
    lines = (folder / "out.csv").read_text().splitlines()
    assert lines[0] == "word,source,target,note,prediction,probability,familiar,known,dictionary,error"
    assert lines[1].startswith("abandon,present,past,'=1,abandoned,0.") and lines[1].endswith(",")
    assert lines[2].startswith("sent,,tp,,sends,0.")
    assert lines[3].startswith("w4lk,present,past,,,,") and "letters a to z" in lines[3]
    assert cli("convert", "--file", folder / "in.csv").splitlines() == lines


# --- latent space -----------------------------------------------------------------------------------------------


def test_generate(cli):
    one, refined = json.loads(cli("generate", "-n", 200, "--seed", 1, "--refine", 2, "--json"))
    for result in (one, refined):
        assert len(result["rows"]) == 200 and {len(row) for row in result["rows"]} == {4}
        assert result["gaussian"] == sum(result["known"]) / 200 >= result["distinct"]
    assert refined["gaussian"] > one["gaussian"]
    text = cli("generate", "-n", 200, "--seed", 1)
    assert len(text.splitlines()) >= 201 and f"{one['gaussian']:.3f}" in text
    assert text == cli("generate", "-n", 200, "--seed", 1) != cli("generate", "-n", 200, "--seed", 2)


def test_interpolate(cli):
    points = json.loads(cli("interpolate", "walk", "jumped", "--steps", 5, "--json"))
    assert len(points) == 5 and points[0]["row"][0][0] == "w" and points[-1]["row"][0][0] == "j"
    seeded = cli("interpolate", "--seed", 1, 2, "--method", "slerp", "--refine", 1).splitlines()
    assert len(seeded) == 9 and all(len(line.split()) == 4 for line in seeded)


# --- errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "required: command"),
        ("translate", "invalid choice: 'translate'"),
        ("convert", "Nothing to convert"),
        ("convert walk2 --to past", "letters a to z"),
        ("convert 走る --to past", "letters a to z"),
        (f"convert {'a' * 40} --to past", "40 letters"),
        ("convert walk --to later", "'later' is not a tense"),
        ("convert walk --from later --to past", "'later' is not a tense"),
        ("convert walk --to past --checkpoint none", "no checkpoint 'none'"),
        ("convert walk --to past --out x.csv", "--out goes with --file"),
        ("convert --file none.csv", "Cannot read none.csv"),
        ("convert walk --file none.csv", "leave out WORD"),
        ("convert --file none.csv --out x.csv --json", "leave out --json"),
        ("generate -n 0", "n is 0"),
        ("generate -n many", "invalid int value: 'many'"),
        ("generate --refine -1", "refine is -1"),
        ("generate --seed -1", "'-1' is not a whole number"),
        ("interpolate walk", "two words, or --seed A B"),
        ("interpolate walk talk --seed 1 2", "two words, or --seed A B"),
        ("interpolate walk talk --steps 1", "steps is 1"),
        ("interpolate walk talk --method curve", "invalid choice: 'curve'"),
        ("evaluate words", "invalid choice: 'words'"),
        ("evaluate tense --samples 0", "samples is 0: expected at least 1"),
        ("evaluate tense --lexicon none.txt", "Cannot read none.txt"),
        ("evaluate tense --pairs none.txt", "Cannot read none.txt"),
        ("train tense --preset none", "no preset 'none'"),
        ("train tense --epochs 0", "epochs is 0"),
        ("train tense --repeats 0", "repeats is 0"),
        ("train tense --resume none --repeats 3", "own config"),
        ("train tense --epochs 1e9", "'1e9' is not a whole number"),
        ("train tense --seed 99999999999999999999", "is not a whole number"),
        ("train tense --learning-rate nan", "finite"),
        ("train tense --recon median", "invalid choice: 'median'"),
        ("train tense --out ../tense", "cannot name a checkpoint"),
        ("train tense --data none.txt", "Cannot read none.txt"),
        ("train tense --resume none", "no run 'none'"),
        ("train tense --resume none --epochs 3", "own config"),
        ("train tense --init none", "no checkpoint 'none'"),
        ("train tense --preset best-rest", "the encoder is never trained"),
    ],
)
def test_a_mistake_gets_one_sentence(line, message, run_root, capsys):
    status = main(line.split())
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert message in printed.err and printed.err.count("\n") == 1
    assert not run_root.exists()


def test_a_mistake_from_the_shell():
    done = call("convert", "walk 2", "--to", "past")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = call("convert", "abandon", "--to", "past", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_is_quick():
    code = "import sys; from cvae_core.cli import build_parser; build_parser([]); print('torch' in sys.modules)"
    assert run_python("-c", code).stdout == "False\n"
    assert "--latent-size" in call("train", "tense", "--help").stdout


# --- train ------------------------------------------------------------------------------------------------------


def test_train_to_a_checkpoint_that_converts(folder, capsys):
    args = ["train", "tense", "--data", str(folder / "verbs.txt"), "--epochs", "2", *SMALL, "--out", "mine"]
    assert main(args) == 0
    printed = capsys.readouterr()
    assert "1 duplicate rows were dropped" in printed.err
    epochs = [line for line in printed.out.splitlines() if line.startswith("epoch ")]
    assert len(epochs) == 2 and "recon" in epochs[0] and "kl" in epochs[0]
    assert "batches" not in printed.err  # no copies of a progress bar where stderr is no terminal
    [run] = runs.list_runs(folder / "runs")
    assert run.read_config()["config"]["hidden_size"] == SIZES["hidden_size"]
    assert run.read_status()["state"] == "finished"
    saved = folder / "checkpoints" / "mine.safetensors"
    assert saved.read_bytes() == (run.path / "weights.safetensors").read_bytes()
    assert main(["convert", "walk", "--to", "past", "--checkpoint", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["word"] == "walk"
    assert main(["runs", "--json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["run"], listed["state"], listed["epoch"]) == (run.id, "finished", 2)


def test_repeats_differ_by_their_seeds_and_the_best_becomes_the_checkpoint(folder, capsys):
    args = ["train", "tense", "--data", str(folder / "verbs.txt"), "--epochs", "1", *SMALL, "--out", "mine"]
    assert main([*args, "--repeats", "3"]) == 0
    repeats = runs.list_runs(folder / "runs")
    assert sorted(run.read_config()["config"]["seed"] for run in repeats) == [3, 4, 5]
    scores = {run.id: run.read_metrics()[-1]["score"] for run in repeats}
    printed = capsys.readouterr().out
    assert "3 runs:" in printed and f"score {sum(scores.values()) / 3:.4g} ± " in printed
    best = [run for run in repeats if scores[run.id] == max(scores.values())]
    saved = (folder / "checkpoints" / "mine.safetensors").read_bytes()
    assert saved in [run.weights.read_bytes() for run in best]


def test_of_repeats_that_keep_their_best_weights_the_best_are_those_of_the_checkpoint(folder, monkeypatch):
    """The scores of epochs 1 and 2: the first run's last one is higher, the second has kept better weights."""
    scores = iter([0.1, 0.5, 0.9, 0.2])
    monkeypatch.setattr(TenseTask, "evaluate", lambda task: {"score": next(scores)})
    args = ["train", "tense", "--data", str(folder / "verbs.txt"), "--epochs", "2", *SMALL, "--out", "mine"]
    assert main([*args, "--keep", "best", "--repeats", "2"]) == 0
    [best] = [run for run in runs.list_runs(folder / "runs") if run.read_metrics()[-1]["best_score"] == 0.9]
    assert (folder / "checkpoints" / "mine.safetensors").read_bytes() == best.weights.read_bytes()


def test_init_starts_from_the_weights(folder, cli):
    train = ["train", "tense", "--data", folder / "verbs.txt", "--epochs", 1]
    cli(*train, *SMALL, "--out", "first")
    cli(*train, "--init", "first", "--optimizer", "sgd", "--learning-rate", 1e-8, "--out", "second")
    first, second = (checkpoint.read(checkpoint.CHECKPOINTS / f"{n}.safetensors")[0] for n in ("first", "second"))
    assert first.keys() == second.keys()
    assert all(torch.allclose(first[n], second[n], atol=1e-6) for n in first)


def test_a_file_called_lexicon_is_not_the_lexicon(folder, cli):
    (folder / "verbs.txt").rename(folder / "lexicon")
    cli("train", "tense", "--data", folder / "lexicon", "--epochs", 1, *SMALL, "--out", "mine")
    assert len(checkpoint.read(checkpoint.CHECKPOINTS / "mine.safetensors")[1]["rows"]) == len(ROWS.split(","))


def test_a_file_without_training_verbs_gets_a_sentence(folder, capsys):
    verb = select_split(load_lexicon().verbs, "test")[0]
    (folder / "one.txt").write_text(" ".join(verb.row))
    assert main(["train", "tense", "--data", str(folder / "one.txt")]) == 2
    assert "train split" in capsys.readouterr().err
    assert not (folder / "runs").exists()


@pytest.fixture(scope="module")
def untouched(tmp_path_factory, module_run_root):
    """The last state of an uninterrupted training, and its command."""
    data = write_verbs(tmp_path_factory.mktemp("untouched") / "verbs.txt")
    train = [str(word) for word in ("train", "tense", "--data", data, "--epochs", 12, *SMALL)]
    assert main(train) == 0
    [run] = runs.list_runs(module_run_root)
    return train, checkpoint.read(run.path / "last.safetensors")[0]


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGTERM, id="term"),
        pytest.param(signal.SIGINT, id="int", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, id="kill", marks=pytest.mark.slow),
    ],
)
def test_stopped_or_killed_and_resumed(folder, untouched, capsys, number):
    """The same weights as without the interruption; after SIGTERM or Ctrl+C the command to resume is printed."""
    train, expected = untouched
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with python("-m", "cvae_core", *train, runs=folder / "runs", **pipes) as process:
        lines = [process.stdout.readline() for _ in range(3)]  # the run's name and two epochs
        process.send_signal(number)
        rest = process.stdout.read()
    [run] = runs.list_runs(folder / "runs")
    assert lines[0].startswith(f"Run {run.id}:") and 2 <= len(run.read_metrics()) < 12
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL and run.read_status()["state"] == "interrupted"
    else:
        assert process.returncode == 0 and run.read_status()["state"] == "stopped"
        assert f"python -m cvae_core train tense --resume {run.id}" in rest
    assert main(["train", "tense", "--resume", run.id]) == 0
    resumed = checkpoint.read(run.path / "last.safetensors")[0]
    assert resumed.keys() == expected.keys() and all(torch.equal(resumed[n], expected[n]) for n in expected)
    assert main(["train", "tense", "--resume", run.id]) == 2
    assert "is finished" in capsys.readouterr().err


def test_killed_before_its_first_state_starts_again(folder, cli):
    cli("train", "tense", "--data", folder / "verbs.txt", "--epochs", 2, *SMALL)
    [run] = runs.list_runs(folder / "runs")
    before = (run.path / "weights.safetensors").read_bytes()
    for name in ("last.safetensors", "weights.safetensors", "metrics.jsonl", "status.json"):
        (run.path / name).unlink()
    cli("train", "tense", "--resume", run.id)
    assert (run.path / "weights.safetensors").read_bytes() == before
