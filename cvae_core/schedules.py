"""KL weight, teacher-forcing ratio and learning rate over training.

`progress` runs from 0 (start) towards 1 (end of training). KL weight and teacher-forcing ratio are piecewise linear:
`interpolate` reads them off their knots, and the functions below it write down the knots of named schedules.
"""

import math

import numpy as np

from cvae_core.config import Knots


def interpolate(knots: Knots, progress: float) -> float:
    """The value at a share of training; before the first knot and after the last it is theirs, at a jump the later."""
    places, values = zip(*knots, strict=True)
    return float(np.interp(progress, places, values))


def constant(value: float = 1.0) -> Knots:
    """The same value throughout."""
    return ((0.0, value),)


def ramp(zero: float = 0.0, rise: float = 1.0, cycles: int = 1) -> Knots:
    """In each cycle 0 for a share `zero`, a rise to 1 over a share `rise`, then 1 (Fu et al. 2019).

    Source 000's monotonic KL weight is one cycle with a short rise, its cyclical one has `rise` 0.5; 001 is one linear
    cycle; 002 has `zero` 0.2, `rise` 0.8, one or two cycles.
    """
    shape = ((0.0, 0.0), (zero, 0.0), (min(zero + rise, 1.0), 1.0), (1.0, 1.0))
    knots = [((cycle + place) / cycles, value) for cycle in range(cycles) for place, value in shape]
    return tuple(dict.fromkeys(knots))


def sigmoid(steps: int) -> Knots:
    """A logistic curve over [-6, 6] from exactly 0 to exactly 1, by so many straight pieces (source 000)."""

    def logistic(x: float) -> float:
        return 1.0 / (1.0 + math.exp(-x))

    low, high = logistic(-6.0), logistic(6.0)
    return tuple((i / steps, (logistic(12.0 * i / steps - 6.0) - low) / (high - low)) for i in range(steps + 1))


def plateau(until: float, final: float) -> Knots:
    """1 for a share of training, then a straight line that reaches `final` at the end.

    Source 000 (its printed form goes negative) and source 002 (its printed form, a line broken before the `+`,
    drops to `final` in one step): this is what their texts say.
    """
    return constant() if final == 1.0 else tuple(dict.fromkeys([(0.0, 1.0), (until, 1.0), (1.0, final)]))


def geometric(factor: float, every: int, epochs: int) -> Knots:
    """Times `factor` after every so many of the epochs, in steps (source 001: times 0.85 every 3 epochs)."""
    steps = range(-(-epochs // every))
    ends = [((i + 1) * every / epochs, factor**i) for i in steps if (i + 1) * every < epochs]
    starts = [(i * every / epochs, factor**i) for i in steps]
    return tuple(sorted([*starts, *ends], key=lambda knot: (knot[0], -knot[1])))


def late(start: int, step: float, floor: float, epochs: int) -> Knots:
    """1 before epoch `start`, then `step` less in every epoch, never below `floor` (source 004)."""
    last = (start - 1) / epochs
    return ((0.0, 1.0), (last, 1.0), (min(last + (1.0 - floor) / step / epochs, 1.0), floor))


def learning_rate(progress: float, shape: str, peak: float, warmup: float = 0.1, final: float = 0.01) -> float:
    """Learning rate: `constant`, `decayed` (cosine from peak to peak * final) or `one-cycle` (linear warm-up first)."""
    if shape == "constant":
        return peak
    if shape == "decayed":
        warmup = 0.0
    elif shape != "one-cycle":
        raise ValueError(f"unknown learning-rate schedule {shape!r}")
    if progress < warmup:
        return peak * (0.04 + 0.96 * progress / warmup)
    rest = min(max((progress - warmup) / (1.0 - warmup), 0.0), 1.0)
    return peak * (final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * rest)))
