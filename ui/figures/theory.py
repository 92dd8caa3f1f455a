"""Plotly figures of the Theory page: KL of Gaussians, reparameterization, estimates, schedules, the KL of a run."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from cvae_core.collapse import COLLAPSED, collapsed, collapsed_since
from cvae_core.config import TrainConfig
from cvae_core.latent import kl_between, log_mean_exp, log_normal
from cvae_core.step import beta_at, learning_rate_at, teacher_forcing_at
from ui.figures import COLOURS, GREY, RED

OBSERVED, NOISE = 1.5, 0.5  # x, and the standard deviation of p(x|z), in the model of one dimension


def gaussian_kl(mu_q: float, sigma_q: float, mu_p: float = 0.0, sigma_p: float = 1.0) -> float:
    """`kl_between` of numbers, in double precision."""
    numbers = (mu_q, 2 * math.log(sigma_q), mu_p, 2 * math.log(sigma_p))
    return kl_between(*(torch.tensor(number, dtype=torch.double) for number in numbers)).item()


def log_density(x: np.ndarray, mu: float, sigma: float) -> np.ndarray:
    """log N(x; mu, sigma^2)."""
    return -0.5 * math.log(2 * math.pi) - math.log(sigma) - 0.5 * ((x - mu) / sigma) ** 2


def kl_figure(mu_q: float, sigma_q: float, mu_p: float, sigma_p: float, forward: bool = False) -> go.Figure:
    """The densities of q and p, and below them the integrand of KL(q || p), or of KL(p || q) if `forward`.

    The signed area under the integrand is the KL.
    """
    x = np.linspace(min(mu_q - 5 * sigma_q, mu_p - 5 * sigma_p), max(mu_q + 5 * sigma_q, mu_p + 5 * sigma_p), 801)
    log_q, log_p = log_density(x, mu_q, sigma_q), log_density(x, mu_p, sigma_p)
    first, second = (log_p, log_q) if forward else (log_q, log_p)
    integrand = np.exp(first) * (first - second)

    name = "p log(p/q)" if forward else "q log(q/p)"
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.12, subplot_titles=["densities", name])
    for label, values, colour in (("q", log_q, COLOURS[0]), ("p", log_p, COLOURS[1])):
        figure.add_scatter(x=x, y=np.exp(values), name=label, line_color=colour, fill="tozeroy", row=1, col=1)
    for label, values, colour in (
        ("adds to the KL", integrand.clip(min=0), COLOURS[2]),
        ("takes away", integrand.clip(max=0), COLOURS[3]),
    ):
        figure.add_scatter(x=x, y=values, name=label, line_color=colour, fill="tozeroy", row=2, col=1)
    figure.update_xaxes(title="z", row=2, col=1)
    return _finish(figure, 460)


def noise_figure(eps: Tensor, z: Tensor, mu: float, sigma: float) -> go.Figure:
    """Points of eps (n,) above, z = mu + sigma * eps (n,) below, a line per pair, and both densities."""
    e, y = eps.tolist(), z.tolist()
    reach = max(8.0, max(map(abs, [*e, *y])) + 0.5)
    x = np.linspace(-reach, reach, 601)
    bell = 0.6 * np.exp(-0.5 * x**2)
    figure = go.Figure()
    figure.add_scatter(x=x, y=1 + bell, mode="lines", line_color=GREY, showlegend=False, hoverinfo="skip")
    low = -0.6 * np.exp(-0.5 * ((x - mu) / sigma) ** 2)
    figure.add_scatter(x=x, y=low, mode="lines", line_color=COLOURS[0], showlegend=False, hoverinfo="skip")
    links = [v for a, b in zip(e, y, strict=True) for v in (a, b, None)]
    figure.add_scatter(
        x=links, y=[1, 0, None] * len(e), mode="lines", name="the same sample", hoverinfo="skip",
        line={"color": GREY, "width": 1},
    )  # fmt: skip
    for name, values, height, colour in (("ε, sampled once", e, 1, GREY), ("z = μ + σε", y, 0, COLOURS[0])):
        figure.add_scatter(
            x=values, y=[height] * len(values), mode="markers", name=name, marker={"color": colour, "size": 9},
            hovertemplate="%{x:.2f}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(range=[-reach, reach], zeroline=False)
    figure.update_yaxes(range=[-0.7, 1.7], tickvals=[0, 1], ticktext=["z", "ε"], showgrid=False, zeroline=False)
    return _finish(figure, 360)


class Bound(NamedTuple):
    """The terms of the bound, in nats, where p(z) = N(0, 1) and p(x|z) = N(z, NOISE²)."""

    recon: float
    kl: float
    gap: float  # KL from the true posterior

    @property
    def elbo(self) -> float:
        """The bound."""
        return self.recon - self.kl


def true_posterior() -> tuple[float, float]:
    """Mean and standard deviation of p(z|x)."""
    precision = 1 + NOISE**-2
    return OBSERVED * NOISE**-2 / precision, precision**-0.5


def bound_terms(mu: float, sigma: float) -> Bound:
    """The terms for q(z|x) = N(mu, sigma²) and x = OBSERVED, in closed form."""
    recon = -0.5 * (math.log(2 * math.pi * NOISE**2) + ((OBSERVED - mu) ** 2 + sigma**2) / NOISE**2)
    return Bound(recon, gaussian_kl(mu, sigma), gaussian_kl(mu, sigma, *true_posterior()))


def gap_figure(mu: float, sigma: float) -> go.Figure:
    """Densities of the prior, of the true posterior and of q."""
    z = np.linspace(-4, 4, 401)
    figure = go.Figure()
    posterior = ("true posterior p(z|x)", *true_posterior(), COLOURS[2], "dash")
    for name, mean, deviation, colour, dash in (
        ("prior p(z)", 0.0, 1.0, GREY, "dot"), posterior, ("q(z|x)", mu, sigma, COLOURS[0], "solid"),
    ):  # fmt: skip
        line = {"color": colour, "dash": dash}
        figure.add_scatter(x=z, y=np.exp(log_density(z, mean, deviation)), name=name, mode="lines", line=line)
    figure.update_xaxes(title="z")
    return _finish(figure, 300)


def importance_bounds(most: int, repetitions: int, seed: int = 0) -> dict[int, float]:
    """The mean importance-weighted bound by its number of samples, with the prior as q, in the same model."""
    z = torch.randn(repetitions, most, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    log_weights = log_normal(torch.full_like(z, OBSERVED)[..., None], z[..., None], torch.tensor(2 * math.log(NOISE)))
    counts = [2**i for i in range(int(math.log2(most)) + 1)]
    return {k: log_mean_exp(log_weights[:, :k], 1).mean().item() for k in counts}


def importance_figure(bounds: dict[int, float]) -> go.Figure:
    """The bounds by their number of samples, and log p(x)."""
    figure = go.Figure()
    figure.add_scatter(
        x=list(bounds), y=list(bounds.values()), name="bound", mode="lines+markers", line_color=COLOURS[0]
    )
    exact = bound_terms(0.0, 1.0)
    figure.add_scatter(
        x=[1, max(bounds)], y=[exact.elbo + exact.gap] * 2, name="log p(x)", mode="lines",
        line={"color": COLOURS[2], "dash": "dash"},
    )  # fmt: skip
    figure.update_xaxes(title="samples K", type="log", tickvals=list(bounds))
    figure.update_yaxes(title="nats")
    return _finish(figure, 320)


def levels_figure(rows: Sequence[dict[str, Any]]) -> go.Figure:
    """KL and mutual information of z and of s by epoch, of a run of the model of verbs."""
    figure = go.Figure()
    for level, key, colour in (("z", "kl", COLOURS[0]), ("s", "kl_s", COLOURS[1])):
        for name, label, dash in (
            (key, f"KL of {level}", "solid"),
            (f"mutual_information_{level}", f"information in {level}", "dot"),
        ):
            found = [next((v for k, v in row.items() if k == name or k.endswith(f"_{name}")), None) for row in rows]
            figure.add_scatter(
                x=[row["epoch"] for row in rows],
                y=found,
                name=label,
                mode="lines",
                line={"color": colour, "dash": dash},
            )
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="nats", rangemode="tozero")
    return _finish(figure, 320)


def schedule_values(config: TrainConfig) -> tuple[list[float], ...]:
    """KL weight, teacher-forcing ratio and learning rate at the start of every epoch, as `fit` computes them."""
    at = (beta_at, teacher_forcing_at, learning_rate_at)
    return tuple([schedule(config, epoch) for epoch in range(config.epochs)] for schedule in at)


def estimates_figure(estimates: dict[str, Tensor]) -> go.Figure:
    """Estimates of a log-likelihood against the number of samples: per estimator several series (series, samples)."""
    figure = go.Figure()
    for colour, (name, lines) in zip(COLOURS, estimates.items(), strict=False):
        x = np.unique(np.geomspace(1, lines.shape[1], 80).astype(int))
        for i, line in enumerate(lines.cpu().numpy()):
            figure.add_scatter(
                x=x, y=line[x - 1], name=name, legendgroup=name, showlegend=i == 0, line={"color": colour, "width": 1.5}
            )
    figure.update_xaxes(title="samples", type="log")
    figure.update_yaxes(title="log p(y|x), nats")
    return _finish(figure, 380)


def schedule_figure(
    configs: dict[str, TrainConfig], by_share: bool = False, printed: dict[str, list[float]] | None = None
) -> go.Figure:
    """A panel per schedule and a line per config, against the epoch or the share of training.

    `printed` adds lists of teacher-forcing ratios, one per epoch, as red lines.
    """
    panels = ["KL weight β", "teacher-forcing ratio", "learning rate (log scale)"]
    figure = make_subplots(3, 1, shared_xaxes=True, vertical_spacing=0.07, subplot_titles=panels)
    for i, (name, config) in enumerate(configs.items()):
        # Later lines are thinner, so that the ones below them stay visible.
        width = 1.5 + 5 * (len(configs) - 1 - i) / len(configs)
        line = {"color": COLOURS[i % len(COLOURS)], "width": width, "shape": "hv"}
        for row, values in enumerate(schedule_values(config), start=1):
            figure.add_scatter(
                x=_epoch_axis(len(values), by_share), y=values, name=name, legendgroup=name, showlegend=row == 1,
                mode="lines", line=line, row=row, col=1,
            )  # fmt: skip
    for i, (name, values) in enumerate((printed or {}).items()):
        line = {"color": RED, "dash": ("dash", "dot")[i % 2]}
        x = _epoch_axis(len(values), by_share)
        figure.add_scatter(x=x, y=values, name=name, mode="lines", line=line, row=2, col=1)
    figure.update_yaxes(type="log", dtick=1, tickformat="~g", row=3, col=1)
    figure.update_xaxes(title="share of training" if by_share else "epoch", row=3, col=1)
    return _finish(figure, 640)


def _epoch_axis(epochs: int, by_share: bool) -> list[float]:
    """x values of the epochs: from 1, or as the share of training before each."""
    return [e / epochs if by_share else e + 1 for e in range(epochs)]


def printed_teacher_forcing_000(epoch: int, epochs: int) -> float:
    """Report 000's code as printed: the ratio drops from 1 to 0 at half of training, then goes below 0."""
    return 1.0 if epoch < epochs / 2 else 1 - epoch / (epochs / 2)


