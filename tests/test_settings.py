"""Settings from the environment: what each value means, and that no password is shown."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_core import settings
from cvae_core.__main__ import main
from cvae_core.errors import UserError
from tests.helpers import ROOT

SECRET_URLS = [
    "postgresql://u:SECRET@host/x",
    "postgresql+psycopg://u:SE@CR:ET/SECRET@host:5432/x",
    "mysql://:SECRET@host",
    "postgresql://host/x?user=u&password=SECRET&sslmode=require",
]


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (None, True), ("1", True), ("true", True), (" YES ", True), ('"1"', True), ("on", True), ("enabled", True),
        ("0", False), ('"0"', False), ("'0'", False), ("", False), (" ", False), ("n", False), ("none", False),
        ("disabled", False), ("false", False), ("No", False), ("off", False), ("2", False), ("yess", False),
    ],
)  # fmt: skip
def test_training_is_allowed_where_unset_or_a_clear_yes(value, allowed, monkeypatch):
    monkeypatch.delenv("ALLOW_TRAINING", raising=False)
    if value is not None:
        monkeypatch.setenv("ALLOW_TRAINING", value)
    assert settings.training_allowed() is allowed


@pytest.mark.parametrize("read", [settings.max_hours, settings.max_gb])
def test_numbers(read, monkeypatch):
    name = "CVAE_" + read.__name__.upper()
    for text, value in ((None, 2), ("", 2), ('""', 2), ("0.5", 0.5), (" 3 ", 3), ("'4'", 4), ("1e1", 10)):
        monkeypatch.delenv(name, raising=False)
        if text is not None:
            monkeypatch.setenv(name, text)
        assert read() == value
    for text in ("0", "-1", "nan", "two", "1;2", "1,5", "2h"):
        monkeypatch.setenv(name, text)
        with pytest.raises(UserError, match=f"{name} is .*: expected a number above 0"):
            read()


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        (None, Path("default")), ("", Path("default")), ("  ", Path("default")), ('""', Path("default")),
        ("runs", Path("runs")), ("'/data/runs'", Path("/data/runs")), ("~", Path.home()),
        ("~/runs", Path.home() / "runs"),
    ],
)  # fmt: skip
def test_folders(text, folder, monkeypatch):
    monkeypatch.delenv("CVAE_RUNS", raising=False)
    if text is not None:
        monkeypatch.setenv("CVAE_RUNS", text)
    assert settings.runs_folder(Path("default")) == folder


@pytest.mark.parametrize("url", SECRET_URLS)
def test_no_password_is_shown(url, monkeypatch, capsys, run_root):
    monkeypatch.setenv("CVAE_STUDIES", url)
    for arguments in (["settings"], ["settings", "--json"], ["sweep", "tense", "--study", "a"]):
        main(arguments)
        out = "".join(capsys.readouterr())
        assert "SECRET" not in out and ("host" in out or "database" in out)
    assert not [path for path in run_root.rglob("*") if path.is_file() and b"SECRET" in path.read_bytes()]


@given(st.from_regex(r"[a-z+]{1,9}://[a-z]{0,5}:[A-Z@:/!#]{1,12}@[a-z.]{1,9}/[a-z]{1,5}", fullmatch=True))
def test_passwords_of_addresses_are_masked(url):
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    shown = settings.masked(f"no such host in {url!r} today")
    assert f":{password}@" not in shown and ":***@" in shown and shown.endswith("' today")


def test_settings_are_listed_with_what_they_mean(monkeypatch, capsys):
    monkeypatch.setenv("CVAE_MAX_HOURS", "soon")
    assert main(["settings", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["CVAE_MAX_HOURS"]["value"].startswith("CVAE_MAX_HOURS is 'soon'") and rows["CVAE_MAX_HOURS"]["is_set"]
    assert rows["CVAE_MAX_GB"]["value"] == "2" and all(row["meaning"] for row in rows.values())


def test_every_variable_is_read_in_one_module():
    """Those of torchrun, and those handed to other processes, are no settings."""
    readers = [
        path.relative_to(ROOT).as_posix()
        for folder in ("cvae_core", "ui", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if "environ.get(" in (text := path.read_text()) or "getenv(" in text
    ]
    assert sorted(readers) == ["cvae_core/parallel.py", "cvae_core/settings.py"]


NOBODY = """
import os, pwd, sys
def unknown(uid): raise KeyError(uid)
pwd.getpwuid = unknown
from cvae_core.__main__ import main
status = max(main(command.split()) for command in sys.argv[1:])
import streamlit.config
sys.exit(status)
"""


def test_no_home_and_an_unknown_user_id(tmp_path):
    """As in containers that run under an arbitrary id."""
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "CVAE_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, "convert walk --to past", "runs", "settings"], cwd=ROOT,
        capture_output=True, text=True, env=environment | {"CVAE_RUNS": str(tmp_path / "runs")},
    )  # fmt: skip
    assert done.returncode == 0 and "walked" in done.stdout and "CVAE_RUNS" in done.stdout, done.stderr


def test_a_folder_of_a_home_that_is_not_there_gets_a_sentence(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    monkeypatch.setenv("CVAE_RUNS", "~/runs")
    with pytest.raises(UserError, match="no home folder"):
        settings.runs_folder(Path("runs"))
    assert settings.cache_folder().is_absolute()
