"""KL weight, teacher-forcing ratio and learning rate as pure functions of how far training has come.

`progress` runs from 0 (start) towards 1 (end of training). Every value is clamped to what it can mean:
a ratio to [0, 1], a weight to [0, maximum].
"""

import math


def clamp(value: float, low: float = 0.0, high: float = 1.0) -> float:
    return max(low, min(high, value))


def kl_weight(
    progress: float,
    shape: str = "linear",
    maximum: float = 1.0,
    cycles: int = 1,
    zero: float = 0.0,
    ramp: float = 1.0,
) -> float:
    """KL weight: in each cycle 0 for a share `zero`, a rise over a share `ramp`, then `maximum` (Fu et al. 2019).

    `shape` is `constant`, `linear` or `sigmoid`. Source 000's monotonic weight is one cycle with a short ramp,
    its cyclical one has `ramp` 0.5; 001 is one linear cycle to 0.1; 002 has `zero` 0.2, `ramp` 0.8, one or two cycles.
    """
    if shape == "constant":
        return maximum
    # Rounded, so that the first epoch of a cycle is not taken for the last of the one before.
    phase = round(progress * cycles, 9) % 1.0 if progress < 1 else 1.0
    rise = clamp((phase - zero) / ramp) if ramp > 0 else float(phase >= zero)
    if shape == "linear":
        return maximum * rise
    if shape == "sigmoid":
        # Logistic over [-6, 6], moved and scaled to start at exactly 0 and end at exactly 1.
        low, high = _logistic(-6.0), _logistic(6.0)
        return maximum * (_logistic(12.0 * rise - 6.0) - low) / (high - low)
    raise ValueError(f"unknown KL schedule {shape!r}")


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def linear_teacher_forcing(progress: float, plateau: float = 0.0, final: float = 0.0) -> float:
    """1 for a share `plateau` of training, then a straight line that reaches `final` at the end.

    Source 000 (its printed form goes negative) and source 002 (its printed form, a line broken before the `+`,
    drops to `final` in one step): this is what their texts say.
    """
    if progress < plateau:
        return 1.0
    slope = (1.0 - final) / (1.0 - plateau) if plateau < 1 else 0.0
    return clamp(1.0 - slope * (progress - plateau), min(final, 1.0), 1.0)


def two_slopes_teacher_forcing(progress: float, knee: float = 0.5, knee_ratio: float = 0.8, final: float = 0.0):
    """Two straight lines: 1 to `knee_ratio` at share `knee`, then on to `final` at the end (source 000, discussion)."""
    if progress < knee:
        return clamp(1.0 + (knee_ratio - 1.0) * progress / knee)
    rest = (progress - knee) / (1.0 - knee) if knee < 1 else 1.0
    return clamp(knee_ratio + (final - knee_ratio) * clamp(rest))


def geometric_teacher_forcing(epoch: int, factor: float = 0.85, every: int = 3) -> float:
    """`factor` to the power of how many times `every` epochs have passed (source 001: times 0.85 every 3 epochs)."""
    return clamp(factor ** (epoch // every))


def late_teacher_forcing(epoch: int, start: int = 30, step: float = 0.004, floor: float = 0.001) -> float:
    """1 before epoch `start`, then `step` less in every epoch, never below `floor` (source 004, with its values)."""
    return clamp(1.0 - step * max(epoch - start + 1, 0), floor)


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
    rest = clamp((progress - warmup) / (1.0 - warmup))
    return peak * (final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * rest)))
