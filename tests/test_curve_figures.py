"""Figures of the Curves page: panels, axes, bands, stars, and what a browser can draw."""

import numpy as np
import pandas as pd
import pytest

from cvae_core import checkpoint, curves, runs
from tests.logged import make_run
from ui.curves.labels import names_in_words
from ui.figures.curves import CURVE_POINTS, POINTS, metric_figure, panel_order, run_styles, score_figure


@pytest.fixture
def history(tmp_path):
    return curves.load(make_run(tmp_path))


def lines(figure, axis=None):
    """Traces with points, without stars."""
    drawn = [t for t in figure.data if t.mode == "lines" and t.x[0] is not None]
    return [t for t in drawn if axis is None or t.yaxis == axis]


def test_panels_stand_one_above_the_other_on_one_axis(history):
    figure = metric_figure({"a": history, "b": history}, ["loss", "bleu4"], ["beta"], best={"a": 2, "b": 2})
    assert {t.xaxis for t in lines(figure)} == {"x"}
    assert figure.layout.hovermode == "x unified" and figure.layout.hoversubplots == "axis"
    domains = [figure.layout[axis].domain for axis in ("yaxis", "yaxis2", "yaxis3")]
    assert all(lower[1] < upper[0] for upper, lower in zip(domains, domains[1:], strict=False))
    assert figure.layout.xaxis.anchor == "y3"


def test_a_schedule_is_below_what_it_affects():
    schedules = ["beta", "learning_rate", "teacher_forcing_ratio"]
    order = ["loss", "learning_rate", "recon", "teacher_forcing_ratio", "kl", "kl_s", "beta", "bleu4"]
    assert panel_order(["loss", "recon", "kl", "kl_s", "bleu4"], schedules) == order
    assert panel_order(["bleu4"], ["beta"]) == ["bleu4", "beta"]


def test_panels_have_names_in_words_and_a_logarithmic_x_axis(history):
    figure = metric_figure({"a": history}, ["kl"], ["beta"], labels={"kl": "KL, nats"}, log_x=True)
    assert [note.text for note in figure.layout.annotations] == ["<b>KL, nats</b>", "<b>beta</b>"]
    assert figure.layout.xaxis.type == "log" and figure.layout.legend.yanchor == "top"


def test_a_run_has_one_colour_one_group_and_one_entry_in_the_legend(history):
    figure = metric_figure({"a": history, "b": history}, ["loss", "bleu4"], ["beta"], smoothing=0.5)
    for run in ("a", "b"):
        traces = [t for t in figure.data if t.legendgroup == run]
        assert len({t.line.color for t in traces if t.mode == "lines"}) == 1
        assert sum(t.showlegend for t in traces) == 1


def test_many_runs_all_look_different():
    styles = run_styles([str(i) for i in range(30)])
    assert len({(s["color"], s["dash"]) for s in styles.values()}) == 30


def test_smoothing_keeps_the_line_as_logged_and_leaves_schedules(history):
    figure = metric_figure({"a": history}, ["loss"], ["beta"], smoothing=0.9)
    raw, smoothed = sorted(lines(figure, "y"), key=lambda t: t.opacity or 1)
    assert list(raw.y) == [4.0, 2.0, 3.0] and raw.opacity < 0.5
    assert list(smoothed.y) != list(raw.y)
    (beta,) = lines(figure, "y2")
    assert list(beta.y) == [0.0, 0.1, 0.2]


def test_log_scale_drops_what_is_not_positive_but_not_in_schedules(history):
    figure = metric_figure({"a": history}, ["kl"], ["beta"], log_y=True)
    assert list(lines(figure, "y")[0].y) == [0.5, 1.5]
    assert figure.layout.yaxis.type == "log" and figure.layout.yaxis2.type != "log"
    assert list(lines(figure, "y2")[0].y) == [0.0, 0.1, 0.2]


def test_clipping_changes_the_range_and_no_value():
    frame = pd.DataFrame({"epoch": range(100), "hours": 0.0, "loss": [1e6] + [1.0, 2.0, 3.0] * 33, "beta": 0.1})
    figure = metric_figure({"a": frame}, ["loss"], ["beta"], clip=True)
    assert figure.layout.yaxis.range[1] < 4 and figure.layout.yaxis2.range is None
    assert max(lines(figure, "y")[0].y) == 1e6
    log = metric_figure({"a": frame}, ["loss"], [], clip=True, log_y=True)
    assert log.layout.yaxis.range[1] < 1  # in powers of 10


