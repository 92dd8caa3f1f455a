"""Known values at known epochs, as the texts of the reports have them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_core import schedules
from cvae_core.config import format_knots, parse_knots
from cvae_core.errors import UserError
from cvae_core.step import beta_at, teacher_forcing_at
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.presets import PRESETS, preset


def test_002_teacher_forcing_holds_a_fifth_then_falls_in_a_straight_line():
    config = preset("source-002")
    ratios = [teacher_forcing_at(config, epoch) for epoch in range(150)]
    assert ratios[:31] == [1.0] * 31
    assert ratios[90] == pytest.approx(0.9)
    assert ratios[-1] == pytest.approx(0.8 + 0.2 / 120)
    assert max(a - b for a, b in zip(ratios, ratios[1:], strict=False)) < 0.002  # as printed it drops in one step


def test_002_kl_weight_has_two_cycles_with_a_fifth_of_zero_each():
    config = preset("source-002")
    weights = [beta_at(config, epoch) for epoch in range(150)]
    assert weights[:16] == [0.0] * 16 and weights[75:91] == [0.0] * 16
    assert weights[45] == pytest.approx(0.05) and weights[120] == pytest.approx(0.05)
    assert weights[74] == pytest.approx(0.1 * 59 / 60)
    assert weights[:75] == pytest.approx(weights[75:])


def test_000_teacher_forcing_falls_in_the_second_half_and_is_never_negative():
    config = preset("source-000-monotonic")
    ratios = [teacher_forcing_at(config, epoch) for epoch in range(30)]
    assert ratios[:16] == [1.0] * 16
    assert ratios[-1] == pytest.approx(1 / 15)
    assert min(ratios) >= 0


def test_000_kl_weights():
    monotonic, cyclical = preset("source-000-monotonic"), preset("source-000-cyclical")
    assert [beta_at(monotonic, e) for e in (0, 6, 15, 29)] == pytest.approx([0, 0.4, 1, 1])
    assert [beta_at(cyclical, e) for e in (0, 3, 8, 14, 15, 18)] == pytest.approx([0, 0.4, 1, 1, 0, 0.4])
    sigmoid = preset("source-000-sigmoid")
    assert beta_at(sigmoid, 0) == 0 and beta_at(sigmoid, 25) == pytest.approx(0.5)
    assert beta_at(sigmoid, 5) < 0.02 and beta_at(sigmoid, 45) > 0.98
    found = preset("source-000")
    assert [beta_at(found, e) for e in (0, 25, 50, 59)] == pytest.approx([0, 0.04, 0.08, 0.08])
    # 20 of 60 epochs, to the four digits of the sweep that found the preset.
    assert [teacher_forcing_at(found, e) for e in (0, 20, 40)] == pytest.approx([1, 1, 0.95], abs=1e-4)


def test_001_schedules():
    config = preset("source-001")
    assert [teacher_forcing_at(config, e) for e in (0, 2, 3, 6, 29)] == pytest.approx([1, 1, 0.85, 0.85**2, 0.85**9])
    assert beta_at(config, 15) == pytest.approx(0.05)


def test_a_schedule_is_linear_between_knots_and_takes_the_later_value_at_a_jump():
    knots = ((0.0, 1.0), (0.5, 0.8), (0.5, 0.2), (1.0, 0.0))
    values = [schedules.interpolate(knots, p) for p in (0, 0.25, 0.5, 0.75, 1)]
    assert values == pytest.approx([1, 0.9, 0.2, 0.1, 0])
    assert schedules.interpolate(((0.2, 3.0),), 0.0) == schedules.interpolate(((0.2, 3.0),), 1.0) == 3.0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6))
def test_knots_are_read_as_they_are_written(pairs):
    knots = tuple(sorted(pairs))
    again = parse_knots(format_knots(knots))
    assert [x for pair in again for x in pair] == pytest.approx([x for pair in knots for x in pair], abs=1e-11)


@pytest.mark.parametrize("text", ["", "a", "0:1,x", "0:1:2"])
def test_what_is_no_schedule_gets_a_sentence(text):
    with pytest.raises(UserError, match="POSITION:VALUE"):
        parse_knots(text)


@pytest.mark.parametrize(("epochs", "last"), [(300, 0.001), (100, 0.716), (29, 1.0), (10, 1.0)])
def test_a_late_descent_keeps_its_slope_in_a_short_training(epochs, last):
    """Report 004's ratio: 1 before epoch 30, then 0.004 less in every epoch."""
    knots = schedules.late(30, 0.004, 0.001, epochs)
    assert TenseConfig(teacher_forcing=knots).teacher_forcing == knots  # a config accepts them
    assert schedules.interpolate(knots, 1.0) == pytest.approx(last)
    assert schedules.interpolate(knots, 49 / epochs) == pytest.approx(1 - 0.004 * 20 if epochs > 49 else last)


def test_learning_rates():
    assert schedules.learning_rate(0.7, "constant", 0.05) == 0.05
    assert schedules.learning_rate(0.0, "decayed", 1.0) == 1.0
    assert schedules.learning_rate(1.0, "decayed", 1.0) == pytest.approx(0.01)
    assert schedules.learning_rate(0.1, "one-cycle", 1.0) == pytest.approx(1.0)
    assert schedules.learning_rate(0.0, "one-cycle", 1.0) < 0.1


@given(st.integers(1, 12), st.integers(1, 40), st.floats(0, 0.9))
def test_every_cycle_starts_at_zero_and_rises(cycles, length, zero):
    epochs = cycles * length
    knots = schedules.ramp(zero, 1 - zero, cycles)
    weights = [schedules.interpolate(knots, e / epochs) for e in range(epochs)]
    assert weights[::length] == pytest.approx([0.0] * cycles, abs=1e-12)
    for start in range(0, epochs, length):
        cycle = weights[start : start + length]
        assert cycle == sorted(cycle) and 0 <= cycle[-1] <= 1


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(1, 300))
def test_ratios_stay_between_0_and_1(progress, a, b, epochs):
    for knots in (
        schedules.plateau(a, b), schedules.geometric(a, 3, epochs), schedules.late(30, 0.004, b, epochs + 30),
        schedules.sigmoid(epochs),
    ):  # fmt: skip
        value = schedules.interpolate(knots, progress)
        assert 0 <= value <= 1 and math.isfinite(value)
        assert TenseConfig(teacher_forcing=knots).teacher_forcing == knots


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds(name):
    assert preset(name).epochs > 0
