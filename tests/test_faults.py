"""Faults: what is left on disk, what the user is told, and that it goes on from there.

Damage to single files is also in test_checkpoint, kills at random moments in test_training, workers in test_sweep.
"""

import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from cvae_core import checkpoint, runs, training
from cvae_core.__main__ import main
from cvae_core.errors import UserError
from cvae_core.jobs import Jobs
from cvae_core.runs import Run
from cvae_core.session import reopen
from cvae_core.tense.inference import load
from cvae_core.training import fit, train
from tests.helpers import assert_same, never, python, tiny_session, wait_until
from tests.pages import open_page, without_links
from tests.tiny import tiny_task

read = checkpoint.read
pytestmark = pytest.mark.usefixtures("run_root", "checkpoint_root")


def after_epochs(count: int, run: Run):
    """Asks to stop when so many epochs are logged."""
    return lambda: len(run.read_metrics()) >= count


@pytest.fixture(scope="module")
def whole(module_run_root) -> Run:
    """A run that no fault met."""
    task, run = tiny_session()
    train(task, run, never)
    return run


def stopped_run(source: Run, name: str) -> Run:
    """A copy of a run among a test's own."""
    runs.RUNS.mkdir(exist_ok=True)
    return Run(Path(shutil.copytree(source.path, runs.RUNS / name)))


@pytest.fixture(scope="module")
def half(module_run_root) -> Run:
    """A run that was stopped after two epochs."""
    task, run = tiny_session()
    assert train(task, run, after_epochs(2, run)) == "stopped"
    return run


def go_on(run: Run) -> str:
    task, run = reopen(run.id)
    return train(task, run, never)


def python_to_file(*words: str, output: Path) -> subprocess.Popen:
    """A process on the same runs whose output goes to a file, as a pipe would fill up."""
    with open(output, "w") as file:
        return python(*words, runs=runs.RUNS, stdout=file, stderr=file)


def temporary_files() -> list[Path]:
    return list(runs.RUNS.parent.rglob(".*.tmp"))


# --- kills and several processes ------------------------------------------------------------------------------------

DIE_AT = """
import os, signal, sys
from pathlib import Path
from cvae_core import runs
from cvae_core.session import reopen
from cvae_core.training import train

seen, replace = 0, os.replace

def replace_or_die(source, target):
    global seen
    seen += Path(target).name == sys.argv[2]
    os.kill(os.getpid(), signal.SIGKILL) if seen == 2 else replace(source, target)

os.replace = replace_or_die
train(*reopen(sys.argv[1]), lambda: False)
"""


def test_a_kill_within_saving_leaves_the_file_before_and_what_was_half_written_goes(half, whole, tmp_path):
    run = stopped_run(half, "20260101-000000-killed")
    died = python_to_file("-c", DIE_AT, run.id, "last.safetensors", output=tmp_path / "said")
    assert died.wait(240) == -signal.SIGKILL
    assert [path.name.rpartition(".safetensors")[0] for path in temporary_files()] == [".last"]
    assert run.state == "interrupted" and run.read_last()[1]["epoch"] == 3
    assert go_on(run) == "finished"
    assert_same(run, whole)
    assert not temporary_files()


def test_of_two_processes_that_resume_one_run_one_trains_and_one_gets_a_sentence(tmp_path):
    task, run = tiny_session(epochs=100_000)
    train(task, run, after_epochs(1, run))
    said = {}
    for i in range(2):
        output = tmp_path / f"said {i}"
        said[python_to_file("-m", "cvae_core", "train", "tense", "--resume", run.id, output=output)] = output
    try:
        wait_until(lambda: any(process.poll() is not None for process in said) and len(run.read_metrics()) > 2, 240)
        loser, winner = sorted(said, key=lambda process: process.poll() is None)
        assert loser.returncode == 2 and winner.poll() is None
        sentence = said[loser].read_text()
        assert "Traceback" not in sentence
        assert f"{run.id} is running" in sentence or f"Another process has run {run.id} in hand" in sentence
        assert run.state == "running"
        with pytest.raises(UserError, match="is running"):
            reopen(run.id)
        with pytest.raises(UserError, match=f"hand .PID {winner.pid}."):
            fit(task, run)  # as one that looked before the other began
        with pytest.raises(UserError, match="stop it first"):
            runs.delete(run)
        assert run.state == "running"
    finally:
        for process in said:
            process.kill()
            process.wait()
    assert run.state == "interrupted"  # at once: the lock went with its process
    assert train(*reopen(run.id), after_epochs(len(run.read_metrics()) + 1, run)) == "stopped"
    runs.delete(run)


