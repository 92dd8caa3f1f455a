"""The documents: generated parts are up to date, the README is short, links exist, commands parse."""

import re
import shlex
from pathlib import Path

import pytest

from cvae_core.cli import build_parser
from scripts import results
from tests.helpers import ROOT

README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *ROOT.glob("docs/*.md")]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def commands_of(document: Path) -> list[list[str]]:
    """The arguments of every `python -m cvae_core …` in the code blocks, without comments and redirection."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", document.read_text(encoding="utf-8"), re.S | re.M)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    matches = [re.search(r"python -m cvae_core (.*)", line) for line in lines]
    return [shlex.split(match[1].split(" > ")[0], comments=True) for match in matches if match]


def anchors_of(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_results_are_what_the_generator_writes():
    scores = results.read()
    assert results.PAGE.read_text(encoding="utf-8") == results.page(scores), "run python -m scripts.results"
    text = README.read_text(encoding="utf-8")
    assert results.with_section(text, results.readme_section(scores)) == text, "run python -m scripts.results"


def test_the_readme_is_short():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 180
    assert 1 <= text.count("![") <= 4


def test_no_source_file_is_longer_than_300_lines():
    folders = ("cvae_core", "ui", "pages", "scripts", "benchmarks", "tests")
    files = [path for folder in folders for path in ROOT.glob(f"{folder}/**/*.py")]
    assert len(files) > 300
    assert [path.name for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 300] == []


@each_document
def test_relative_links_exist(document):
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        path, _, fragment = link.partition("#")
        if "://" in path:
            continue
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not fragment or fragment in anchors_of(target), link


@each_document
def test_named_files_exist(document):
    """Paths in backticks that begin with one of the project's folders; those with a placeholder are left out."""
    folders = "cvae_core|pages|tests|scripts|benchmarks|assets|checkpoints|docs"
    text = document.read_text(encoding="utf-8")
    for path in re.findall(rf"`((?:{folders})/[\w/.-]+)`", text):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m ((?:scripts|benchmarks|tests)\.\w+)\b(?!\.)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists() or module.endswith(".NAME"), module


@each_document
def test_commands_parse(document):
    for arguments in commands_of(document):
        build_parser(arguments).parse_args(arguments)


def test_commands_are_found():
    assert len(commands_of(README)) > 10
