"""Where the loss comes from, step by step, with things to play with."""

import streamlit as st

import ui

ui.frame("theory")

import math

import torch

from cvae_core import checkpoint, runs
from cvae_core.digits.data import TASKS, small_digits
from cvae_core.digits.inference import estimates
from cvae_core.errors import UserError
from cvae_core.figures import theory
from cvae_core.latent import reparameterize
from cvae_core.tense.presets import PRESETS, preset

PLAIN = {"displayModeBar": False}
DRAWS, SERIES = 500, 3

# Each step: what it says, why, and the equation in TeX.
BOUND = [
    (
        "What is wanted: the probability of the data",
        "The decoder says how probable a word x is, given a latent vector z and a condition c (the tense). Nobody "
        "wrote z down, so every z counts, weighted by the prior. No computer can do this integral: almost every z "
        "gives the word next to no probability, and the few that matter are hard to find.",
        r"\log p(x|c) = \log \int p(x|z,c)\, p(z|c)\, dz",
    ),
    (
        "Let an encoder say where to look",
        "Take any distribution q(z|x,c) over z; the encoder will supply it. The left side does not depend on z, so "
        "averaging it over q changes nothing. The second line is Bayes' rule.",
        r"\begin{aligned} \log p(x|c) &= \mathbb{E}_q[\log p(x|c)] \\"
        r" &= \mathbb{E}_q\!\left[\log \frac{p(x,z|c)}{p(z|x,c)}\right] \end{aligned}",
    ),
    (
        "Multiply and divide by q",
        r"The logarithm falls into two parts. The first, $\mathcal{L}$, holds only things that can be computed. The "
        "second, the Kullback–Leibler divergence (KL), tells how far q is from the true posterior p(z|x,c).",
        r"\begin{aligned} \log p(x|c) &= \underbrace{\mathbb{E}_q\!\left[\log "
        r"\frac{p(x,z|c)}{q(z|x,c)}\right]}_{\mathcal{L}} \\"
        r" &\quad + \mathrm{KL}\big(q(z|x,c)\,\|\,p(z|x,c)\big) \end{aligned}",
    ),
    (
        "A KL is never negative, so the first part is a lower bound",
        "The logarithm is concave, so by Jensen's inequality its average is at most the logarithm of the average. "
        r"Hence $\mathcal{L}$ is at most log p(x|c). It is called the evidence lower bound (ELBO). The gap is exactly "
        "the KL above: it is zero only where the encoder gives the true posterior.",
        r"\begin{aligned} -\mathrm{KL}(q\|p) &= \mathbb{E}_q\!\left[\log \frac{p}{q}\right] \\"
        r" &\le \log \mathbb{E}_q\!\left[\frac{p}{q}\right] \le \log 1 = 0 \end{aligned}",
    ),
    (
        "Split the bound into its two terms",
        "Since p(x,z|c) = p(x|z,c) p(z|c), the bound is reconstruction minus KL: how well the decoder writes the word "
        "from the encoder's z, less what it costs to move q away from the prior. Here the prior is "
        "p(z|c) = N(0, I), the same for every tense.",
        r"\begin{aligned} \log p(x|c) \ge{} & \mathbb{E}_{q(z|x,c)}[\log p(x|z,c)] \\"
        r" & - \mathrm{KL}\big(q(z|x,c)\,\|\,p(z|c)\big) \end{aligned}",
    ),
    (
        "What the program minimises",
        "The bound with its sign turned: the cross entropy of the word, summed over its letters, with one z drawn for "
        "each word, plus the KL, summed over the dimensions of z. Both are in nats (natural logarithms; 1 nat is 1.44 "
        "bits) and averaged over the batch. Only with weight β = 1 is this the bound; β < 1 lets z carry more, and the "
        "sum is then no longer a bound on log p(x|c). When a verb is converted, the encoder sees it in another tense "
        "than the one to be written: that is allowed, because step 2 took any q.",
        r"\mathrm{loss} = \underbrace{-\log p(x|z,c)}_{\mathrm{recon}} + \beta\, \mathrm{KL},\quad z \sim q",
    ),
    (
        "A tighter bound: importance weighting",
        "Draw K latents instead of one and average their weights inside the logarithm (Burda et al. 2016). K = 1 is "
        "the ELBO; more draws never loosen the bound, and it tends to log p(x|c).",
        r"\begin{aligned} \log p(x|c) &\ge \mathbb{E}\!\left[\log \frac{1}{K} \sum_{k=1}^{K} w_k\right] \\"
        r" &\ge \mathcal{L} \\ w_k &= \frac{p(x|z_k,c)\, p(z_k|c)}{q(z_k|x,c)} \end{aligned}",
    ),
]

