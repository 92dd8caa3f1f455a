"""The command line: odd arguments to every command, in this process and in others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvae_core.__main__ import main
from tests.helpers import ROOT
from tests.hostile.common import limited_time

ARGUMENTS = [
    "", " ", "\x01\x1b[2J", "\udcff\udc80", "走る\u202e", "a" * 100_000, "../..", "/", "-1", "--", "9" * 5000, "1e9",
    "nan", "=1+1", "%s{0}", "'; DROP TABLE studies;--", "\n",
]  # fmt: skip
COMMANDS = [
    "?", "convert ? --to past", "convert walk --to ?", "convert walk --from ? --to past", "convert --file ?",
    "convert --file TABLE --out TABLE?/x", "convert walk --to past --checkpoint ?", "generate -n ?",
    "generate --seed ? -n 1", "generate -n 1 --refine ?", "interpolate ? walk", "interpolate --seed ? 1",
    "interpolate walk talk --steps ?", "interpolate walk talk --method ?", "evaluate ?", "evaluate tense --lexicon ?",
    "evaluate tense --pairs ?", "evaluate tense --split ?", "evaluate video --checkpoint ?",
    "evaluate digits --checkpoint ?", "evaluate digits --threads ?", "predict video --out ? --checkpoint none",
    "predict video --out x --clips ?", "train ?", "train tense --preset ?", "train tense --data ?",
    "train tense --device ?", "train tense --threads ?", "train tense --out ? --data none", "train tense --resume ?",
    "train tense --init ?", "train tense --epochs ? --data none", "train tense --learning-rate ? --data none",
    "train digits --data ?", "train digits --resume ?", "train video --data ?", "train video --init ?",
    "sweep tense --study ?", "sweep tense --study s --storage ?", "sweep tense --study s --grid ?",
    "sweep tense --study s --search ? --trials 1", "sweep tense --study s --trials ?",
    "sweep tense --study s --workers ?", "runs ?",
]  # fmt: skip


def check_command(command: str, argument: str, tmp_path: Path, capsys) -> None:
    table = tmp_path / "table.csv"
    table.write_text("word,source,target\nwalk,present,past\n")
    argv = [word.replace("?", argument).replace("TABLE", str(table)) for word in command.split()]
    with limited_time():
        try:
            status = main(argv)
        except SystemExit as ended:  # --help
            status = ended.code
    errors = capsys.readouterr().err
    assert status in (0, 2) and "Traceback" not in errors
    assert status == 0 or errors.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_answers_or_refuses(command, tmp_path, capsys):
    first = COMMANDS.index(command)
    for argument in {ARGUMENTS[0], *(ARGUMENTS[(first + i) % len(ARGUMENTS)] for i in range(3))}:
        check_command(command, argument, tmp_path, capsys)


@pytest.mark.fuzz
@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_answers_or_refuses_at_length(command, tmp_path, capsys):
    for argument in ARGUMENTS:
        check_command(command, argument, tmp_path, capsys)


@pytest.mark.parametrize(
    ("arguments", "encoding", "status"),
    [
        ([b"convert", b"walk\xff\xed\xa0\x80", b"--to", b"past"], "utf-8", 2),
        ([b"sweep", b"tense", b"--study", b"\xff"], "utf-8", 2),
        ([b"generate", b"-n", b"3"], "ascii", 0),  # which lacks the \u2713 of its output
    ],
    ids=["no text", "study", "ascii"],
)
def test_real_processes_answer_or_refuse(arguments, encoding, status, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "CVAE_RUNS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"cvae_core", *arguments], env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == status and b"Traceback" not in done.stderr
