"""The image and the server's settings, read as files: what is copied, who runs it, what a public server relies on."""

import re
import tomllib

from cvae_core.tense import uploads
from tests.helpers import ROOT

# Continued lines joined, comments left out: (instruction, its arguments).
LINES = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text()).splitlines()
DOCKERFILE = [tuple(line.split(maxsplit=1)) for line in LINES if line and not line.startswith("#")]


def of(instruction: str) -> list[str]:
    return [arguments for name, arguments in DOCKERFILE if name == instruction]


def copied() -> set[str]:
    return {source for arguments in of("COPY") for source in arguments.split()[:-1]}


def test_the_image_copies_what_is_there_and_lets_in_no_more():
    assert all((ROOT / source).exists() for source in copied())
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored and {line[1:] for line in ignored if line.startswith("!")} == copied()


def test_the_image_has_all_that_the_app_imports():
    """Every module and folder of the project that the app's code names is copied."""
    code = [ROOT / "app.py", *ROOT.rglob("ui/**/*.py"), *ROOT.glob("pages/*.py"), *ROOT.rglob("cvae_core/**/*.py")]
    named = {name for path in code for name in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.M)}
    named |= {name for path in code for name in re.findall(r'ROOT / "(\w+)"', path.read_text())}
    own = {path.stem for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py"} - {"runs"}
    assert named & own <= {source.removesuffix(".py") for source in copied()}
    assert {"cvae_core", "ui", "checkpoints", "assets"} <= named & own


def test_the_image_installs_the_pinned_requirements_with_torch_for_processors():
    (install,) = [line for line in of("RUN") if "pip install" in line]
    assert "pip install -r requirements.txt" in install
    assert '${TORCH_INDEX:+--index-url "$TORCH_INDEX"}' in install
    assert re.search(r"grep -o '(.*?)' requirements.txt", install)[1] == "^torch==[^ ]*"
    pinned = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert all(re.match(r"[\w-]+==[\w.]+ ", line) for line in pinned)
    assert len([line for line in pinned if re.match(r"torch==", line)]) == 1


def test_the_image_runs_without_root_and_without_training():
    order = [name for name, _ in DOCKERFILE]
    assert of("USER") == ["app"] and order.index("USER") > max(i for i, name in enumerate(order) if name == "COPY")
    assert "RUN" not in order[order.index("USER") :]
    assert any("useradd" in line and "--uid 1000" in line for line in of("RUN"))
    assert "ALLOW_TRAINING=0" in " ".join(of("ENV")).split()


def test_the_image_says_when_it_is_ill():
    (check,) = of("HEALTHCHECK")
    (port,) = of("EXPOSE")
    assert f":{port}/_stcore/health" in check and f"--server.port={port}" in of("CMD")[0]


def test_the_server_refuses_other_sites_and_tells_visitors_nothing():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["enableCORS"] and config["server"]["enableXsrfProtection"]
    assert config["server"]["maxUploadSize"] == uploads.MAX_MEGABYTES == 16
    assert config["client"] == {"showErrorDetails": "none", "toolbarMode": "viewer"}
    assert config["browser"]["gatherUsageStats"] is False
    # An input without a limit of its own would take what the server takes.
    for page in (*ROOT.glob("pages/*.py"), *ROOT.glob("ui/**/*.py")):
        limits = re.findall(r"max_upload_size=(\d+|uploads.MAX_MEGABYTES)", page.read_text())
        assert len(limits) == page.read_text().count(".file_uploader(")
        assert set(limits) <= {"5", "uploads.MAX_MEGABYTES"}