GAUSSIAN_KL = [
    (
        "One dimension at a time",
        "The encoder gives a mean μ and a standard deviation σ for each dimension of z, and the dimensions are "
        "independent. So log q and log p are sums over dimensions, the KL is a sum too, and one dimension is enough.",
        r"\mathrm{KL}(q\|p) = \mathbb{E}_q[\log q(z) - \log p(z)]",
    ),
    (
        "The two log densities",
        "q is N(μ, σ²), the prior p is N(0, 1).",
        r"\begin{aligned} \log q(z) &= -\tfrac12 \log (2\pi\sigma^2) - \frac{(z-\mu)^2}{2\sigma^2} \\"
        r" \log p(z) &= -\tfrac12 \log 2\pi - \tfrac12 z^2 \end{aligned}",
    ),
    (
        "Average them over q",
        "Two averages are needed: that of (z − μ)² under q is the variance σ², and that of z² is μ² + σ².",
        r"\begin{aligned} \mathbb{E}_q[\log q] &= -\tfrac12 \log (2\pi\sigma^2) - \tfrac12 \\"
        r" \mathbb{E}_q[\log p] &= -\tfrac12 \log 2\pi - \tfrac12 (\mu^2 + \sigma^2) \end{aligned}",
    ),
    (
        "Subtract",
        "What is left, summed over the J dimensions of z, in nats. It is zero only for μ = 0 and σ = 1. The network "
        "puts out log σ², which may be any number, where σ² would have to be positive.",
        r"\mathrm{KL} = \tfrac12 \sum_{j=1}^{J} \left(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\right)",
    ),
    (
        "Any two Gaussians",
        "Needed where the prior is not standard, such as a prior that a network computes from the condition. Moving "
        "and stretching q and p alike leaves the KL unchanged, so make p standard: in the line above put "
        r"$(\mu_q - \mu_p) / \sigma_p$ for μ and $\sigma_q / \sigma_p$ for σ. Diagonal Gaussians again sum over "
        "dimensions.",
        r"\begin{aligned} \mathrm{KL}(q\|p) ={} & \log \frac{\sigma_p}{\sigma_q} - \frac12 \\"
        r" & + \frac{\sigma_q^2 + (\mu_q - \mu_p)^2}{2\sigma_p^2} \end{aligned}",
    ),
]