def test_a_process_id_that_another_process_has_now_does_not_keep_a_run(half):
    run = stopped_run(half, "20260101-000000-reused")
    status = json.loads((run.path / "status.json").read_text()) | {"state": "running", "pid": os.getppid()}
    (run.path / "status.json").write_text(json.dumps(status))
    assert run.state == "interrupted"


def test_a_run_submitted_twice_is_trained_once():
    queue, begun = Jobs(), []
    run, other = (runs.create({"system": "tense"}, "test") for _ in range(2))

    def work(stopped):
        begun.append(run)
        wait_until(stopped, 240)

    assert [queue.submit(run, work), queue.submit(run, work)] == ["running", "running"]
    assert [queue.submit(other, work), queue.submit(other, work)] == ["queued", "queued"]
    assert queue.waiting() == [other.id]
    wait_until(lambda: begun, 240)
    queue.close()
    assert begun == [run]


# --- the disk -------------------------------------------------------------------------------------------------------


def test_a_full_disk_gets_a_sentence_and_leaves_what_was_good(half, whole, tmp_path):
    """Each command runs out of disk at another file: metrics, the kept weights, the resumable state, two exports."""
    names = ("metrics.jsonl", "weights.safetensors", "last.safetensors")
    sizes = {name: (half.path / name).stat().st_size for name in names}
    room = {name: size - (0 if name == "metrics.jsonl" else 1000) for name, size in sizes.items()}  # fails first there
    trained = {name: stopped_run(half, f"20260101-00000{i}-full") for i, name in enumerate(names)}
    (tmp_path / "words.csv").write_text("word,source,target\n" + "walk,present,past\n" * 20)
    (tmp_path / "answers.csv").write_text("the answers before")
    model = str(half.path / "weights.safetensors")
    convert = ["convert", "--file", tmp_path / "words.csv", "--out", tmp_path / "answers.csv", "--checkpoint", model]
    parts = []
    for name, run in trained.items():
        parts += ["--", room[name], "train", "tense", "--resume", run.id]
    line = ["-m", "tests.full_disk", *parts[1:], "--", 300, *convert]
    python_to_file(*line, output=tmp_path / "said").wait(240)
    *trainings, conversion = json.loads((tmp_path / "said").read_text())
    for (name, run), (status, said) in zip(trained.items(), trainings, strict=True):
        sentence = f"Cannot write {run.path / name}: {os.strerror(errno.EFBIG)}."
        assert status == 2 and sentence in said and "Traceback" not in said
        assert run.state == "failed" and sentence in run.read_status()["error"]
        assert len(run.read_metrics()) >= 2 and run.read_last()[1]["epoch"] == 2
        checkpoint.read(run.path / "weights.safetensors")
        assert go_on(run) == "finished"
        assert_same(run, whole)
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
def test_a_copy_that_cannot_be_written_leaves_the_one_before(call, fault, half, monkeypatch):
    kept, source = checkpoint.CHECKPOINTS / "mine.safetensors", half.path / "weights.safetensors"
    checkpoint.copy(source, kept)
    before = kept.read_bytes()
    monkeypatch.setattr(os, call, fault)
    for pack in ("", "float16", "int8"):
        with pytest.raises(UserError, match="Cannot write .*mine.safetensors: [A-Z]"):
            checkpoint.copy(source, kept, pack)
    assert kept.read_bytes() == before and not temporary_files()


