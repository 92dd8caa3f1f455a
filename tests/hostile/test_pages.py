"""Pages: every text field, every number in the address, and uploads."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from tests.helpers import ROOT
from tests.hostile.common import limited_time
from tests.hostile.pictures import EPS, PICTURES
from tests.pages import open_page

VIEWS = {
    "home": [{}],
    "convert": [{}],
    "latent": [{"view": view} for view in ("Ribbon", "Plane", "Map", "Samples", "Dimensions")],
    "digits": [{"view": view} for view in ("Complete", "Style", "Gap", "By label", "Training")],
    "video": [{"view": view} for view in ("Predict", "Steer", "Reach")],
    "curves": [{"view": view} for view in ("Curves", "Two scores", "Sweeps", "Claimed and measured")],
    "train": [{"system": system} for system in ("Verbs", "Digits", "Video")] + [{"view": "Scorecard"}],
    "theory": [{}],
    "wug": [{"view": view} for view in ("Wug test", "While it learns")],
}
WORDS = [
    "", "\0\x1b[2J\x7f", "\u202e\ufeff\U0010ffff", "走る", "<script>alert(1)</script>", "=1+1",
    "{0} %s ${x} `a` :red[b]", "../../etc/passwd", "a" * 1_000_000,
]  # fmt: skip
NUMBERS = ["-1", "1e999", "nan", "9" * 400, "٣", "0x10", "1.5", "\0", "", "<b>", "[1,2]", "True"]


def run(widget) -> AppTest:
    """Run the page after a change of a widget. Its first run is not timed: it imports libraries and loads models."""
    with limited_time():
        at = widget.run()
    assert not at.exception, at.exception[0].value
    return at


@pytest.mark.parametrize("page", ["home", "convert", "latent", "curves", "train", "wug"])
def test_every_text_field_of_every_page(page):
    for query in VIEWS[page][:1]:
        at = open_page(page, **query)
        for field in [f.key for f in [*at.text_input, *at.text_area]]:
            for word in [*WORDS, "walk"]:  # after the last one the page shows its further fields
                kind = at.text_area if field == "typed" else at.text_input
                run(kind(key=field).set_value(word))


def parameters(page: str) -> list[str]:
    """The keys of a page's widgets that may be query parameters, except `view` and `system`."""
    files = [ROOT / "pages" / f"{page}.py", *(ROOT / "ui").rglob("*.py")]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    bound = re.findall(r'key="(\w+)"', source)
    bound += re.findall(r'(?:seed_input|word_point)\([^"]*"[^"]*", "(\w+)"', source)
    return sorted(set(bound) - {"view", "system"})


def check_address(page: str, view: dict, shift: int) -> None:
    names = parameters(page)
    query = {name: NUMBERS[(i + shift) % len(NUMBERS)] for i, name in enumerate(names)}
    open_page(page, **query | view)


@pytest.mark.parametrize(("page", "view"), [(page, view) for page, views in VIEWS.items() for view in views])
def test_every_number_in_the_address(page, view):
    check_address(page, view, 0)


def test_values_out_of_range_and_empty_ones_in_the_address_get_the_defaults():
    at = open_page("latent", view="Samples", seed="9" * 400, n="inf", failures="true")
    assert at.number_input(key="seed").value == 0 and at.number_input(key="n").value == 200
    assert at.toggle(key="failures").value  # valid values are kept
    assert open_page("train", view="", system="").segmented_control(key="system").value == "tense"


@pytest.mark.fuzz
@pytest.mark.parametrize("shift", range(1, len(NUMBERS)))
@pytest.mark.parametrize("page", VIEWS)
def test_every_number_in_the_address_at_length(page, shift):
    for view in [*VIEWS[page], {"view": NUMBERS[shift], "system": NUMBERS[shift]}]:
        check_address(page, view, shift)


def test_a_filter_cannot_stop_the_server():
    """Python's `re` would block the process for 2^20 steps and more on each of these."""
    at = open_page("curves")
    for pattern in ("(.|.)+!$", "(.*)*(.*)*(.*)*!", "((a|b|.)*)*!", ".*" * 90 + "!", r"(\w+)+\1"):
        run(at.text_input(key="filter").set_value(pattern))


def test_the_form_keeps_its_limits():
    """The browser enforces a widget's bounds; a forged message can have any value."""
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
        ("convert", {"tab": "A file"}, TEXTS),
        ("train", {}, TEXTS),
        ("train", {"view": "Scorecard"}, TEXTS[:4]),
        ("digits", {"source": "Photo"}, list(PICTURES.values())),
    ],
    ids=["convert", "train", "scorecard", "digits"],
)
def test_uploads_get_an_answer(page, query, contents):
    for uploader in range(3 if "view" in query else 1):
        at = open_page(page, **query)
        name = {"digits": "a.png"}.get(page, "=cmd|x!A0.csv")
        if at.file_uploader[uploader].key == "checkpoint":
            name = "../=cmd.safetensors"
        for content in contents:
            run(at.file_uploader[uploader].upload(name, content, "text/csv"))


def test_the_format_of_a_picture_does_not_depend_on_its_name(monkeypatch):
    """Pillow gives PostScript to Ghostscript, which executes it."""
    started = []
    monkeypatch.setattr("subprocess.Popen", lambda *args, **options: started.append(args))
    monkeypatch.setattr("subprocess.check_call", lambda *args, **options: started.append(args))
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "gs")
    at = open_page("digits", source="Photo")
    run(at.file_uploader[0].upload("digit.png", EPS, "image/png"))
    assert "Cannot read" in at.error[0].value and started == []