STRUCTURED = [
    (
        "Part of a picture is hidden",
        "x is what is seen of a digit, y the rest. Many y fit one x, so a network that gives one answer gives the mean "
        "of them all, a blur. Let a latent z say which of them it is; how probable each z is depends on x, so the "
        "prior is a network, too. In the program it also sees ŷ, the guess of a deterministic baseline.",
        r"p(y|x) = \int p(y|x,z)\, p(z|x)\, dz",
    ),
    (
        "The same bound, with a prior that has seen x",
        "Nothing in the steps above asked the prior to be N(0, I). The recognition network q sees the whole picture. "
        "The KL is that of any two Gaussians, below.",
        r"\begin{aligned} \log p(y|x) \ge{} & \mathbb{E}_{q(z|x,y)}[\log p(y|x,z)] \\"
        r" & - \mathrm{KL}\big(q(z|x,y)\,\|\,p(z|x)\big) = \mathcal{L}_{\mathrm{CVAE}} \end{aligned}",
    ),
    (
        "Trained one way, used another",
        "In training z comes from q, which knows the answer; in use it comes from p(z|x), which does not. The KL draws "
        "the two together, and weighing it by 1 + β draws them closer; the paper found that this does not help. "
        "Putting p(z|x) for q removes the difference and the KL: a Gaussian stochastic neural network (GSNN). By "
        "Jensen's inequality it is a bound as well.",
        r"\mathcal{L}_{\mathrm{GSNN}} = \mathbb{E}_{p(z|x)}[\log p(y|x,z)] \le \log p(y|x)",
    ),
    (
        "A bit of both",
        "The hybrid: α = 1 is the CVAE, α = 0 the GSNN. A mean of two lower bounds is a lower bound.",
        r"\mathcal{L}_{\mathrm{hybrid}} = \alpha\, \mathcal{L}_{\mathrm{CVAE}} + (1 - \alpha)\, "
        r"\mathcal{L}_{\mathrm{GSNN}}",
    ),
    (
        "How probable was the truth?",
        "Both estimates are right on average, before the logarithm. Monte Carlo draws from the prior and waits for a z "
        "that fits; importance sampling draws where the recognition network says it fits, and weighs each draw for "
        "having been sent there.",
        r"\begin{aligned} p(y|x) &\approx \frac1S \sum_{s} p(y|x,z_s), & z_s &\sim p(z|x) \\"
        r" &\approx \frac1S \sum_{s} \frac{p(y|x,z_s)\, p(z_s|x)}{q(z_s|x,y)}, & z_s &\sim q(z|x,y) \end{aligned}",
    ),
]

DIFFERENCES = """
- **z is made from** the encoder's last hidden state (000), or from hidden state and cell state, with a z of its own for
  each (002). 001 does not say which.
- **The tense** is a learned embedding (000, 002) or a one-hot vector (001).
- **The KL weight** goes up to 1 in one cycle, in several, or along a sigmoid (000); in a straight line to 0.1 (001);
  or stays at 0 for a fifth of each cycle and then rises, in one cycle or two (002).
- **Teacher forcing** falls from 1 to 0, here in the second half of training (000, which also tried other shapes), is
  multiplied by 0.85 every 3 epochs (001), or falls after a fifth of training to 0.8 or 0.4 (002).
"""

