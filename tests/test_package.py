"""The installed package: what its wheel holds, and the command `cvae` in an environment without the checkout."""

import os
import re
import shutil
import site
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.helpers import ROOT, write_verbs
from tests.tiny import SIZES

ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CVAE_RUNS")}
NOT_SOURCE = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "*.egg-info", "runs")


def run(*words, folder: Path, status: int = 0) -> subprocess.CompletedProcess:
    """A command outside the checkout, as somebody would type it there."""
    done = subprocess.run(
        [str(word) for word in words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy of the checkout: building leaves folders beside the source."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*NOT_SOURCE))
    (source / "checkpoints" / "tense-first.safetensors").write_bytes(b"between two steps of make tense")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", source, *options, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of an environment with the wheel, which sees the packages of the tests' own environment."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    python = folder / "bin" / "python"
    options = ("--no-deps", "--no-index")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, folder=folder)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(run(python, "-c", code, folder=folder).stdout.strip())
    (own / "outer.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "bin"


def test_bounds_admit_the_pinned_versions():
    """Each dependency of the package is one of the app's, within the bounds that pyproject.toml sets."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = dict(re.match(r"([\w-]+)==(\S+)", line).groups() for line in lines if line[:1] not in ("", "#"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for name, texts in project["optional-dependencies"].items() if name != "all" for text in texts]
    bounds = [Requirement(text) for text in [*project["dependencies"], *extras]]
    assert all(bound.specifier.contains(pinned[bound.name]) for bound in bounds)
    (everything,) = project["optional-dependencies"]["all"]
    assert Requirement(everything).extras == project["optional-dependencies"].keys() - {"all"}


@pytest.mark.slow
def test_the_wheel_holds_the_library_and_the_shipped_checkpoints(wheel):
    expected = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.tsv", "py.typed")
        for path in (ROOT / "cvae_core").rglob(pattern)
    }
    shipped = {path.name for path in (ROOT / "checkpoints").glob("*.safetensors")} - {"tense-first.safetensors"}
    expected |= {f"cvae_core/checkpoints/{name}" for name in shipped}
    expected.add("cvae_core/wug/albright_hayes_2003.tsv")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in held if ".dist-info/" not in name} == expected
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in held}


@pytest.mark.slow
def test_the_command_converts_outside_the_checkout(installed, tmp_path):
    code = "import cvae_core; print(cvae_core.__file__)"
    assert run(installed / "python", "-c", code, folder=tmp_path).stdout.startswith(str(installed.parent))
    assert run(installed / "cvae", "convert", "walk", "--to", "past", folder=tmp_path).stdout == "walked\n"
    done = run(installed / "cvae", "convert", "walk 2", "--to", "past", folder=tmp_path, status=2)
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_runs_go_to_the_current_folder(installed, tmp_path):
    sizes = [text for name, value in SIZES.items() for text in (f"--{name.replace('_', '-')}", value)]
    verbs = write_verbs(tmp_path / "verbs.txt")
    train = ("train", "tense", "--data", verbs, "--train-on", "all", "--epochs", 1, "--batch-size", 6, *sizes)
    run(installed / "cvae", *train, folder=tmp_path)
    (trained,) = (tmp_path / "runs").iterdir()
    assert (trained / "weights.safetensors").is_file()
    assert trained.name in run(installed / "cvae", "runs", folder=tmp_path).stdout
