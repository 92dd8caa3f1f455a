"""The Theory page: its numbers agree with closed forms and with the functions that training calls."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from torch.distributions import Normal, kl_divergence

from cvae_core import checkpoint, collapse
from cvae_core.step import beta_at, learning_rate_at, teacher_forcing_at
from cvae_core.tense.presets import PRESETS, preset
from tests import pages
from ui.figures import theory
from ui.theory import prose, quiz
from ui.theory.plots import PLOTS

means, sigmas = st.floats(-4, 4), st.floats(0.1, 3)


def metrics(kl: list[float]) -> list[dict]:
    """A run's metrics with these KLs."""
    return [{"epoch": e, "kl": k, "recon": 2.0, "beta": 0.5} for e, k in enumerate(kl, start=1)]


@given(means, sigmas, means, sigmas)
def test_gaussian_kl_equals_that_of_torch_and_is_never_negative(mu_q, sigma_q, mu_p, sigma_p):
    numbers = torch.tensor([mu_q, sigma_q, mu_p, sigma_p], dtype=torch.double)
    expected = kl_divergence(Normal(*numbers[:2]), Normal(*numbers[2:])).item()
    kl = theory.gaussian_kl(mu_q, sigma_q, mu_p, sigma_p)
    assert kl == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert kl >= -1e-9


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize("numbers", [(1.0, 0.5, 0.0, 1.0), (-2.0, 1.5, 1.0, 2.0)])
def test_the_filled_area_is_the_kl(numbers, forward):
    mu_q, sigma_q, mu_p, sigma_p = numbers
    figure = theory.kl_figure(*numbers, forward=forward)
    adds, takes = figure.data[2:]
    area = np.trapezoid(np.asarray(adds.y) + np.asarray(takes.y), np.asarray(adds.x))
    both = (mu_p, sigma_p, mu_q, sigma_q) if forward else numbers
    assert area == pytest.approx(theory.gaussian_kl(*both), abs=1e-3)


def test_noise_figure_links_each_eps_with_its_z():
    eps = torch.tensor([-1.0, 0.5])
    figure = theory.noise_figure(eps, 2 + 0.1 * eps, 2.0, 0.1)
    links = figure.data[2].x
    assert links[:2] == pytest.approx((-1.0, 1.9)) and links[3:5] == pytest.approx((0.5, 2.05))
    assert links[2] is None


@pytest.mark.parametrize("by_share", [False, True])
def test_schedule_figure_has_the_values_that_training_uses(by_share):
    configs = {name: preset(name) for name in PRESETS}
    lines = {(t.name, t.yaxis): t for t in theory.schedule_figure(configs, by_share).data}
    assert len(lines) == 3 * len(PRESETS)
    for name, config in configs.items():
        for axis, at in (("y", beta_at), ("y2", teacher_forcing_at), ("y3", learning_rate_at)):
            line = lines[name, axis]
            assert list(line.y) == [at(config, epoch) for epoch in range(config.epochs)]
            assert line.x[0] == (0 if by_share else 1)
            assert line.x[-1] == ((config.epochs - 1) / config.epochs if by_share else config.epochs)


def test_printed_teacher_forcing_is_what_the_listings_compute():
    assert [theory.printed_teacher_forcing_000(e, 30) for e in (0, 14, 15)] == [1, 1, 0]
    assert theory.printed_teacher_forcing_000(29, 30) == pytest.approx(-14 / 15)
    assert [theory.printed_teacher_forcing_002(e, 150, 0.4) for e in (0, 29, 30, 149)] == [1, 1, 0.4, 0.4]


@pytest.mark.parametrize(
    ("kl", "collapsed"),
    [([5.0, 0.0], True), ([5.0, 0.0999], True), ([5.0, 0.1], False), ([0.0, 3.0], False), ([0.01], True)],
)
def test_collapse_is_decided_by_the_final_kl(kl, collapsed):
    assert collapse.collapsed(metrics(kl)) is collapsed
    text = theory.describe_end(metrics(kl))
    assert ("has **collapsed**" in text) is collapsed
    assert ("**not collapsed**" in text) is not collapsed


def test_description_names_when_it_collapsed_and_where_the_kl_was_highest():
    assert "since epoch 4" in theory.describe_end(metrics([0.05, 4.0, 0.2, 0.03, 0.02]))
    assert "since epoch 1" in theory.describe_end(metrics([0.05, 0.04]))
    assert "9.0 nats, in epoch 2" in theory.describe_end(metrics([4.0, 9.0, 3.0]))
    assert f"{3 / math.log(2):.1f} yes-or-no" in theory.describe_end(metrics([3.0]))


def test_run_figure_has_a_panel_for_each_metric_of_the_run():
    assert [t.name for t in theory.run_figure(metrics([3.0, 2.0])).data] == ["KL", "reconstruction", "β"]
    rows = [{"epoch": 1, "kl": 3.0}, {"epoch": 2, "kl": 2.0, "bleu4": 0.5}]
    figure = theory.run_figure(rows)
    assert list(figure.data[0].y) == [3.0, 2.0]
    assert list(figure.data[1].y) == [None, 0.5]


def nats(at: AppTest) -> list[float]:
    return [float(m.value.removesuffix(" nats")) for m in at.metric]