SLIPS = {
    "000: Deep Learning and Practice Lab4 – VAE": """
- Its section 2, “Derivation of CVAE”, derives log P(X): the condition never appears. With c added everywhere it holds.
- The first line of its L(v) has log p(x|z) where the joint log p(x, z) belongs; the next adds the missing log p(z).
- Section 3 calls the prior q and the posterior p, the other way round than section 2. Its result, with the minus sign
  on the left and the ½ on the right, is correct. When section 4 repeats it, the ½ is gone. The code has it.
- In the code, `variance` is the log variance: the loss takes `variance.exp()`.
- `nn.CrossEntropyLoss()` averages over the letters while the KL is summed over z. With 8 letters to predict, the KL
  thus weighs 8 times what it does in the bound.
- In `_kl_weight` the `else` belongs to the wrong `if`. “Cyclical” returns nothing at all in every other period,
  beginning with the first; the rise that was meant there is what any third name would get.
- The teacher-forcing ratio, `1 - epoch / (total_epoch / 2)` in the second half, drops from 1 to 0 at once and then
  turns negative: −0.93 in the last of 30 epochs. The text says that it falls in a straight line, and so it does here.
""",
    "001: Lab4-Conditional sequence-to-sequence VAE": """
- The text has `z=mean+ epsilon* var`; the code rightly multiplies by the standard deviation, `exp(0.5 * log_var)`.
- It says that reparameterisation brings q closer to a Gaussian. q is a Gaussian by construction, and the KL term is
  what draws it to N(0, I). Reparameterisation lets gradients through.
- It says that a KL which falls to 0 quickly leaves a small variance, “not much different from a single point”
  (translated). It is the reverse: KL = 0 means μ = 0 and σ = 1 for every word, and a point is expensive: σ = 0.1 costs
  1.81 nats per dimension.
- It writes q(z|c), though its encoder reads the word too: q(z|x,c).
""",
    "002: Lab5: Conditional Sequence-to-Sequence VAE": """
- It computes z “by an equation e^(log var./2) + mean”: the noise ε is missing. The code multiplies by it.
- The derivation begins with q(Z|c) and ends with q(Z|X,c;φ), once with θ for φ; one term has lost its c, “q(Z)”.
- In `teacher_forcing_ratio` a line is broken before its `+`. What follows is then a statement by itself, and the slope
  is lost: with a final ratio of 0.4 and 150 epochs the ratio is 1 in epoch 30 and 0.4 from epoch 31 on. The text
  describes a straight line, and that is what is drawn here.
- The final KL weight is not printed. The preset takes 0.1, which a course repository of the same make prints.
""",
    "003: CVAE, the paper and its implementation (an essay on Sohn, Lee and Yan 2015)": """
- It writes z = εσ² + μ; its code multiplies by the standard deviation.
- “The first term looks insignificant (can be marginalized)” (translated): the KL of two Gaussians is not small; it can
  be integrated in closed form, so that it needs no draws.
- In the bound on log p(y|x), one line has lost the log of “log q(z|x,y)”, and the line before the last has p(y|x,z)
  within its KL as well as beside it. The result is correct. The integrals are over z, not φ.
- It says that z is made independent of x, p(z|x) = p(z), and later that a prior network p(z|x) also sees ŷ. The first
  is its implementation, which is told only the label; the second is the paper's.
- A comment in the loss calls the pixels “p(x|z,y), a standard normal”. They are data, and their likelihood a
  Bernoulli's.
- `--conditional` is `store_true` with default `True`: it cannot be switched off. Here, `--no-conditional` does.
""",
    "004: video prediction (Report of Lab #4)": """
- It writes z = μ + rand_like(exp(log var. / 2)): noise that is not multiplied by the standard deviation, and of the
  wrong kind. The code has `randn_like`, times the standard deviation.
- In the last lines of its derivation log p(z|c) and log q(z|x,c) have lost their logarithms.
- Its monotonic KL weight, `0.01 * (epochs % 100)` up to epoch 100, is 0 once more in epoch 100 itself.
- Without teacher forcing the code reads its own last frame, but takes the skip connections from the true one: a decoder
  with skips from the frame before is still shown the truth. Here they come from the frame that was read.
- Its score, 25.32 dB, is “one of the best results”; whether on validation or test sequences is not said.
""",
}


def show_equation(equation: str) -> None:
    # KaTeX's tables stick out by 2 pixels and would get a scroll bar: a thin space holds them.
    st.latex(equation + r"\,")


def show_steps(steps: list[tuple[str, str, str]]) -> None:
    for number, (title, text, equation) in enumerate(steps, start=1):
        with st.expander(f"{number}. {title}", expanded=number == 1):
            st.markdown(text)
            show_equation(equation)


@st.fragment
def play_with_kl() -> None:
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
        f"Of KL(q‖p) the mean's distance costs {mean_part:.2f} nats and the difference in spread "
        f"{reverse - mean_part:.2f}. KL(q‖p) is large where q puts weight that p does not have; KL(p‖q) is large where "
        "q misses what p has. As σ of q shrinks, the first grows like −log σ, the second like 1/σ²."
    )
    shown = st.radio("Below, draw the terms of", ["KL(q‖p)", "KL(p‖q)"], horizontal=True, key="terms")
    st.plotly_chart(
        theory.kl_figure(mu_q, sigma_q, mu_p, sigma_p, forward=shown == "KL(p‖q)"), key="kl figure", config=PLAIN,
        alt=f"Densities of q = N({mu_q}, {sigma_q}²) and p = N({mu_p}, {sigma_p}²), and the integrand of {shown}",
    )  # fmt: skip
    st.markdown("The green area less the pink one is the KL. Single places may count negative; the whole never does.")


