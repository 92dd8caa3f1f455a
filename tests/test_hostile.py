"""Hostile input: whatever comes in, the answer is a sentence or a result, within seconds, and nothing is written.

Parsers get many generated examples, pages and commands a few chosen ones; `make fuzz` has larger budgets.
"""

import csv
import gzip
import io
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from cvae_core import checkpoint, runs, sweep
from cvae_core.__main__ import main
from cvae_core.config import config_from_dict
from cvae_core.digits import data as digits
from cvae_core.digits.config import DigitsConfig
from cvae_core.errors import UserError
from cvae_core.tense import data, table
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.inference import Candidate
from cvae_core.video.config import VideoConfig
from cvae_core.video.data import read_clip
from tests import pages
from tests.helpers import ROOT

# Of the processor, which other processes on the same cores do not change. An answer takes tenths of a second; what is
# looked for takes minutes (quadratic in 10 MB) or years (backtracking).
PROCESSOR_SECONDS = 10.0

settings.register_profile(
    "hostile",
    deadline=None,  # in wall-clock time; `soon` measures the processor's
    database=None,  # would be a folder in the project
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the watch below is meant to span all examples
)
few = settings(settings.get_profile("hostile"), max_examples=150)
many = settings(few, max_examples=5000)

TEXT = st.text(st.characters(exclude_categories=()), max_size=60)  # all of Unicode, halves of surrogate pairs included
PIECES = [
    "walk walks walking walked", "walk", "burned/burnt", "/", ",", ";", "\t", " ", "\n", "\r", "\u2028", "\x85", "\0",
    '"', "'", "\ufeff", "present", "past", "sp", "word,source,target\n", "word\tsource\ttarget\n", "=1+1", "é", "ſ",
]  # fmt: skip
FILES = st.lists(st.sampled_from(PIECES) | TEXT, max_size=30).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)

written: list[str] = []
watched = False


def _watch(event: str, args: tuple) -> None:
    if not watched or event not in ("open", "os.mkdir", "os.rename"):
        return
    # os.open's flags say what a mode of open() comes to
    if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return
    path = os.fsdecode(args[1] if event == "os.rename" else args[0]) if not isinstance(args[0], int) else ""
    own = "__pycache__" in path or "/.hypothesis/" in path  # Python's and the tests' caches
    if path and not own and not path.startswith(("/dev/", "/proc/")):
        written.append(os.path.realpath(path))


sys.addaudithook(_watch)  # for good: Python has no way to take one away


@pytest.fixture(autouse=True)
def nothing_written(tmp_path, run_root, monkeypatch):
    """No file is made or changed anywhere but in the test's own folder and the system's for temporary files."""
    global watched
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "here")
    pages.without_links(monkeypatch)
    written.clear()
    watched = True
    yield
    watched = False
    mine = (str(tmp_path.resolve()), os.path.realpath(tempfile.gettempdir()))
    assert [path for path in written if not path.startswith(mine)] == []
    assert list((tmp_path / "here").iterdir()) == [] and list((tmp_path / "home").iterdir()) == []


@contextmanager
def soon():
    """Within it no more than PROCESSOR_SECONDS are spent."""
    began = time.process_time()
    yield
    assert time.process_time() - began < PROCESSOR_SECONDS


def answer(parse, *args):
    """What `parse` makes of something, or None where it refuses it in one sentence of bearable length."""
    with soon():
        try:
            return parse(*args)
        except UserError as error:
            assert 10 < len(str(error)) < 1000
            return None


# --- parsers --------------------------------------------------------------------------------------------------------


class Echo:
    """Converts every word to itself."""

    def convert(self, words, sources, targets):
        return [Candidate(word, 0.5) for word in words]

    def infer_tenses(self, words):
        return [(0, "model")] * len(words)


def check_word(text: str) -> None:
    word = answer(data.parse_word, text)
    assert word is None or re.fullmatch("[a-z]{1,32}", word)


def check_verbs(text: str) -> None:
    read = answer(data.parse_verbs, text)
    for verb in read.verbs if read else ():
        assert len(verb.forms) == 4
        assert all(re.fullmatch("[a-z]{1,32}", word) for spellings in verb.forms for word in spellings)


def check_pairs(text: str) -> None:
    for word, source, target, tense in answer(data.parse_pairs, text) or ():
        assert re.fullmatch("[a-z]{1,32} [a-z]{1,32}", f"{word} {target}") and {source, tense} <= set(range(4))


def check_table(text: str) -> None:
    rows = answer(table.parse_table, text)
    if rows is not None:
        done = table.convert_table(Echo(), rows)
        assert len(done) == len(rows)
        read = list(csv.DictReader(io.StringIO(table.format_table(done), newline="")))
        assert [row["prediction"] for row in read] == [row["prediction"] for row in done]