def test_a_folder_that_may_only_be_read_gets_a_sentence(monkeypatch, capsys):
    """As root permissions do not bind: the file system's answer is simulated."""
    monkeypatch.setattr(checkpoint, "open", read_only, raising=False)
    with pytest.raises(UserError, match="Cannot write .*config.json: Read-only file system"):
        tiny_session()
    assert runs.list_runs() == [] and not list(runs.RUNS.iterdir())  # no half of a run
    monkeypatch.setattr(runs, "RUNS", runs.RUNS.parent / "file" / "runs")
    (runs.RUNS.parent).write_text("")
    assert main(["train", "tense", "--epochs", "1"]) == 2
    assert "Cannot make a run folder" in capsys.readouterr().err


def test_a_log_that_cannot_be_written_does_not_hide_why_training_failed(half, monkeypatch):
    run = stopped_run(half, "20260101-000000-log")
    task, run = reopen(run.id)

    def fail(*args):
        monkeypatch.setattr("builtins.open", no_space)
        raise ValueError("the reason")

    task.loss = fail
    with pytest.raises(ValueError, match="the reason"):
        fit(task, run, resume=True)
    assert not run.is_taken()  # though nothing could be written: it can go on when there is room


# --- damaged and hostile checkpoints --------------------------------------------------------------------------------


def claims(elements: int) -> bytes:
    header = json.dumps({
        "__metadata__": {"cvae": "{}"}, "a": {"dtype": "F32", "shape": [elements], "data_offsets": [0, 4 * elements]}
    }).encode()  # fmt: skip
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    "data", [claims(10**9), claims(2**62), struct.pack("<Q", 2**63) + b"{}", b"{" * 10**5, b"\x80\x04."],
    ids=["10^9 elements", "2^62 elements", "2^63 bytes of header", "braces", "a pickle"],
)  # fmt: skip
def test_a_file_that_claims_too_much_gets_a_sentence(data, tmp_path, capsys):
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(data)
    assert main(["convert", "walk", "--to", "past", "--checkpoint", str(path)]) == 2
    assert "hostile.safetensors is not a checkpoint of this program" in capsys.readouterr().err
    assert checkpoint.system_of(path) is None


def test_weights_that_do_not_belong_get_a_sentence(tmp_path):
    tensors, metadata = tiny_task().checkpoint()
    name = next(name for name, tensor in tensors.items() if tensor.dim() == 2)
    wide = {name: torch.ones(1, 10**6, dtype=torch.int8), f"{name}:scale": torch.ones(10**5, 1)}  # 10^11 together
    cases = {
        "shapes": (tensors | {name: tensors[name][:-1]}, metadata, "do not fit"),
        "infinite": (tensors | {name: tensors[name] / 0}, metadata, "not finite"),
        "infinite-half": (tensors | {name: (tensors[name] / 0).half()}, metadata, "not finite"),
        "product": (tensors | wide, metadata, "not a checkpoint"),
        "complex": (tensors | {name: tensors[name].to(torch.complex64)}, metadata, "not a checkpoint"),
        "float8": (tensors | {name: tensors[name].to(torch.float8_e5m2)}, metadata, "not a checkpoint"),
        "no-config": (tensors, metadata | {"config": None}, "no config"),
        "list": (tensors, metadata | {"config": [1]}, "no config"),
        "rows": (tensors, metadata | {"rows": [[["../x"]] * 4]}, "rows.safetensors is damaged"),
        "numbers": (tensors, metadata | {"rows": 5}, "damaged"),
    }
    for case, (weights, data, says) in cases.items():
        checkpoint.write(tmp_path / f"{case}.safetensors", weights, data)
        with pytest.raises(UserError, match=says):
            load(str(tmp_path / f"{case}.safetensors"))


