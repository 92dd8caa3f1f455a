"""The interactive parts of the Theory page, each a fragment: a slider reruns its part alone."""

import math

import streamlit as st
import torch

import ui
from cvae_core import checkpoint, runs
from cvae_core.digits.data import TASKS, small_digits
from cvae_core.digits.inference import estimates
from cvae_core.errors import UserError
from cvae_core.latent import reparameterize
from cvae_core.tense.data import select_split
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.presets import PRESETS, preset
from ui.figures import theory

SAMPLES, SERIES = 500, 3
DRAWN = ("best", "course", "source-000-cyclical", "source-001", "source-002")  # schedules at first
MOST, REPETITIONS = 64, 2000  # importance samples, and how often each number of them is drawn


@st.fragment
def show_kl() -> None:
    """Two Gaussians, their KL in both directions and the integrand."""
    columns = st.columns(2)
    mu_q = columns[0].slider("Mean μ of q", -4.0, 4.0, 1.0, 0.1, key="mu_q", bind="query-params")
    sigma_q = columns[1].slider("Standard deviation σ of q", 0.1, 3.0, 0.5, 0.05, key="sigma_q", bind="query-params")
    mu_p, sigma_p = 0.0, 1.0
    if st.toggle("Another Gaussian for p, instead of the prior N(0, 1)", key="own_p", bind="query-params"):
        columns = st.columns(2)
        mu_p = columns[0].slider("Mean μ of p", -4.0, 4.0, 0.0, 0.1, key="mu_p", bind="query-params")
        sigma_p = columns[1].slider(
            "Standard deviation σ of p", 0.1, 3.0, 2.0, 0.05, key="sigma_p", bind="query-params"
        )
    reverse = theory.gaussian_kl(mu_q, sigma_q, mu_p, sigma_p)
    forward = theory.gaussian_kl(mu_p, sigma_p, mu_q, sigma_q)
    columns = st.columns(2)
    columns[0].metric("KL(q‖p), the one in the loss", f"{reverse:.4f} nats")
    columns[1].metric("KL(p‖q), the other way round", f"{forward:.4f} nats")
    mean_part = 0.5 * ((mu_q - mu_p) / sigma_p) ** 2
    st.markdown(
        f"Of KL(q‖p), {mean_part:.2f} nats come from the difference of the means and {reverse - mean_part:.2f} from "
        "that of the standard deviations. KL(q‖p) is large where q has mass and p has little; KL(p‖q) is large where p "
        "has mass and q has little. As σ of q shrinks, the first grows like −log σ, the second like 1/σ²."
    )
    plotted = st.radio("Plot the integrand of", ["KL(q‖p)", "KL(p‖q)"], horizontal=True, key="terms")
    st.plotly_chart(
        theory.kl_figure(mu_q, sigma_q, mu_p, sigma_p, forward=plotted == "KL(p‖q)"), key="kl figure", config=ui.PLAIN,
        alt=f"Densities of q = N({mu_q}, {sigma_q}²) and p = N({mu_p}, {sigma_p}²), and the integrand of {plotted}",
    )  # fmt: skip
    st.markdown(
        "The area that *adds to the KL* minus the area that *takes away* is the KL. The integrand may be negative; the "
        "integral never is."
    )


@st.fragment
def show_estimates() -> None:
    """Estimates of a digit's log-likelihood by the number of samples."""
    columns = st.columns(2)
    images = small_digits().test
    index = columns[0].number_input(
        "Digit of the test set", 0, len(images.pixels) - 1, 3, key="estimated", bind="query-params"
    )
    quadrants = columns[1].segmented_control("Visible quadrants", list(TASKS), default="1", required=True, key="seen")
    series = _estimate(index, quadrants)
    st.plotly_chart(
        theory.estimates_figure(series), key="estimates figure", config=ui.PLAIN,
        alt=f"Estimates of the log-likelihood of digit {index}'s hidden pixels, by the number of samples",
    )  # fmt: skip
    last = {name: lines[:, -1] for name, lines in series.items()}
    ranges = "; ".join(f"{name} {float(v.min()):.1f} to {float(v.max()):.1f}" for name, v in last.items())
    st.markdown(
        f"Each line is one series of samples of the shipped model. After {SAMPLES:,} samples the estimates are: "
        f"{ranges}. The lines rise: the logarithm of a mean of few samples is biased downwards, and a single sample "
        "that fits well makes it jump."
    )


@st.cache_data(max_entries=50)
def _estimate(index: int, quadrants: str) -> dict[str, torch.Tensor]:
    model, pixels = ui.load_model("digits", "digits"), small_digits().test.pixels[index].float() / 255
    return {
        name: estimates(model, pixels, TASKS[quadrants], SAMPLES, seed=0, times=SERIES, importance=importance)
        for name, importance in (("importance sampling", True), ("Monte Carlo", False))
    }


@st.fragment
def show_noise() -> None:
    """Noise ε and the z = μ + σε that it is mapped to."""
    columns = [*st.columns(2), *st.columns(2)]
    mu = columns[0].slider("Mean μ", -4.0, 4.0, 2.0, 0.1, key="mu", bind="query-params")
    sigma = columns[1].slider("Standard deviation σ", 0.05, 2.0, 0.5, 0.05, key="sigma", bind="query-params")
    count = columns[2].slider("Samples", 1, 60, 20, key="draws", bind="query-params")
    seed = columns[3].number_input("Seed of the noise", 0, 9999, 0, key="seed", bind="query-params")
    zeros = torch.zeros(count)
    # eps is a sample with mu = 0 and sigma = 1; both use the same seed.
    eps = reparameterize(zeros, zeros, torch.Generator().manual_seed(seed))
    z = reparameterize(zeros + mu, zeros + 2 * math.log(sigma), torch.Generator().manual_seed(seed))
    st.plotly_chart(
        theory.noise_figure(eps, z, mu, sigma), key="noise figure", config=ui.PLAIN,
        alt=f"{count} samples of standard normal noise eps and the points mu + sigma * eps",
    )  # fmt: skip
    st.markdown("The noise stays fixed while you move μ and σ; only z moves.")