@pytest.mark.parametrize("log_y", [False, True])
def test_a_group_has_a_band_of_one_standard_deviation_around_its_mean(history, log_y):
    group = curves.group_history([history, history.assign(loss=history["loss"] + 2)])
    figure = metric_figure({"group": group}, ["loss"], [], log_y=log_y)
    [band] = [trace for trace in figure.data if trace.fill == "toself"]
    mean = history["loss"].dropna().to_numpy() + 1
    high, low = np.array(band.y).reshape(2, -1)
    np.testing.assert_allclose(high, mean + 2**0.5)
    np.testing.assert_allclose(low[::-1], np.maximum(mean - 2**0.5, mean / 10) if log_y else mean - 2**0.5)
    assert not [t for t in metric_figure({"one": history}, ["loss"], []).data if t.fill == "toself"]


def test_x_is_the_epoch_the_step_or_time(history):
    def across(x, frame):
        figure = metric_figure({"a": frame}, ["loss"], [], x)
        return list(lines(figure)[0].x), figure.layout.xaxis.title.text

    assert across("epoch", history) == ([1, 2, 3], "epoch")
    assert across("step", history) == ([10, 20, 30], "steps of the optimizer")
    assert across("time", history) == ([30, 60, 120], "training time in minutes")
    longer = history.assign(hours=2 * history["hours"])
    assert across("time", longer) == ([1, 2, 4], "training time in hours")


def test_best_epoch_gets_a_star_in_each_panel_of_metrics(history):
    figure = metric_figure({"a": history}, ["loss", "bleu4"], ["beta"], best={"a": 2})
    stars = {t.yaxis: (t.x[0], t.y[0]) for t in figure.data if t.mode == "markers"}
    assert stars == {"y": (2, 2.0), "y2": (2, 0.9)}
    assert not [t for t in metric_figure({"a": history}, ["loss"], [], best={"a": None}).data if t.mode == "markers"]


def test_a_metric_that_a_run_lacks_leaves_its_panel_to_the_others(history):
    figure = metric_figure({"a": history, "b": history.drop(columns="loss")}, ["loss"], [], x="step")
    assert [t.legendgroup for t in lines(figure)] == ["a"]


def test_many_long_runs_stay_within_the_points_that_a_browser_draws_fast():
    long = pd.DataFrame({"epoch": np.arange(5000.0), "hours": 0.0, "loss": np.random.default_rng(0).normal(size=5000)})
    (line,) = lines(metric_figure({"a": long}, ["loss"], []))
    assert len(line.x) <= CURVE_POINTS
    best = {str(i): 100 for i in range(30)}
    many = metric_figure({str(i): long for i in range(30)}, ["loss", "loss"], [], smoothing=0.5, best=best)
    assert sum(len(t.x) for t in lines(many)) <= POINTS
    assert all(t.opacity is None for t in lines(many))  # no faint lines
    assert {t.yaxis for t in many.data if t.mode == "markers"} == {"y"}


def test_two_scores_make_a_path_with_marked_ends(history):
    frame = history.assign(gaussian=[0.0, 0.1, 0.2, 0.3])
    (path,) = score_figure({"a": frame, "without": history}, "bleu4", "gaussian").data
    assert list(path.x) == [0.1, 0.3, 0.9] and list(path.customdata) == [0, 1, 2]
    assert path.marker.symbol == ("circle-open", "circle", "square")
    assert path.mode == "lines+markers" and "epoch" in path.hovertemplate


def test_a_path_of_one_epoch_is_drawn(history):
    (path,) = score_figure({"a": history.head(1)}, "bleu4", "score").data
    assert list(path.x) == [0.1]


def test_every_logged_number_of_a_latent_level_has_a_name_in_words():
    columns = ["kl_s", "validation_kl_z", "training_nll_s"]
    assert list(names_in_words("tense", columns).values()) == [
        "KL of s, nats", "KL of z, nats (validation verbs)", "importance-weighted NLL by s, nats (training verbs)",
    ]  # fmt: skip
    for run in runs.list_runs(checkpoint.ROOT / "assets" / "runs", "tense"):
        columns = [name for name in curves.load(run) if name.endswith(("_z", "_s"))]
        assert not [name for name, label in names_in_words("tense", columns).items() if label == name.replace("_", " ")]
