"""Settings from the environment. This module alone reads them; `python -m cvae_core settings` lists them.

A value may be in quotation marks, as `docker --env-file` passes it. Unset and empty mean the default, except for
ALLOW_TRAINING: set to anything but a clear yes, it means no.
"""

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cvae_core.errors import UserError, shown

YES = ("1", "true", "yes", "y", "on", "allow", "allowed", "enable", "enabled")


def _value(name: str) -> str | None:
    """The variable's value without blanks and quotation marks around it; None where it is not set."""
    text = os.environ.get(name)
    if text is None:
        return None
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1].strip() if quoted else text


def _number(name: str, default: float) -> float:
    text = _value(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise UserError(f"{name} is {shown(text)}: expected a number above 0.")
    return value


def _folder(name: str, default: Path) -> Path:
    text = _value(name)
    try:
        return Path(text).expanduser() if text else default
    except RuntimeError:  # no HOME, and a user id without a name
        raise UserError(f"{name} is {shown(text or '')}: this user has no home folder, give a whole path.") from None


def training_allowed() -> bool:
    """ALLOW_TRAINING: whether visitors may train, stop, resume and delete runs."""
    value = _value("ALLOW_TRAINING")
    return value is None or value.lower() in YES


def max_hours() -> float:
    """CVAE_MAX_HOURS: time limit of a training from the page. Raises UserError if it is no number above 0."""
    return _number("CVAE_MAX_HOURS", 2.0)


def max_gb() -> float:
    """CVAE_MAX_GB: size of all runs above which no new training starts. Raises UserError likewise."""
    return _number("CVAE_MAX_GB", 2.0)


def runs_folder(default: Path) -> Path:
    """CVAE_RUNS: where runs are kept."""
    return _folder("CVAE_RUNS", default)


def home() -> Path:
    """The user's home folder, or that of temporary files where there is none (a user id without a name and no HOME)."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir())


def cache_folder() -> Path:
    """CVAE_CACHE: where decoded video is kept."""
    return _folder("CVAE_CACHE", home() / ".cache" / "cvae")


def studies_url() -> str | None:
    """CVAE_STUDIES: URL of the database of sweeps."""
    return _value("CVAE_STUDIES") or None


def masked(text: str) -> str:
    """A text with the passwords of URLs in it replaced by ***."""
    text = re.sub(r"(://[^:@/\s'\"]*):[^\s'\"]*@", r"\1:***@", text)
    return re.sub(r"(?i)((?:password|passwd|pwd|secret|token)[^=&\s]*=)[^&\s'\"]+", r"\1***", text)


class Setting(NamedTuple):
    """A setting as `settings` lists it."""

    name: str
    value: str  # masked
    is_set: bool
    meaning: str


def _as_text(value: bool | float | str | Path) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def table() -> list[Setting]:
    """Every setting; one that cannot be read has its error as the value."""
    from cvae_core import runs

    readers: dict[str, tuple[Callable[[], bool | float | str | Path], str]] = {
        "ALLOW_TRAINING": (training_allowed, "whether visitors may train, stop, resume and delete runs"),
        "CVAE_MAX_HOURS": (max_hours, "time limit of a training from the page"),
        "CVAE_MAX_GB": (max_gb, "size of all runs above which no new training starts"),
        "CVAE_RUNS": (lambda: runs.RUNS, "folder of the runs"),
        "CVAE_STUDIES": (lambda: studies_url() or "sweeps.db in CVAE_RUNS", "database of the sweeps"),
        "CVAE_CACHE": (cache_folder, "folder of decoded video"),
    }
    rows = []
    for name, (read, meaning) in readers.items():
        try:
            value = _as_text(read())
        except UserError as error:
            value = str(error)
        rows.append(Setting(name, masked(value), os.environ.get(name) is not None, meaning))
    return rows