@st.fragment
def show_schedules() -> None:
    """KL weight, teacher-forcing ratio and learning rate of the presets."""
    chosen = st.pills(
        "Presets", list(PRESETS), selection_mode="multi", default=list(DRAWN), key="presets", bind="query-params"
    )
    x = st.radio("x axis", ["share of training", "epochs"], horizontal=True, key="along", bind="query-params")
    as_printed = st.toggle("Teacher forcing as printed in 000 and 002", key="printed", bind="query-params")
    if not chosen:
        st.info("Choose at least one preset.")
        return
    printed = {
        "000 as printed": [theory.printed_teacher_forcing_000(e, 30) for e in range(30)],
        "002 as printed": [theory.printed_teacher_forcing_002(e, 150, 0.8) for e in range(150)],
    }
    st.plotly_chart(
        theory.schedule_figure(
            {name: preset(name) for name in chosen}, x == "share of training", printed if as_printed else None
        ),
        key="schedule figure", config=ui.PLAIN,
        alt=f"KL weight, teacher-forcing ratio and learning rate of {', '.join(chosen)} in every epoch",
    )  # fmt: skip


@st.fragment
def show_collapse() -> None:
    """The KL of a shipped run over its epochs."""
    metrics = {}
    for run in ui.shipped_runs():
        if run.system == "video":  # its reconstruction loss is a squared error: it is no term of a bound in nats
            continue
        try:
            rows = [row for row in run.read_metrics() if "kl" in row]
        except UserError as error:
            st.error(str(error))
            continue
        if rows:
            metrics[run.id] = rows
    if not metrics:
        st.info("There is no run in assets/runs/.")
        return
    names = sorted(metrics, key=lambda name: metrics[name][-1]["kl"])
    rows = metrics[st.selectbox("Run (smallest final KL first)", names, key="run", bind="query-params")]
    st.markdown(theory.describe_end(rows))
    st.plotly_chart(
        theory.run_figure(rows), key="run figure", config=ui.PLAIN,
        alt="KL, reconstruction loss and KL weight of the run over its epochs",
    )  # fmt: skip
    st.markdown(f"The dashed line is at {theory.COLLAPSED} nats, below which a run counts as collapsed.")


@st.fragment
def show_gap() -> None:
    """The bound and its gap in a model of one dimension, where all terms are known."""
    columns = st.columns(2)
    mu = columns[0].slider("Mean μ of q(z|x)", -2.0, 3.0, 0.0, 0.1, key="gap_mu", bind="query-params")
    sigma = columns[1].slider(
        "Standard deviation σ of q(z|x)", 0.1, 2.0, 1.0, 0.05, key="gap_sigma", bind="query-params"
    )
    terms = theory.bound_terms(mu, sigma)
    st.plotly_chart(
        theory.gap_figure(mu, sigma), key="gap figure", config=ui.PLAIN,
        alt=f"Densities of the prior, of the true posterior and of q = N({mu}, {sigma}²)",
    )  # fmt: skip
    text = (
        f"reconstruction {terms.recon:.2f} − KL to the prior {terms.kl:.2f} = **bound {terms.elbo:.2f}**; adding the "
        f"KL to the true posterior, {terms.gap:.2f}, gives **log p(x) = {terms.elbo + terms.gap:.2f}**, wherever q is. "
        "Move q onto the true posterior: the gap closes. Move it onto the prior: the KL in the bound is 0, and the "
        "reconstruction pays for it."
    )
    st.markdown(text.replace("-", "−"))


@st.fragment
def show_importance() -> None:
    """The importance-weighted bound by its number of samples, in the same model."""
    st.plotly_chart(
        theory.importance_figure(_importance_bounds()), key="importance figure", config=ui.PLAIN,
        alt="The importance-weighted bound rises with the number of samples towards log p(x)",
    )  # fmt: skip
    st.markdown(
        f"The same model of one dimension, q being the prior. Each point is the mean of {REPETITIONS:,} estimates: "
        "with one sample it is the bound of the steps above, with more it rises towards log p(x)."
    )


@st.cache_data
def _importance_bounds() -> dict[int, float]:
    return theory.importance_bounds(MOST, REPETITIONS)


@st.fragment
def show_levels() -> None:
    """KL and mutual information of both levels of the model of verbs, in the first step of its training."""
    try:
        rows = runs.find("best", checkpoint.ROOT / "assets" / "runs").read_metrics()
    except UserError as error:
        st.error(str(error))
        return
    st.plotly_chart(
        theory.levels_figure(rows), key="levels figure", config=ui.PLAIN,
        alt="KL of z and of s over the epochs of the run best, in nats, and the information about the word in each",
    )  # fmt: skip
    last, verbs = rows[-1], len(select_split(load_lexicon().verbs, "train"))
    st.markdown(
        f"The run `best`: at its end z costs {last['kl']:.1f} nats a word and s {last['kl_s']:.1f}. To tell the "
        f"{verbs:,} training verbs apart takes log {verbs:,} = {math.log(verbs):.1f} nats."
    )


# By the names that assets/theory/ has.
PLOTS = {
    "gap": show_gap, "importance": show_importance, "levels": show_levels, "kl": show_kl, "noise": show_noise,
    "schedules": show_schedules, "collapse": show_collapse, "estimates": show_estimates,
}  # fmt: skip