def check_names(text: str) -> None:
    run = answer(runs.find, text)
    assert run is None
    found = answer(checkpoint.find, text)
    assert found is None or found.is_file()
    assert answer(data.parse_tense, text) in (None, 0, 1, 2, 3)
    answer(digits.parse_seen, text)
    for name in ("kl_max", "epochs", "encoder_sos", "source", ""):
        for parse in (sweep.parse_grid, sweep.parse_search):
            answer(parse, f"{name}={text}", TenseConfig)


CHECKS = [check_word, check_verbs, check_pairs, check_table, check_names]


@pytest.mark.parametrize("check", CHECKS)
def test_parsers_answer_or_refuse(check):
    settings(few, max_examples=30 if check is check_names else 150)(given(FILES | TEXT)(check))()


@pytest.mark.fuzz
@pytest.mark.parametrize("check", CHECKS)
def test_parsers_answer_or_refuse_at_length(check):
    many(given(FILES | TEXT)(check))()


@pytest.mark.parametrize("config", [TenseConfig, DigitsConfig, VideoConfig])
def test_configs_answer_or_refuse(config):
    names = st.sampled_from([*config.__dataclass_fields__, "unknown"])

    @few
    @given(st.dictionaries(names, JSON, max_size=4))
    @example({"learning_rate": 10**400})
    def check(values):
        made = answer(config_from_dict, config, values)
        assert made is None or isinstance(made, config)

    check()


