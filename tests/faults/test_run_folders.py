"""Damaged files in run folders: listed, resumed, and shown on the Curves and Train pages."""

import json

import pytest

from cvae_core import runs
from cvae_core.__main__ import main
from cvae_core.jobs import Jobs
from cvae_core.run import Run
from tests.helpers import copy_run
from tests.pages import open_page, without_links

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
ODD = [  # not as training writes it, but readable
    ("config.json", b'{"system": ["tense"], "config": 5}'),
    ("metrics.jsonl", b'{"epoch": 1, "loss": "x", "bleu4": [1], "kl": NaN}\n'),
    ("progress.jsonl", b'{"step": 1, "epoch": "x"}\n{"step": 2, "loss": NaN}\n{"step": 3, "loss": "y"}\n'),
]
DAMAGE += ODD


def is_harmless(file: str, content: bytes | str | None) -> bool:
    """Whether the run is still readable: as if it had just begun, or with odd values."""
    if file in ("config.json", "status.json") and content is not MISSING:
        return (file, content) in ODD
    return content in (MISSING, b"") or (file, content) in ODD or (file == "log.txt" and content is not FOLDER)


def damage(run: Run, file: str, content: bytes | str | None) -> None:
    """Replace a file of the run: by other content, a folder, or nothing."""
    path = run.path / file
    path.unlink()
    if content is FOLDER:
        path.mkdir()
    elif content is not MISSING:
        path.write_bytes(content)


@pytest.fixture
def damaged(stopped_run) -> dict[str, tuple]:
    """The damage of each run by its id; there are also two undamaged runs, `first` and `last`."""
    for name in ("20260101-000000-first", "20260109-000000-last"):
        copy_run(stopped_run, name)
    cases = {f"20260102-0000{i:02d}-damaged": case for i, case in enumerate(DAMAGE)}
    for name, case in cases.items():
        damage(copy_run(stopped_run, name), *case)
    return cases


def test_damaged_runs_are_listed_with_a_sentence_beside_the_others(damaged, capsys):
    assert main(["runs", "--json"]) == 0
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == {*damaged, "20260101-000000-first", "20260109-000000-last"}
    assert rows["20260101-000000-first"]["state"] == rows["20260109-000000-last"]["state"] == "stopped"
    for name, (file, content) in damaged.items():
        if file in ("config.json", "status.json") and not is_harmless(file, content):
            assert rows[name]["error"] == f"Run {name} has no readable {file}."
    assert main(["runs"]) == 0


def test_a_damaged_run_is_resumed_or_gets_a_sentence(damaged, capsys):
    for name, (file, content) in damaged.items():
        if content not in (GARBAGE, FOLDER):
            continue
        status = main(["train", "tense", "--resume", name])
        errors = capsys.readouterr().err
        if status:
            assert status == 2 and "Traceback" not in errors and name in errors, (file, content)
        else:
            assert Run(runs.RUNS / name).state == "finished"


def test_the_curves_page_leaves_damaged_runs_out_with_a_sentence(damaged):
    names = [name for name, (file, _) in damaged.items() if file in ("config.json", "status.json", "metrics.jsonl")]
    at = open_page("curves", run=[*names, "20260101-000000-first"])
    warnings = " ".join(warning.value for warning in at.warning)
    for name in names:
        file, content = damaged[name]
        reported = f"Run {name} has no readable {file}. It is left out." in warnings
        assert reported or is_harmless(file, content), (file, content)
    assert "20260101-000000-first" in at.get("plotly_chart")[0].proto.spec


def test_the_train_page_says_what_is_damaged(damaged, monkeypatch):
    without_links(monkeypatch)
    queue = Jobs()
    monkeypatch.setattr("cvae_core.jobs.jobs", lambda: queue)
    for name, (file, content) in damaged.items():
        if file != "config.json" and content not in (MISSING, b"", HALF_WRITTEN + b"\n", GARBAGE):
            at = open_page("train", run=name)
            errors = " ".join(error.value for error in at.error)
            reported = f"Run {name} has no readable {file}." in errors
            assert reported or is_harmless(file, content), (file, content)
    left_out = at.warning[0].value
    assert all((name in left_out) == (file == "config.json") for name, (file, _) in damaged.items())