def printed_teacher_forcing_002(epoch: int, epochs: int, final: float) -> float:
    """Report 002's code as printed: the line that begins with `+` is a separate statement, so the slope is lost."""
    return 1.0 if epoch < int(0.2 * epochs) else final


def describe_end(rows: Sequence[dict[str, Any]]) -> str:
    """Whether a run collapsed and how its losses ended, as Markdown; from its metrics, a row per epoch."""
    kl, epochs = rows[-1]["kl"], rows[-1]["epoch"]
    if collapsed(rows):
        since = collapsed_since(rows)
        state = (
            f"This run has **collapsed**. It ended after {epochs} epochs with a KL of {kl:.2g} nats, and it has been "
            f"below {COLLAPSED} since epoch {since}: q is nearly the prior for every input, so z carries no "
            "information, and the decoder has only the condition and its previous outputs."
        )
    else:
        top = max(rows, key=lambda row: row["kl"])
        state = (
            f"This run has **not collapsed**. It ended after {epochs} epochs with a KL of {kl:.2f} nats: on average "
            f"z carries at most that much information about the input, the answers to {kl / math.log(2):.1f} yes-or-no "
            f"questions. The KL was highest, {top['kl']:.1f} nats, in epoch {top['epoch']}."
        )
    if "recon" in rows[-1] and "beta" in rows[-1]:
        state += (
            f" The reconstruction loss went from {rows[0]['recon']:.2f} to {rows[-1]['recon']:.2f} nats, "
            f"and the KL weight ended at {rows[-1]['beta']:.2g}."
        )
    return state


