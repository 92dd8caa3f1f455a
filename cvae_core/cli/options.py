"""What several commands share: types of arguments, common flags, output, progress, signals."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NoReturn

from cvae_core.config import format_knots, parse_knots
from cvae_core.errors import UserError
from cvae_core.systems import family

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Parser(argparse.ArgumentParser):
    """A parser that raises UserError instead of exiting."""

    def error(self, message: str) -> NoReturn:
        """Raises UserError with argparse's message."""
        raise UserError(f"{message[:1].upper()}{message[1:]}; {self.prog} --help says more.")


def whole(text: str, low: int = -(2**31), high: int = 2**31 - 1) -> int:
    """A whole number, by default one of 32 bits. Raises ArgumentTypeError."""
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
    return value


def seed(text: str) -> int:
    """A seed for torch. Raises ArgumentTypeError."""
    return whole(text, 0, 2**63 - 1)


def name(text: str) -> str:
    """A printable name. An empty one, as of an unset shell variable, must not select the default."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not a name")
    return text


def in_range(label: str, value: int, low: int, high: int) -> int:
    """The value. Raises UserError if it is out of range."""
    if not low <= value <= high:
        raise UserError(f"{label} is {value}: expected {low} to {high}.")
    return value


def model_options(parser: argparse.ArgumentParser, run: Callable, checkpoint: str) -> None:
    """Add --checkpoint and --json to a command that uses a trained model."""
    parser.add_argument("--checkpoint", default=checkpoint, help="name in checkpoints/, file, or run folder")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)


def evaluation_options(parser: argparse.ArgumentParser, data: str) -> None:
    """Add --data, --seed and --threads to a command that evaluates a model."""
    parser.add_argument("--data", help=data)
    parser.add_argument("--seed", type=seed, default=0, help="of the samples")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores)")


def set_threads(count: int | None) -> None:
    """Set the number of torch's CPU threads; None leaves torch's own, all cores or OMP_NUM_THREADS.

    Raises UserError if it is out of range.
    """
    import torch

    if count is not None:
        torch.set_num_threads(in_range("threads", count, 1, 1024))


def field_options(parser: argparse.ArgumentParser, system: str) -> None:
    """Add a flag for every field of a system's config that training takes."""
    config = family(system).Config
    group = parser.add_argument_group(f"fields of {config.__name__}")
    for f in (f for f in fields(config) if f.metadata["help"]):
        default = format_knots(f.default) if isinstance(f.default, tuple) else f.default
        flag, text = "--" + f.name.replace("_", "-"), f"{f.metadata['help']} [{default}]".replace("%", "%%")
        if isinstance(f.default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        elif isinstance(f.default, tuple):
            group.add_argument(flag, type=parse_knots, metavar="KNOTS", help=text)
        else:
            kind = whole if isinstance(f.default, int) else type(f.default)
            group.add_argument(flag, type=kind, choices=f.metadata["choices"] or None, help=text)


def overrides(given: dict[str, Any], system: str) -> dict[str, Any]:
    """The config fields among the given arguments."""
    return {f.name: given[f.name] for f in fields(family(system).Config) if f.name in given}


def data_entries(system: str, given: dict[str, Any]) -> dict[str, Any]:
    """The entries of config.json about the data; how a file was read is reported on stderr."""
    from cvae_core import parallel

    source, as_is = given.get("data"), given.get("as_is", False)
    if as_is and (system != "tense" or source is None):
        raise UserError("--as-is goes with a file of verbs: give --data FILE.")
    entries = family(system).data_entries(source, **({"as_is": True} if as_is else {}))
    for note in entries.pop("notes", ()):
        if parallel.rank() == 0:  # only the first process prints
            print(f"{source}: {note}", file=sys.stderr)
    return entries


def print_json(value: Any) -> None:
    """Print JSON values, indented."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def progress(total: int, unit: str, show: bool = True):
    """A progress bar on stderr, if that is a terminal: in a log file each update would add a copy of it."""
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, file=sys.stderr, dynamic_ncols=True, disable=None if show else True)


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """A context whose value says whether Ctrl+C, SIGTERM or SIGHUP arrived; a second one is handled as outside.

    SIGHUP, of a terminal that was closed, counts unless it is ignored, as under `nohup`.
    """
    received = []

    def receive(number: int, frame: Any) -> None:
        received.append(number)
        restore()

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    numbers = (n for n in STOPPING if signal.getsignal(n) is not signal.SIG_IGN)
    handlers = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield lambda: bool(received)
    finally:
        restore()
