"""The documents keep their word: the README's examples run as printed, the tests that SECURITY.md names exist."""

import json
import re
from pathlib import Path

import pytest

from cvae_core.__main__ import main
from tests.test_docs import README, commands_of

TESTS = Path(__file__).resolve().parent
FAST = ("convert", "generate", "interpolate", "runs")  # the commands that take no training and no evaluation
EXAMPLES = [arguments for arguments in commands_of(README) if arguments[0] in FAST]


def test_library_example(capsys):
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S).group(1)
    exec(code, {})
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 5
    assert "abandoned" in shown[0] and "blicking" in shown[0]


@pytest.fixture
def run(capsys, tmp_path, run_root, monkeypatch):
    """Run a command that succeeds, in a folder with the example's table and without runs; what it printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "verbs.csv").write_text("word,source,target\nabandon,present,past\nsent,,present\n")

    def call(arguments: list[str]) -> str:
        status = main(arguments)
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return printed.out

    return call


@pytest.mark.parametrize("arguments", EXAMPLES, ids=" ".join)
def test_fast_commands_run(arguments, run, tmp_path):
    printed = run(arguments)
    if "--json" in arguments:
        assert all(
            {"prediction", "probability", "familiarity", "familiar"} <= set(form) for form in json.loads(printed)
        )
    elif "--out" in arguments:
        header, *rows = (tmp_path / arguments[arguments.index("--out") + 1]).read_text().splitlines()
        assert header == "word,source,target,prediction,probability,familiar,known,dictionary,note" and len(rows) == 2
    else:
        assert printed.strip()


def test_every_fast_command_has_an_example():
    assert {arguments[0] for arguments in EXAMPLES} == set(FAST)


def test_comments_say_what_is_printed(run):
    found = re.findall(r"python -m cvae_core (convert \w+ --to \w+) +# (\w+)$", README.read_text("utf-8"), re.M)
    assert found
    for command, answer in found:
        assert run(command.split()).split() == [answer]


@pytest.mark.parametrize("arguments", [[], *([name] for name in FAST), ["train", "tense"], ["evaluate", "tense"]])
def test_help_of_commands(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    assert "usage: python -m cvae_core" in capsys.readouterr().out


def test_security_names_tests_that_exist():
    text = (TESTS.parent / "SECURITY.md").read_text(encoding="utf-8")
    defined = " ".join(re.findall(r"def (\w+)", " ".join(path.read_text("utf-8") for path in TESTS.rglob("*.py"))))
    named = re.findall(r"`…?(\w+)…?`", text)
    assert len([name for name in named if name.startswith("test_")]) > 20
    for name in named:
        if name.startswith(("test_", "_")):
            assert name in defined, name
    for path in re.findall(r"`(?:tests/)?([\w/]+\.py)`", text):
        assert (TESTS / path).exists(), path
