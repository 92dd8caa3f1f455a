"""The README's library example runs as printed."""

import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def test_library_example(capsys):
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S).group(1)
    exec(code, {})
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 5
    assert "abandoned" in shown[0] and "blicking" in shown[0]
