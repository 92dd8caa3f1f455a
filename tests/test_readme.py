"""The documents keep their word: the README's example runs as printed, the tests that SECURITY.md names exist."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent
README = TESTS.parent / "README.md"


def test_library_example(capsys):
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S).group(1)
    exec(code, {})
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 5
    assert "abandoned" in shown[0] and "blicking" in shown[0]


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