@pytest.mark.parametrize("piece", ["a", " ", ",", "a/", "é", "\r"])
def test_ten_megabytes_in_one_line(piece):
    text = piece * (10_000_000 // len(piece))
    for parse in (data.parse_word, data.parse_tense, data.parse_verbs, data.parse_pairs, table.parse_table):
        assert answer(parse, text) is None
    answer(table.parse_table, "word,source,target\n" + text)


def test_a_wide_header_is_refused():
    """Each row would get every column: 5 MB of it would be 10^11 cells."""
    text = "word,source,target," + ",".join(f"c{i}" for i in range(300_000)) + "\nx" * 1_000_000
    with pytest.raises(UserError, match="300,003 columns"), soon():
        table.parse_table(text)


def test_a_form_has_a_few_spellings():
    """Every combination of a verb's spellings is a row that `generate` knows: 1,000 each would be 10^12."""
    spellings = "/".join("a" * n for n in range(1, 18))
    with pytest.raises(UserError, match="more than 16 spellings"):
        data.parse_verbs(" ".join([spellings] * 4))


@few
@given(st.lists(st.sampled_from("=+-@\t\r\n;,\"' ＝＠a1é") | TEXT, max_size=8).map("".join))
@example("a;=1+1")
@example("\n=1")
@example(" @x")
def test_exported_cells_are_no_formulas(cell):
    """Read as written, and split at semicolons without a thought for quotes, as some spreadsheets do."""
    text = table.format_table([{"note": cell, "word": "walk"}])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[1][1] == "walk"
    pieces = [rows[1][0], *re.split(r"[;\n]", rows[1][0])]
    assert not [piece for piece in pieces if piece.strip(" ").startswith(tuple("=+-@\t＝＋－＠"))]


@few
@given(st.from_regex(r"[a-z]{1,32}( [a-z0-9'.é-]{1,9})?", fullmatch=True))
def test_words_come_back_as_they_were(word):
    rows = [{"word": word, "source": "present", "target": "third-person"}]
    assert table.parse_table(table.format_table(rows)) == rows


# --- files ----------------------------------------------------------------------------------------------------------


def idx(*shape: int, content: bytes = b"") -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + content


def gzip_of_zeros(head: bytes, megabytes: int) -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as packed:
        packed.write(head)
        for _ in range(megabytes):
            packed.write(bytes(1_000_000))
    return file.getvalue()


def png(width: int, height: int, rows: bytes | None = None, extra: bytes = b"") -> bytes:
    """A grey PNG of one bit a pixel; `rows` are its compressed pixels, `extra` further chunks."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    rows = zlib.compress(bytes((width + 7) // 8 + 1) * height, 1) if rows is None else rows
    extra = chunk(b"zTXt", b"Comment\0\0" + extra) if extra else b""
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def picture(side: int = 64, kind: str = "PNG", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 90, np.uint8)).convert(mode).save(file, kind)
    return file.getvalue()


SHAPES = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3)
IDX = st.builds(lambda shape, content: idx(*shape, content=content), SHAPES, st.binary(max_size=40))
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n(x) (w) file\nshowpage\n%%EOF\n"
BOMBS = {
    "20,000 pixels a side": png(20_000, 20_000),
    "four billion pixels a side": png(2**31 - 1, 2**31 - 1, b""),
    "a comment of 100 MB": png(64, 64, extra=zlib.compress(bytes(100_000_000), 1)),
    "more rows than it says": png(64, 64, zlib.compress(bytes(50_000_000), 1)),
}
PICTURES = BOMBS | {
    "empty": b"",
    "half": picture()[:100],
    "no pixels": png(0, 0),
    "broken checksum": picture().replace(b"IDAT", b"IDAX"),
    "PostScript": EPS,
    "TIFF": picture(kind="TIFF"),
    "16 bits": picture(28, mode="I;16"),
    "text": b"=1+1\n" * 100,
    "noise": np.random.default_rng(0).bytes(10_000),
}


@few
@given(st.binary(max_size=80) | IDX, st.booleans())
@example(gzip.compress(bytes(range(256)) * 4)[:15] + b"\xff" * 30, False)  # not zlib's idea of a stream
@example(idx(2**32 - 1, 0, 2**32 - 1), False)  # no array has such sides, though it is empty
def test_idx_files_answer_or_refuse(content, zipped):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train-images-idx3-ubyte"
        path.write_bytes(gzip.compress(content) if zipped else content)
        read = answer(digits.read_idx, path)
        assert read is None or read.nbytes <= len(content)
        assert answer(digits.load, folder) is None


def test_bombs_are_refused(tmp_path):
    for head, says in ((idx(10), "holds more"), (idx(2**31), "by its header")):
        (tmp_path / "bomb.gz").write_bytes(gzip_of_zeros(head, 200))
        with pytest.raises(UserError, match=says), soon():
            digits.read_idx(tmp_path / "bomb.gz")


def write_sequence(folder: Path, **files: bytes) -> Path:
    folder.mkdir()
    content = {f"{i}.png": picture() for i in range(3)}
    content |= {"actions.csv": b"0,0,0,1\n" * 3, "endeffector_positions.csv": b"0,0,0\n" * 3} | files
    for name, value in content.items():
        (folder / name).write_bytes(value)
    return folder


@pytest.mark.parametrize("content", PICTURES.values(), ids=PICTURES)
def test_frames_answer_or_refuse(tmp_path, content):
    clip = answer(read_clip, write_sequence(tmp_path / "sequence", **{"1.png": content}))
    assert clip is None or clip.frames.shape == (3, 3, 64, 64)


TABLES = [
    b"\xff\xfe\0", b"nan,0,0,1\n" * 3, b"1e999,0,0,1\n" * 3, b",,,\n" * 3, b"0," * 2_000_000, b"\0" * 12,
    "٣,٣,٣,٣\n".encode() * 3,
]  # fmt: skip


@pytest.mark.parametrize("content", TABLES, ids=range(len(TABLES)))
def test_tables_of_actions_answer_or_refuse(tmp_path, content):
    clip = answer(read_clip, write_sequence(tmp_path / "sequence", **{"actions.csv": content}))
    assert clip is None or np.isfinite(clip.condition.numpy()).all()


# --- pages ----------------------------------------------------------------------------------------------------------

VIEWS = {
    "home": [{}],
    "convert": [{}],
    "latent": [{"view": view} for view in ("Interpolate", "Map", "Sample", "Dimensions")],
    "digits": [{"view": view} for view in ("Complete", "By label", "Training")],
    "video": [{"view": view} for view in ("Predict", "Steer")],
    "curves": [{"view": view} for view in ("Curves", "Two scores", "Sweeps", "Claimed and measured")],
    "train": [{"system": system} for system in ("Verbs", "Digits", "Video")] + [{"view": "Scorecard"}],
    "theory": [{}],
}
WORDS = [
    "", "\0\x1b[2J\x7f", "\u202e\ufeff\U0010ffff", "走る", "<script>alert(1)</script>", "=1+1",
    "{0} %s ${x} `a` :red[b]", "../../etc/passwd", "a" * 1_000_000,
]  # fmt: skip
NUMBERS = ["-1", "1e999", "nan", "9" * 400, "٣", "0x10", "1.5", "\0", "", "<b>", "[1,2]", "True"]


def open_page(page: str, query: dict | None = None) -> AppTest:
    """A page's first run, not timed: it imports libraries and loads models."""
    at = pages.open_page(page, alone=True, **(query or {}))
    assert not at.exception, at.exception[0].value
    return at


def run(widget) -> AppTest:
    """The page's run after a widget changed."""
    with soon():
        at = widget.run()
    assert not at.exception, at.exception[0].value
    return at


@pytest.mark.parametrize("page", ["home", "convert", "latent", "curves", "train"])
def test_every_text_field_of_every_page(page):
    for query in VIEWS[page][:1]:
        at = open_page(page, query)
        for field in [f.key for f in [*at.text_input, *at.text_area]]:
            for word in [*WORDS, "walk"]:  # the last one lets the page go on to its next field
                kind = at.text_area if field == "typed" else at.text_input
                run(kind(key=field).set_value(word))


def parameters(page: str) -> list[str]:
    """Every widget of a page whose value may stand in its address, `view` and `system` aside."""
    files = [ROOT / "pages" / f"{page}.py", *(ROOT / "ui").rglob("*.py")]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    bound = re.findall(r'key="(\w+)"', source)
    bound += re.findall(r'(?:seed_input|encoded_word)\([^"]*"[^"]*", "(\w+)"', source)
    return sorted(set(bound) - {"view", "system"})


def check_address(page: str, view: dict, shift: int) -> None:
    names = parameters(page)
    query = {name: NUMBERS[(place + shift) % len(NUMBERS)] for place, name in enumerate(names)}
    open_page(page, query | view)


@pytest.mark.parametrize(("page", "view"), [(page, view) for page, views in VIEWS.items() for view in views])
def test_every_number_in_the_address(page, view):
    check_address(page, view, 0)


def test_an_address_with_nothing_and_with_too_much_opens_the_page_as_it_begins():
    at = open_page("latent", {"view": "Sample", "seed": "9" * 400, "n": "inf", "failures": "true"})
    assert at.number_input(key="seed").value == 0 and at.number_input(key="n").value == 100
    assert at.toggle(key="failures").value  # what is in order stays
    assert open_page("train", {"view": "", "system": ""}).segmented_control(key="system").value == "tense"


@pytest.mark.fuzz
@pytest.mark.parametrize("shift", range(1, len(NUMBERS)))
@pytest.mark.parametrize("page", VIEWS)
def test_every_number_in_the_address_at_length(page, shift):
    for view in [*VIEWS[page], {"view": NUMBERS[shift], "system": NUMBERS[shift]}]:
        check_address(page, view, shift)


def test_a_filter_cannot_stop_the_server():
    """Python's own `re` holds the whole process for 2^20 steps and more on each of these."""
    at = open_page("curves")
    for pattern in ("(.|.)+!$", "(.*)*(.*)*(.*)*!", "((a|b|.)*)*!", ".*" * 90 + "!", r"(\w+)+\1"):
        run(at.text_input(key="filter").set_value(pattern))


def test_the_form_keeps_its_limits():
    """The browser keeps to a widget's bounds; a forged message need not."""
    at = open_page("train")
    epochs = next(n for n in at.number_input if n.key.endswith(" epochs"))
    key = epochs.key
    run(epochs.set_value(10**6))
    assert at.number_input(key=key).value <= 100_000 or "expected 1 to 100000" in at.error[0].value


TEXTS = [
    b"", b"\xff\xfe\0", b"\0" * 100, b"a," * 2_000_000, b"\n" * 1_000_000, "\ufeff\u2028é".encode(),
    b"word,source,target\n" + b'"' * 99, b"word,source,target\n=1,,=2\n",
]  # fmt: skip


@pytest.mark.parametrize(
    ("page", "query", "contents"),
    [
        ("convert", {}, TEXTS),
        ("train", {}, TEXTS),
        ("train", {"view": "Scorecard"}, TEXTS[:4]),
        ("digits", {}, list(PICTURES.values())),
    ],
    ids=["convert", "train", "scorecard", "digits"],
)
def test_uploads_get_an_answer(page, query, contents):
    name = "a.png" if page == "digits" else "=cmd|x!A0.csv"
    for place in range(2 if "view" in query else 1):
        at = open_page(page, query)
        for content in contents:
            run(at.file_uploader[place].upload(name, content, "text/csv"))


def test_a_picture_is_what_it_is_not_what_it_is_called(monkeypatch):
    """Pillow hands PostScript to Ghostscript, a program that runs what it reads."""
    started = []
    monkeypatch.setattr("subprocess.Popen", lambda *args, **options: started.append(args))
    monkeypatch.setattr("subprocess.check_call", lambda *args, **options: started.append(args))
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "gs")
    at = open_page("digits")
    run(at.file_uploader[0].upload("digit.png", EPS, "image/png"))
    assert "Cannot read" in at.error[0].value and started == []


# --- the command line -----------------------------------------------------------------------------------------------

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
    with soon():
        try:
            status = main(argv)
        except SystemExit as ended:  # --help
            status = ended.code
    said = capsys.readouterr()
    assert status in (0, 2) and "Traceback" not in said.err
    assert status == 0 or said.err.strip()


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
        ([b"generate", b"-n", b"3"], "ascii", 0),  # its \u2713 is not in there
    ],
    ids=["no text", "study", "ascii"],
)
def test_real_processes_answer_or_refuse(arguments, encoding, status, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding, "CVAE_RUNS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"cvae_core", *arguments], env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == status and b"Traceback" not in done.stderr
