"""KL weight, teacher-forcing ratio and learning rate over training.

`progress` is the share of training that is done, from 0 to 1. KL weight and teacher-forcing ratio are piecewise linear:
`interpolate` evaluates them, and the functions below it return the knots of named schedules.
"""

import math

import numpy as np

from cvae_core.config import Knots

WARMUP = 0.1  # share of a one-cycle training with linear warm-up
FINAL = 0.01  # learning rate at the end, as a share of its peak


def interpolate(knots: Knots, progress: float) -> float:
    """The value at a share of training, constant outside the knots; at a jump the later of the two values."""
    positions, values = zip(*knots, strict=True)
    return float(np.interp(progress, positions, values))


def highest(knots: Knots) -> float:
    """The largest value over training."""
    return max(value for _, value in knots)


def constant(value: float = 1.0) -> Knots:
    """The same value throughout training."""
    return ((0.0, value),)


def begins(at: float, value: float) -> Knots:
    """0 for a share `at` of training, then `value`."""
    return ((0.0, 0.0), (at, 0.0), (at, value)) if at else constant(value)


def ramp(zero: float = 0.0, rise: float = 1.0, cycles: int = 1) -> Knots:
    """In each cycle 0 for a share `zero`, linear to 1 over a share `rise`, then 1 (Fu et al. 2019).

    Report 000 has one cycle with a short rise (monotonic) or cycles with `rise` 0.5 (cyclical), 001 one linear cycle,
    002 one or two cycles with `zero` 0.2 and `rise` 0.8.
    """
    shape = ((0.0, 0.0), (zero, 0.0), (min(zero + rise, 1.0), 1.0), (1.0, 1.0))
    knots = [((cycle + position) / cycles, value) for cycle in range(cycles) for position, value in shape]
    return tuple(dict.fromkeys(knots))


def sigmoid(steps: int) -> Knots:
    """The logistic function on [-6, 6], scaled to go from exactly 0 to 1, in `steps` linear pieces (report 000)."""

    def logistic(x: float) -> float:
        return 1.0 / (1.0 + math.exp(-x))

    low, high = logistic(-6.0), logistic(6.0)
    return tuple((i / steps, (logistic(12.0 * i / steps - 6.0) - low) / (high - low)) for i in range(steps + 1))


def rescaled(knots: Knots, until: float) -> Knots:
    """A schedule within a share `until` of training; its last value from then on."""
    return (*((until * position, value) for position, value in knots), (1.0, knots[-1][1]))


def plateau(until: float, final: float) -> Knots:
    """1 for a share `until` of training, then linear to `final` at the end.

    As the texts of reports 000 and 002 describe it; 000's listing goes negative, and 002's, where a line breaks before
    the `+`, drops to `final` in one step.
    """
    return constant() if final == 1.0 else tuple(dict.fromkeys([(0.0, 1.0), (until, 1.0), (1.0, final)]))


def geometric(factor: float, every: int, epochs: int) -> Knots:
    """1, multiplied by `factor` after every `every` epochs (report 001: 0.85 every 3 epochs)."""
    steps = range(-(-epochs // every))
    ends = [((i + 1) * every / epochs, factor**i) for i in steps if (i + 1) * every < epochs]
    starts = [(i * every / epochs, factor**i) for i in steps]
    return tuple(sorted([*starts, *ends], key=lambda knot: (knot[0], -knot[1])))


def late(start: int, step: float, floor: float, epochs: int) -> Knots:
    """1 before epoch `start`, then `step` less in every epoch, down to `floor` (report 004)."""
    last, end = (start - 1) / epochs, (start - 1 + (1.0 - floor) / step) / epochs
    if last >= 1:
        return constant()
    lowest = max(floor, 1.0 - step * (epochs - start + 1))
    return ((0.0, 1.0), (last, 1.0), (min(end, 1.0), lowest))


def learning_rate(progress: float, shape: str, peak: float) -> float:
    """Learning rate: `constant`, `decayed` (cosine from `peak` to its share FINAL) or `one-cycle` (warm-up first)."""
    if shape == "constant":
        return peak
    warmup = WARMUP if shape == "one-cycle" else 0.0
    if progress < warmup:
        return peak * (0.04 + 0.96 * progress / warmup)
    rest = min(max((progress - warmup) / (1.0 - warmup), 0.0), 1.0)
    return peak * (FINAL + (1.0 - FINAL) * 0.5 * (1.0 + math.cos(math.pi * rest)))