@pytest.mark.parametrize("pack", ["", "float16", "int8"])
def test_a_changed_byte_of_the_weights_is_noticed_packed_or_not(pack, half, tmp_path):
    path = tmp_path / "changed.safetensors"
    checkpoint.copy(half.path / "weights.safetensors", path, pack)
    load(str(path))
    data = bytearray(path.read_bytes())
    (header,) = struct.unpack("<Q", data[:8])
    for place in (8 + header, (8 + header + len(data)) // 2, len(data) - 1):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(UserError, match="changed.safetensors is damaged"):
            load(str(path))


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", ".hidden", "", "x\0", "~/x", "x" * 65])
def test_names_do_not_lead_out_of_their_folder(name, capsys, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    if name:
        assert main(["train", "tense", "--out", name, "--epochs", "1"]) == 2
        assert "cannot name a checkpoint" in capsys.readouterr().err
    assert main(["train", "tense", "--resume", name]) == 2
    assert "There is no run" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_with_a_path_opens_no_file(half, monkeypatch):
    without_links(monkeypatch)
    checkpoint.copy(half.path / "weights.safetensors", checkpoint.CHECKPOINTS / "tense.safetensors")
    opened = []
    monkeypatch.setattr(checkpoint, "read", lambda path, *rest: opened.append(Path(path).name) or read(path, *rest))
    for path in (str(half.path / "weights.safetensors"), "../runs/x"):
        at = open_healthy("convert", model=path)
        assert at.selectbox(key="model").value == "tense"
    open_healthy("train", run=path)
    assert set(opened) <= {"tense.safetensors"}


def test_saving_over_a_link_leaves_alone_what_it_points_at(half, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (checkpoint.CHECKPOINTS / "link.safetensors").symlink_to(outside)
    assert "link" not in checkpoint.available("tense")
    checkpoint.copy(half.path / "weights.safetensors", checkpoint.CHECKPOINTS / "link.safetensors")
    assert outside.read_text() == "mine" and "link" in checkpoint.available("tense")
    runs.RUNS.mkdir()
    (runs.RUNS / "20260101-000000-link").symlink_to(half.path)
    with pytest.raises(UserError, match="Cannot remove"):
        runs.delete(runs.find("20260101-000000-link"))
    assert half.resumable


# --- damaged run folders --------------------------------------------------------------------------------------------

HALF_WRITTEN, GARBAGE, FOLDER, MISSING = b'{"state": "runn', b"\xff\x00garbage\n", None, "missing"
DAMAGE = [
    (file, content)
    for file in ("config.json", "status.json", "metrics.jsonl", "progress.jsonl", "samples.jsonl", "log.txt")
    for content in (MISSING, b"", GARBAGE, HALF_WRITTEN + b"\n", FOLDER)
] + [
    ("status.json", b'{"state": "running", "epoch": NaN, "epochs": 4, "batches": 3}'),
    ("status.json", b'{"state": ["x"], "epoch": {}}'),
    ("status.json", b'{"state": "failed", "epoch": 1, "error": 5}'),
    ("status.json", b"[" * 100_000),
    ("config.json", b"[1]"),
    ("metrics.jsonl", b'{"epoch": NaN}\n'),
    ("samples.jsonl", b'{"epoch": 1, "conversions": 5, "generated": []}\n'),
]
ODD = [  # what is not as training writes it, but can be shown all the same
    ("config.json", b'{"system": ["tense"], "config": 5}'),
    ("metrics.jsonl", b'{"epoch": 1, "loss": "x", "bleu4": [1], "kl": NaN}\n'),
    ("progress.jsonl", b'{"step": 1, "epoch": "x"}\n{"step": 2, "loss": NaN}\n{"step": 3, "loss": "y"}\n'),
]
DAMAGE += ODD


def is_harmless(file: str, content: bytes | str | None) -> bool:
    """Whether it only looks like a run at an earlier moment, or strange."""
    if file in ("config.json", "status.json") and content is not MISSING:
        return (file, content) in ODD
    return content in (MISSING, b"") or (file, content) in ODD or (file == "log.txt" and content is not FOLDER)


def damage(run: Run, file: str, content: bytes | str | None) -> None:
    path = run.path / file
    path.unlink()
    if content is FOLDER:
        path.mkdir()
    elif content is not MISSING:
        path.write_bytes(content)


@pytest.fixture
def damaged(half) -> dict[str, tuple]:
    """The damages by the ids of runs that have them, beside the runs `first` and `last` that have none."""
    for name in ("20260101-000000-first", "20260109-000000-last"):
        stopped_run(half, name)
    made = {f"20260102-0000{i:02d}-damaged": case for i, case in enumerate(DAMAGE)}
    for name, case in made.items():
        damage(stopped_run(half, name), *case)
    return made


def test_damaged_runs_are_listed_with_a_sentence_beside_the_others(damaged, capsys):
    assert main(["runs", "--json"]) == 0
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == {*damaged, "20260101-000000-first", "20260109-000000-last"}
    assert rows["20260101-000000-first"]["state"] == rows["20260109-000000-last"]["state"] == "stopped"
    for name, (file, content) in damaged.items():
        if file in ("config.json", "status.json") and not is_harmless(file, content):
            assert rows[name]["error"] == f"Run {name} has no readable {file}."
    assert main(["runs"]) == 0


def test_a_damaged_run_goes_on_or_says_why_not(damaged, capsys):
    for name, (file, content) in damaged.items():
        if content not in (GARBAGE, FOLDER):
            continue
        status = main(["train", "tense", "--resume", name])
        said = capsys.readouterr().err
        if status:
            assert status == 2 and "Traceback" not in said and name in said, (file, content)
        else:
            assert Run(runs.RUNS / name).state == "finished"


def open_healthy(page: str, **query) -> AppTest:
    """A page that shows no exception."""
    at = open_page(page, **query)
    assert not at.exception, [e.value for e in at.exception]
    return at


def test_the_curves_page_leaves_damaged_runs_out_with_a_sentence(damaged):
    names = [name for name, (file, _) in damaged.items() if file in ("config.json", "status.json", "metrics.jsonl")]
    at = open_healthy("curves", run=[*names, "20260101-000000-first"])
    shown = " ".join(warning.value for warning in at.warning)
    for name in names:
        file, content = damaged[name]
        said = f"Run {name} has no readable {file}. It is left out." in shown
        assert said or is_harmless(file, content), (file, content)
    assert "20260101-000000-first" in at.get("plotly_chart")[0].proto.spec


def test_the_train_page_says_what_is_damaged(damaged, monkeypatch):
    without_links(monkeypatch)
    queue = Jobs()
    monkeypatch.setattr("cvae_core.jobs.jobs", lambda: queue)
    for name, (file, content) in damaged.items():
        if file != "config.json" and content not in (MISSING, b"", HALF_WRITTEN + b"\n", GARBAGE):
            at = open_healthy("train", run=name)
            errors = " ".join(error.value for error in at.error)
            said = f"Run {name} has no readable {file}." in errors
            assert said or is_harmless(file, content), (file, content)
    left_out = at.warning[0].value
    assert all((name in left_out) == (file == "config.json") for name, (file, _) in damaged.items())


# --- clock and memory -----------------------------------------------------------------------------------------------


def test_a_clock_that_goes_backwards_changes_nothing(whole, monkeypatch):
    times = iter(range(10**9, 0, -3600))

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(next(times), tz)

    monkeypatch.setattr(time, "time", lambda: float(next(times)))
    monkeypatch.setattr(runs, "datetime", Clock)
    monkeypatch.setattr(training, "STATUS_SECONDS", -1.0)
    task, run = tiny_session()
    etas = []
    train(task, run, never, lambda event: etas.append(event.get("eta", 0.0)))
    assert_same(run, whole)
    assert min(etas) >= 0 and all(row["seconds"] > 0 for row in run.read_metrics())


def test_runs_of_one_second_have_ids_of_their_own(monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(10**9, tz)

    monkeypatch.setattr(runs, "datetime", Clock)
    made = [runs.create({"system": "tense"}, "test") for _ in range(5)]
    assert len({run.id for run in made}) == 5 == len(runs.list_runs())


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_too_little_memory_advises_a_smaller_batch_and_keeps_the_last_state(error, whole):
    task, run = tiny_session()
    good, calls = task.loss, iter(range(10**6))

    def loss(*args):
        if next(calls) >= 2 * task.steps_per_epoch():
            raise error
        return good(*args)

    task.loss = loss
    with pytest.raises(UserError, match="batches of 6: try a smaller batch_size"):
        train(task, run, never)
    assert run.state == "failed" and "smaller batch_size" in run.read_status()["error"]
    assert run.read_last()[1]["epoch"] == 2
    assert go_on(run) == "finished"
    assert_same(run, whole)
