"""Full disks, read-only file systems, and files that cannot be written."""

import errno
import json
import os

import pytest

from cvae_core import checkpoint, runs
from cvae_core.__main__ import main
from cvae_core.errors import UserError
from cvae_core.session import reopen
from cvae_core.training import fit
from tests.helpers import assert_same, copy_run, python_to_file, resume, temporary_files, tiny_session


def test_a_full_disk_gets_a_sentence_and_leaves_the_last_good_files(stopped_run, uninterrupted, tmp_path):
    """Each command runs out of disk at another file: metrics, the kept weights, the resumable state, an export."""
    names = ("metrics.jsonl", "weights.safetensors", "last.safetensors")
    sizes = {name: (stopped_run.path / name).stat().st_size for name in names}
    room = {name: size - (0 if name == "metrics.jsonl" else 1000) for name, size in sizes.items()}  # fails first there
    trained = {name: copy_run(stopped_run, f"20260101-00000{i}-full") for i, name in enumerate(names)}
    (tmp_path / "words.csv").write_text("word,source,target\n" + "walk,present,past\n" * 20)
    (tmp_path / "answers.csv").write_text("the answers before")
    model = str(stopped_run.path / "weights.safetensors")
    convert = ["convert", "--file", tmp_path / "words.csv", "--out", tmp_path / "answers.csv", "--checkpoint", model]
    parts = []
    for name, run in trained.items():
        parts += ["--", room[name], "train", "tense", "--resume", run.id]
    line = ["-m", "tests.full_disk", *parts[1:], "--", 300, *convert]
    python_to_file(*line, output=tmp_path / "output").wait(240)
    *trainings, conversion = json.loads((tmp_path / "output").read_text())
    for (name, run), (status, errors) in zip(trained.items(), trainings, strict=True):
        sentence = f"Cannot write {run.path / name}: {os.strerror(errno.EFBIG)}."
        assert status == 2 and sentence in errors and "Traceback" not in errors
        assert run.state == "failed" and sentence in run.read_status()["error"]
        assert len(run.read_metrics()) >= 2 and run.read_last()[1]["epoch"] == 2
        checkpoint.read(run.path / "weights.safetensors")
        assert resume(run) == "finished"
        assert_same(run, uninterrupted)
    assert conversion[0] == 2 and f"Cannot write {tmp_path / 'answers.csv'}" in conversion[1]
    assert (tmp_path / "answers.csv").read_text() == "the answers before"
    assert not temporary_files()


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_only(*args, **kwargs):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def not_permitted(*args, **kwargs):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize(("call", "fault"), [("fsync", no_space), ("replace", not_permitted), ("fsync", read_only)])
def test_a_copy_that_cannot_be_written_leaves_the_one_before(call, fault, stopped_run, monkeypatch):
    kept, source = checkpoint.CHECKPOINTS / "mine.safetensors", stopped_run.path / "weights.safetensors"
    checkpoint.copy(source, kept)
    before = kept.read_bytes()
    monkeypatch.setattr(os, call, fault)
    for pack in ("", "float16", "int8"):
        with pytest.raises(UserError, match="Cannot write .*mine.safetensors: [A-Z]"):
            checkpoint.copy(source, kept, pack)
    assert kept.read_bytes() == before and not temporary_files()


def test_a_read_only_folder_gets_a_sentence(monkeypatch, capsys):
    """The file system's error is simulated: permissions do not restrict root."""
    monkeypatch.setattr(checkpoint, "open", read_only, raising=False)
    with pytest.raises(UserError, match="Cannot write .*config.json: Read-only file system"):
        tiny_session()
    assert runs.list_runs() == [] and not list(runs.RUNS.iterdir())  # no incomplete run
    monkeypatch.setattr(runs, "RUNS", runs.RUNS.parent / "file" / "runs")
    (runs.RUNS.parent).write_text("")
    assert main(["train", "tense", "--epochs", "1"]) == 2
    assert "Cannot make a run folder" in capsys.readouterr().err


def test_a_log_that_cannot_be_written_does_not_hide_why_training_failed(stopped_run, monkeypatch):
    run = copy_run(stopped_run, "20260101-000000-log")
    task, run = reopen(run.id)

    def fail(*args):
        monkeypatch.setattr("builtins.open", no_space)
        raise ValueError("the reason")

    task.loss = fail
    with pytest.raises(ValueError, match="the reason"):
        fit(task, run)
    assert not run.is_locked()  # so it can be resumed when there is room, though nothing could be written