@st.fragment
def play_with_estimates() -> None:
    columns = st.columns(2)
    images = small_digits().test
    index = columns[0].number_input(
        "Digit of the test set", 0, len(images.pixels) - 1, 3, key="estimated", bind="query-params"
    )
    quadrants = columns[1].segmented_control("Quadrants seen", list(TASKS), default="1", required=True, key="seen")
    found = estimate(index, quadrants)
    st.plotly_chart(
        theory.estimates_figure(found), key="estimates figure", config=PLAIN,
        alt=f"Estimates of the log-likelihood of digit {index}'s hidden pixels, by the number of draws",
    )  # fmt: skip
    last = {name: lines[:, -1] for name, lines in found.items()}
    apart = "; ".join(f"{name} {float(v.min()):.1f} to {float(v.max()):.1f}" for name, v in last.items())
    st.markdown(
        f"Each line is one series of draws of the shipped model; after {DRAWS:,} they are at: {apart}. Lines climb: "
        "the logarithm of a mean of few draws is on average too small, and a lucky draw lifts it at once."
    )


@st.cache_data(max_entries=50)
def estimate(index: int, quadrants: str) -> dict[str, torch.Tensor]:
    model, pixels = ui.load_model("digits", "digits"), small_digits().test.pixels[index].float() / 255
    return {
        name: estimates(model, pixels, TASKS[quadrants], DRAWS, seed=0, times=SERIES, importance=importance)
        for name, importance in (("importance sampling", True), ("Monte Carlo", False))
    }


@st.fragment
def play_with_noise() -> None:
    columns = st.columns(4)
    mu = columns[0].slider("Mean μ", -4.0, 4.0, 2.0, 0.1, key="mu", bind="query-params")
    sigma = columns[1].slider("Standard deviation σ", 0.05, 2.0, 0.5, 0.05, key="sigma", bind="query-params")
    count = columns[2].slider("How many draws", 1, 60, 20, key="draws", bind="query-params")
    seed = columns[3].number_input("Seed of the noise", 0, 9999, 0, key="seed", bind="query-params")
    still = torch.zeros(count)
    # The noise itself is a draw with mu = 0 and sigma = 1; the same seed gives it to both.
    eps = reparameterize(still, still, torch.Generator().manual_seed(seed))
    z = reparameterize(still + mu, still + 2 * math.log(sigma), torch.Generator().manual_seed(seed))
    st.plotly_chart(
        theory.noise_figure(eps, z, mu, sigma), key="noise figure", config=PLAIN,
        alt=f"{count} draws of standard noise and the points mu + sigma * eps that they become",
    )  # fmt: skip
    st.markdown(
        "The noise stays where it is while you move μ and σ; only its images move. A point moves by 1 for each 1 of μ, "
        "and by its own ε for each 1 of σ: those are the two gradients."
    )


@st.fragment
def play_with_schedules() -> None:
    chosen = st.pills(
        "Presets", list(PRESETS), selection_mode="multi", default=list(PRESETS), key="presets", bind="query-params"
    )
    columns = st.columns(2)
    axis = columns[0].radio("Along", ["share of training", "epochs"], horizontal=True, key="along", bind="query-params")
    as_printed = columns[1].toggle("Also teacher forcing as 000 and 002 print it", key="printed", bind="query-params")
    if not chosen:
        st.info("Choose at least one preset.")
        return
    printed = {
        "000 as printed": [theory.printed_teacher_forcing_000(e, 30) for e in range(30)],
        "002 as printed": [theory.printed_teacher_forcing_002(e, 150, 0.8) for e in range(150)],
    }
    st.plotly_chart(
        theory.schedule_figure(
            {name: preset(name) for name in chosen}, axis == "share of training", printed if as_printed else None
        ),
        key="schedule figure", config=PLAIN,
        alt=f"KL weight, teacher-forcing ratio and learning rate of {', '.join(chosen)} in every epoch",
    )  # fmt: skip


