import os
import sys
import tempfile

import pytest

from tests import pages

written: list[str] = []  # paths opened for writing, made or renamed to, while `watching`
watching = False


def _watch(event: str, args: tuple) -> None:
    if not watching or event not in ("open", "os.mkdir", "os.rename"):
        return
    # args[2]: the flags of os.open, which open() has too
    if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return
    path = os.fsdecode(args[1] if event == "os.rename" else args[0]) if not isinstance(args[0], int) else ""
    is_cache = "__pycache__" in path or "/.hypothesis/" in path
    if path and not is_cache and not path.startswith(("/dev/", "/proc/")):
        written.append(os.path.realpath(path))


sys.addaudithook(_watch)  # cannot be removed again


@pytest.fixture(autouse=True)
def nothing_written(tmp_path, run_root, monkeypatch):
    """No file is created or changed outside the test's folder and the system's folder for temporary files."""
    global watching
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "here")
    pages.without_links(monkeypatch)
    written.clear()
    watching = True
    yield
    watching = False
    allowed = (str(tmp_path.resolve()), os.path.realpath(tempfile.gettempdir()))
    assert [path for path in written if not path.startswith(allowed)] == []
    assert list((tmp_path / "here").iterdir()) == [] and list((tmp_path / "home").iterdir()) == []
