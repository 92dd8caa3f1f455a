"""What several commands share: kinds of values, common flags, output, progress, signals."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NoReturn

from cvae_core.errors import UserError

SEED_LIMIT = 2**63 - 1


class Parser(argparse.ArgumentParser):
    """A parser whose errors are `UserError`s."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[:1].upper()}{message[1:]}; {self.prog} --help says more.")


def whole(text: str, low: int = -(2**31), high: int = 2**31 - 1) -> int:
    """A whole number that every tensor library can hold."""
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
    return value


def name(text: str) -> str:
    """A printable name. An empty one comes from an unset shell variable and must not select the default."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not a name")
    return text


def seed(text: str) -> int:
    """A seed that torch takes."""
    return whole(text, 0, SEED_LIMIT)


def knots(text: str) -> tuple:
    """A piecewise-linear schedule: POSITION:VALUE,POSITION:VALUE."""
    from cvae_core.config import parse_knots

    return parse_knots(text)


def in_range(label: str, value: int, low: int, high: int) -> int:
    """The value, or a `UserError` that says what it may be."""
    if not low <= value <= high:
        raise UserError(f"{label} is {value}: expected {low} to {high}.")
    return value


def model_options(parser: argparse.ArgumentParser, run: Callable, checkpoint: str) -> None:
    """--checkpoint and --json of a command that uses a trained model."""
    parser.add_argument("--checkpoint", default=checkpoint, help="name in checkpoints/, file, or run folder")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=run)


def evaluation_options(parser: argparse.ArgumentParser, data: str) -> None:
    """--data, --seed and --threads of a command that scores a model."""
    parser.add_argument("--data", help=data)
    parser.add_argument("--seed", type=seed, default=0, help="of the samples")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (default: all cores)")


def set_threads(count: int) -> None:
    """How many threads torch takes in this process."""
    import torch

    torch.set_num_threads(in_range("threads", count, 1, 1024))


def field_options(parser: argparse.ArgumentParser, system: str) -> None:
    """A flag for every field of a system's config."""
    from cvae_core.config import format_knots
    from cvae_core.systems import family

    config = family(system).Config
    group = parser.add_argument_group(f"fields of {config.__name__}")
    for f in fields(config):
        default = format_knots(f.default) if isinstance(f.default, tuple) else f.default
        flag, text = "--" + f.name.replace("_", "-"), f"{f.metadata['help']} [{default}]".replace("%", "%%")
        if isinstance(f.default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        elif isinstance(f.default, tuple):
            group.add_argument(flag, type=knots, metavar="KNOTS", help=text)
        else:
            kind = whole if isinstance(f.default, int) else type(f.default)
            group.add_argument(flag, type=kind, choices=f.metadata["choices"] or None, help=text)


def overrides(given: dict[str, Any], system: str) -> dict[str, Any]:
    """The config fields among what was given."""
    from cvae_core.systems import family

    return {f.name: given[f.name] for f in fields(family(system).Config) if f.name in given}


def data_entries(system: str, source: str | None) -> dict[str, Any]:
    """What config.json keeps of the data; duplicate rows of a file are reported on stderr."""
    from cvae_core.systems import family

    entries = family(system).data_entries(source)
    if duplicates := entries.pop("duplicates", 0):
        print(f"{source}: {duplicates} rows stand more than once and are kept once.", file=sys.stderr)
    return entries


def print_json(value: Any) -> None:
    """Plain values for other programs."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def progress(total: int, unit: str, **options):
    """A progress bar on stderr."""
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, file=sys.stderr, dynamic_ncols=True, **options)


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl+C or SIGTERM only asks to stop; the second acts as ever."""
    asked = False

    def ask(*_) -> None:
        nonlocal asked
        asked = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        restore()