@st.fragment
def show_collapse() -> None:
    metrics = {}
    for run in runs.list_runs(checkpoint.ROOT / "assets" / "runs"):
        try:
            rows = [row for row in run.read_metrics() if "kl" in row]
        except UserError as error:
            st.error(str(error))
            continue
        if rows:
            metrics[run.id] = rows
    if not metrics:
        st.info("There is no run to show in assets/runs/.")
        return
    names = sorted(metrics, key=lambda name: metrics[name][-1]["kl"])
    rows = metrics[st.selectbox("Run (smallest final KL first)", names, key="run", bind="query-params")]
    st.markdown(theory.describe_end(rows))
    st.plotly_chart(
        theory.run_figure(rows), key="run figure", config=PLAIN,
        alt="KL, reconstruction loss and KL weight of the run over its epochs",
    )  # fmt: skip
    st.markdown(f"The dashed line is at {theory.COLLAPSED} nats, below which a run counts as collapsed.")


st.title("Theory")
st.markdown(
    "Where the loss comes from, and what its parts do. Open the steps, move the sliders. "
    "[The bound](#bound) · [Hidden parts](#structured) · [KL of Gaussians](#kl) · "
    "[Reparameterisation](#reparameterisation) · [Schedules](#schedules) · [KL collapse](#collapse) · "
    "[The sources](#sources)"
)

st.header("The bound on the likelihood", anchor="bound")
show_steps(BOUND)

st.header("Hidden parts of a picture", anchor="structured")
st.markdown("The bound at work where x and y are two parts of one thing, as on the page Digits (Sohn et al. 2015).")
show_steps(STRUCTURED)
st.subheader("Try it: two ways to count", anchor="try-estimates")
play_with_estimates()

st.header("The KL of two Gaussians", anchor="kl")
show_steps(GAUSSIAN_KL)
st.subheader("Try it: two Gaussians", anchor="try-kl")
play_with_kl()

st.header("Reparameterisation", anchor="reparameterisation")
st.markdown(
    "z is drawn at random, and one cannot differentiate a draw. So draw noise that depends on nothing, and compute z "
    "from it: the randomness is then an input, and gradients reach μ and σ (Kingma and Welling 2014)."
)
show_equation(
    r"\begin{aligned} z &= \mu + \sigma \varepsilon, \quad \varepsilon \sim N(0, 1) \\"
    r" \nabla\, \mathbb{E}_q[f(z)] &= \mathbb{E}_\varepsilon[\nabla f(\mu + \sigma\varepsilon)] \\"
    r" \frac{\partial z}{\partial \mu} &= 1, \qquad \frac{\partial z}{\partial \sigma} = \varepsilon \end{aligned}"
)
play_with_noise()

st.header("Schedules", anchor="schedules")
st.markdown(
    "Three numbers change during training. The **KL weight** β starts small, so that the decoder learns to use z "
    "before z has to pay for itself. The **teacher-forcing ratio** is how often the decoder reads the right letter "
    "before, instead of its own. The **learning rate** is the size of the steps that training takes. The lines come "
    "from the functions that training calls; `source-…` presets are those of the three reports, corrected where they "
    "slip."
)
play_with_schedules()

st.header("KL collapse", anchor="collapse")
st.markdown(
    "The easiest way to make the KL small is to ignore the input: q becomes the prior, the KL goes to 0, and the "
    "decoder does without z. This is called KL collapse (also KL vanishing). A falling loss does not show it; the KL "
    "does. Here is what it came to in real runs."
)
show_collapse()

st.header("What the sources say", anchor="sources")
st.markdown("The three reports on verbs agree on the bound. They differ in these points:\n" + DIFFERENCES)
st.markdown("Each source also slips here and there. This is what to watch for when you read them:")
for source, slips in SLIPS.items():
    with st.expander(source):
        st.markdown(slips)