def test_page_shows_every_section_with_its_steps():
    at = pages.open_page("theory")
    assert not at.exception and not at.error
    files = sorted({path.stem for path in prose.FOLDER.glob("*.md")} - {"quiz"})
    sections = {name: prose.read_section(name) for name in files}
    assert sorted(s.value for s in at.header) == sorted([*(s.title for s in sections.values()), "Ten questions"])
    shown = [e.label for e in at.expander] + [s.value.split(". ", 1)[-1] for s in at.subheader]
    assert all(step.title in shown for section in sections.values() for step in section.steps)
    formulas = sum(step.text.count("$$") for section in sections.values() for step in section.steps)
    assert len(at.get("latex")) == formulas / 2
    page = " ".join(m.value for m in at.markdown)
    assert not re.findall(r"\\\\(post|dec|pri|klc)\\b", page) and not re.findall("^(Code|Plot):", page, re.M)
    for name in re.findall(r"\(#([\w-]+)\)", page):
        assert name in files or name == "quiz"


def test_every_step_names_functions_and_plots_that_exist():
    sections = [prose.read_section(path.stem) for path in prose.FOLDER.glob("*.md") if path.stem != "quiz"]
    steps = [step for section in sections for step in section.steps]
    assert all(callable(prose.find(name)) for step in steps for name in step.code)
    assert sorted(step.plot for step in steps if step.plot) == sorted(PLOTS)
    assert sum(bool(step.code) for step in steps) >= 15


@given(means, sigmas)
def test_the_bound_and_its_gap_add_up_to_the_log_likelihood(mu, sigma):
    terms = theory.bound_terms(mu, sigma)
    exact = Normal(0.0, math.sqrt(1 + theory.NOISE**2)).log_prob(torch.tensor(theory.OBSERVED)).item()
    assert terms.elbo + terms.gap == pytest.approx(exact, abs=1e-4)
    assert terms.gap >= -1e-9
    assert theory.bound_terms(*theory.true_posterior()).gap == pytest.approx(0, abs=1e-9)


def test_more_importance_samples_tighten_the_bound():
    bounds = list(theory.importance_bounds(64, 2000).values())
    terms = theory.bound_terms(0.0, 1.0)
    assert bounds == sorted(bounds) and bounds[-1] < terms.elbo + terms.gap
    assert bounds[0] == pytest.approx(terms.elbo, abs=0.3)


def test_every_question_has_one_right_answer_and_an_explanation():
    questions = quiz.read_questions()
    assert len(questions) == 10
    for question in questions:
        assert len(question.options) >= 2 and question.right in question.options
        assert len(question.explanation) > 40 and "- [" not in question.explanation


def test_an_answer_is_explained():
    at = pages.open_page("theory")
    first, second, *_ = quiz.read_questions()
    at.radio(key="question 1").set_value(first.right).run()
    assert first.explanation[:30] in at.success[0].value
    wrong = next(option for option in second.options if option != second.right)
    at.radio(key="question 2").set_value(wrong).run()
    assert second.right in at.error[0].value and "**1 right of 2 answered**" in " ".join(m.value for m in at.markdown)


def test_sliders_move_the_kl_and_it_is_the_closed_form():
    at = pages.open_page("theory")
    before = nats(at)
    at.slider(key="mu_q").set_value(2.0)
    at.slider(key="sigma_q").set_value(0.5).run()
    assert nats(at) != before
    reverse = 0.5 * (2.0**2 + 0.5**2 - 1 - math.log(0.5**2))
    forward = math.log(0.5) + (1 + 2.0**2) / (2 * 0.5**2) - 0.5
    assert nats(at) == pytest.approx([reverse, forward], abs=1e-4)
    at.toggle(key="own_p").set_value(True).run()
    at.slider(key="mu_p").set_value(2.0)
    at.slider(key="sigma_p").set_value(0.5).run()
    assert nats(at) == pytest.approx([0, 0], abs=1e-4)


@pytest.mark.parametrize("presets", [[], ["source-001"], list(PRESETS)])
def test_any_choice_of_presets_is_drawn(presets):
    at = pages.open_page("theory")
    at.toggle(key="printed").set_value(True)
    at.pills(key="presets").set_value(presets).run()
    assert not at.exception
    assert bool(at.info) == (not presets)


def test_the_integrand_is_described_by_the_names_in_its_legend():
    names = [line.name for line in theory.kl_figure(1.0, 0.5, 0.0, 1.0).data[2:]]
    (text,) = [m.value for m in pages.open_page("theory").markdown if "The integrand may be negative" in m.value]
    assert [f"*{name}*" in text for name in names] == [True, True]


def test_runs_of_video_whose_losses_are_no_nats_are_left_out():
    options = pages.open_page("theory").selectbox(key="run").options
    assert "best" in options and "source-003-quadrants" in options
    assert not {"video", "video-robot", "source-004-cyclical"} & set(options)


def test_no_runs_get_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    at = pages.open_page("theory")
    assert not at.exception
    assert "no run" in at.info[0].value


def test_unreadable_run_gets_a_sentence(monkeypatch, tmp_path):
    folder = tmp_path / "assets" / "runs" / "broken"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "metrics.jsonl").write_text("{\n")
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    at = pages.open_page("theory")
    assert not at.exception
    assert any("broken" in error.value for error in at.error)
