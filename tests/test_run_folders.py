"""Folders of runs: deleted ones are kept for a week or until space is needed; renamed and moved ones are resumed."""

import os
import time

import pytest

from cvae_core import runs
from cvae_core.__main__ import main
from cvae_core.errors import UserError
from cvae_core.jobs import check_disk_usage
from cvae_core.run import Run
from tests import pages
from tests.helpers import tiny_session
from tests.pages import button


def stopped_run():
    run = tiny_session(epochs=1)[1]
    run.write_status(state="stopped")
    return run


def test_a_deleted_run_is_restored_as_it_was(run_root):
    run = stopped_run()
    files = {path.name: path.read_bytes() for path in run.path.iterdir()}
    runs.delete(run)
    assert runs.list_runs() == [] and [r.id for r in runs.trashed()] == [run.id]
    with pytest.raises(UserError, match="There is no run"):
        runs.find(run.id)
    restored = runs.restore(run.id)
    assert restored == run and {path.name: path.read_bytes() for path in run.path.iterdir()} == files
    assert runs.trashed() == [] and runs.find_unfinished(run.id)


@pytest.mark.parametrize("name", ["none", "..", "../runs", ""])
def test_what_is_not_in_the_trash_gets_a_sentence(name, run_root):
    runs.delete(stopped_run())
    with pytest.raises(UserError, match="not in the trash"):
        runs.restore(name)


def test_the_trash_empties_after_a_week(run_root):
    old, new = stopped_run(), stopped_run()
    runs.delete(old)
    week = time.time() - runs.TRASH_DAYS * 86_400
    os.utime(run_root / runs.TRASH / old.id, (week, week))
    runs.delete(new)
    assert [run.id for run in runs.trashed()] == [new.id]


def test_the_trash_empties_when_space_is_needed(run_root, monkeypatch):
    kept, deleted = stopped_run(), stopped_run()
    (deleted.path / "last.safetensors").write_bytes(bytes(2_000_000))
    runs.delete(deleted)
    monkeypatch.setenv("CVAE_MAX_GB", "0.01")
    check_disk_usage()
    assert [run.id for run in runs.trashed()] == [deleted.id]
    monkeypatch.setenv("CVAE_MAX_GB", "0.001")
    check_disk_usage()
    assert runs.trashed() == [] and runs.list_runs() == [kept]


def test_the_page_restores_what_it_deleted(run_root, monkeypatch):
    pages.without_links(monkeypatch)
    run = stopped_run()
    at = pages.open_page("train")
    button(at, "Yes, delete it").click().run()
    assert runs.list_runs() == [] and not at.exception
    button(at, f"Restore {run.id}").click().run()
    assert runs.list_runs() == [run] and not at.exception
    assert not [b for b in at.button if b.label.startswith("Restore")]


@pytest.mark.parametrize("named", ["my run", "elsewhere/moved"])
def test_a_renamed_or_moved_run_is_resumed(named, run_root, tmp_path, monkeypatch):
    run = stopped_run()
    target = run_root / named if "/" not in named else tmp_path / named
    target.parent.mkdir(exist_ok=True)
    run.path.rename(target)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "tense", "--resume", named]) == 0
    assert Run(target).state == "finished"