def run_figure(rows: Sequence[dict[str, Any]]) -> go.Figure:
    """KL, reconstruction loss, KL weight and scores of a run by epoch, a panel for each that the run has."""
    metrics = {
        "KL in nats (log scale)": ["kl"],
        "reconstruction loss in nats": ["recon"],
        "KL weight β": ["beta"],
        "scores": ["bleu4", "gaussian"],
    }
    panels = {title: names for title, names in metrics.items() if any(n in row for row in rows for n in names)}
    figure = make_subplots(
        len(panels), 1, shared_xaxes=True, vertical_spacing=0.2 / len(panels), subplot_titles=list(panels)
    )
    epochs = [row["epoch"] for row in rows]
    for panel, names in enumerate(panels.values(), start=1):
        for name in names:
            figure.add_scatter(
                x=epochs, y=[row.get(name) for row in rows], name=NAMES[name], mode="lines+markers", marker_size=4,
                line_color=COLOURS[len(figure.data) % len(COLOURS)], showlegend=len(names) > 1, row=panel, col=1,
            )  # fmt: skip
    figure.add_hline(COLLAPSED, line_dash="dash", line_color=RED, row=1, col=1)
    figure.update_yaxes(type="log", dtick=1, tickformat="~g", row=1, col=1)
    figure.update_xaxes(title="epoch", row=len(panels), col=1)
    return _finish(figure, 120 + 140 * len(panels))


NAMES = {"kl": "KL", "recon": "reconstruction", "beta": "β", "bleu4": "BLEU-4", "gaussian": "Gaussian score"}


def _finish(figure: go.Figure, height: int) -> go.Figure:
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    figure.update_layout(
        height=height, margin={"l": 10, "r": 10, "t": 30, "b": 10}, hovermode="closest",
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return figure
