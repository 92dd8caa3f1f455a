"""Configs: frozen dataclasses whose fields declare help text, range and choices once, for every form and command."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from cvae_core.errors import UserError

# A piecewise-linear schedule: (share of training, value), in order; two knots of one share are a jump.
Knots = tuple[tuple[float, float], ...]
SEED_LIMIT = 2**31 - 1


def option(default: Any, text: str, low: float | None = None, high: float | None = None, choices: tuple = ()) -> Any:
    """A config field with its help text, and its range (inclusive) or its choices.

    `low` and `high` bound the values of knots. The default range of floats and knots is 0 to 1. A field without a help
    text is not offered for training.
    """
    if isinstance(default, float | tuple) and low is None:
        low, high = 0.0, 1.0
    return field(default=default, metadata={"help": text, "low": low, "high": high, "choices": choices})


def redefault(cls: type, name: str, default: Any) -> Any:
    """An inherited config field with another default."""
    return field(default=default, metadata=next(f.metadata for f in fields(cls) if f.name == name))


@dataclass(frozen=True)
class TrainConfig:
    """The fields that `fit` reads; each system's config adds others. Raises UserError for a value out of range."""

    epochs: int = option(30, "passes over the data", 1, 100_000)
    batch_size: int = option(256, "examples in a batch", 1, 65_536)
    seed: int = option(0, "seed of weights, order and noise", 0, SEED_LIMIT)
    optimizer: str = option("adamw", "update rule", choices=("adamw", "adam", "sgd"))
    learning_rate: float = option(2e-3, "peak learning rate", 1e-8, 10.0)
    lr_schedule: str = option("one-cycle", "learning rate over training", choices=("constant", "decayed", "one-cycle"))
    average_from: float = option(
        1.0, "share of training after which the weights that are scored and kept are the mean over all steps since"
    )
    clip_norm: float = option(1.0, "largest gradient norm; 0: no clipping", 0.0, 1e6)
    kl_max: float = option(1.0, "KL weight (beta) where kl_knots is 1", 0.0, 1000.0)
    kl_knots: Knots = option(((0.0, 0.0), (1.0, 1.0)), "KL weight over training, as a share of kl_max")
    evaluate_every: int = option(
        0, "with keep best: steps between evaluations; 0: only at the end of each epoch", 0, 10**9
    )
    keep: str = option("last", "weights to keep: the last, or those with the best score", choices=("last", "best"))
    precision: str = option(
        "float32", "of the matrix products: float32, bfloat16 autocast, or auto: bfloat16 where the hardware has it",
        choices=("float32", "bfloat16", "auto"),
    )  # fmt: skip

    def __post_init__(self):
        for f in fields(self):
            _check(f.name, getattr(self, f.name), **{key: f.metadata[key] for key in ("low", "high", "choices")})


def _check(name: str, value: Any, low: float | None, high: float | None, choices: tuple) -> None:
    """Raises UserError for a value outside the range or the choices of its field."""
    if choices and value not in choices:
        raise UserError(f"{name} is {value!r}: expected one of {', '.join(map(str, choices))}.")
    if isinstance(value, tuple):
        positions = [position for position, _ in value]
        if not value or positions != sorted(positions) or not all(0 <= position <= 1 for position in positions):
            raise UserError(f"{name} is {format_knots(value)!r}: expected positions from 0 to 1 in order.")
    for number in [v for _, v in value] if isinstance(value, tuple) else [value]:
        if isinstance(number, float) and not math.isfinite(number):
            raise UserError(f"{name} is {number}: expected a finite number.")
        if low is not None and not isinstance(number, bool | str) and not low <= number <= high:
            raise UserError(f"{name} is {number}: expected {low:.12g} to {high:.12g}.")


def parse_knots(text: str) -> Knots:
    """`0:0, 0.2:1` -> ((0, 0), (0.2, 1)); a single number is a constant. Raises UserError for other text."""
    try:
        pairs = [part.split(":") if ":" in part else ("0", part) for part in text.split(",")]
        return tuple((float(position), float(value)) for position, value in pairs)
    except ValueError:
        raise UserError(f"{text!r} is not a schedule: expected POSITION:VALUE,…, as in 0:0,0.2:1.") from None


def format_knots(knots: Knots) -> str:
    """Knots as text for `parse_knots`."""
    return ",".join(f"{position:.12g}:{value:.12g}" for position, value in knots)


def config_from_dict(cls: type, values: dict[str, Any]) -> Any:
    """A config from JSON values; missing fields take their defaults. Raises UserError for unknown or wrong ones."""
    if "unsupported" in values:  # by `migrate`
        raise UserError(values["unsupported"])
    known = {f.name: f for f in fields(cls)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise UserError(f"Unknown config field {unknown[0]!r} for {cls.__name__}.")
    return cls(**{name: _typed(name, value, type(known[name].default)) for name, value in values.items()})


def _typed(name: str, value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**1023 else math.inf  # which `_check` rejects
    if kind is tuple and isinstance(value, list | tuple):
        try:
            return tuple((float(position), float(number)) for position, number in value)
        except (TypeError, ValueError, OverflowError):
            raise UserError(f"Config field {name} is {value!r}: expected [position, value] pairs.") from None
    if type(value) is not kind:
        raise UserError(f"Config field {name} is {value!r}: expected {kind.__name__}.")
    return value


def from_preset(cls: type, presets: dict[str, dict[str, Any]], name: str) -> Any:
    """The config of a preset, by its name. Raises UserError for an unknown name."""
    if name not in presets:
        raise UserError(f"There is no preset {name!r}: choose one of {', '.join(presets)}.")
    return cls(**presets[name])


def fixed_fields(config: TrainConfig, names: Sequence[str], overrides: dict[str, Any], init: str) -> dict[str, Any]:
    """The values of the fields `names`, which determine the shapes of the weights of the checkpoint `init`.

    Raises UserError if `overrides` changes one of them.
    """
    fixed = {name: getattr(config, name) for name in names}
    for name, value in fixed.items():
        if overrides.get(name, value) != value:
            raise UserError(f"{name} comes from the checkpoint {init} ({value!r}): leave it out.")
    return fixed
