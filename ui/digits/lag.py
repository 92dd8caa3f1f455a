"""The view Gap, during training: the exact posterior and q of a digit epoch by epoch, as a run stored them."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

import ui
from cvae_core import curves, runs
from cvae_core.digits import posteriors
from cvae_core.digits.posteriors import Posterior
from cvae_core.errors import UserError
from cvae_core.run import Run
from ui.digits.common import image, show_images
from ui.figures import posterior as figures

PAUSE = 0.35  # seconds between two epochs
LAGS = 5.0  # a gap this many times the last one's is a lag
CAUGHT_UP = 0.1  # a tenth of the largest gap
COLLAPSED = 0.05  # nats: KL from the posterior, as a Gaussian, to the prior

History = dict[int, list[Posterior]]  # the digits by epoch


def show_lag() -> None:
    """The view."""
    st.markdown(
        "Each training of a label model with two latent dimensions stores the exact posterior of a few validation "
        "digits after every epoch, and the encoder's q. Does the **encoder lag behind** the posterior "
        "([He et al. 2019](https://arxiv.org/abs/1901.05534))? Watch who moves first. [Theory](theory#bound-4) derives "
        "the gap."
    )
    choices = {f"shipped/{run.id}": run for run in ui.shipped_runs()} | {run.id: run for run in runs.list_runs()}
    stored = {name: history for name, run in choices.items() if (history := _history(run))}
    if not stored:
        st.info("There is no such run yet: `python -m cvae_core train digits --preset source-003-label` makes one.")
        return
    columns = st.columns([3, 2, 1], vertical_alignment="bottom")
    name = columns[0].selectbox("Run", list(stored), key="lag_run", bind="query-params")
    history = stored[name]
    first = next(iter(history.values()))
    digit = columns[1].segmented_control(
        "Digit", range(len(first)), default=0, required=True, key="lag_digit",
        format_func=lambda i: f"{'ABCDEFGHIJ'[i % 10]}: {first[i].label}",
    )  # fmt: skip
    digit = min(digit, len(first) - 1)
    with columns[2]:
        show_images([image(first[digit].picture / 255, f"Label {first[digit].label}")], 60, "84px")
    st.markdown(_settings(choices[name]))
    _show_history(name, {epoch: row[digit] for epoch, row in history.items() if digit < len(row)})


def _settings(run: Run) -> str:
    """What the run's epochs are."""
    saved = curves.settings(run.read_config())
    return (
        f"Trained on {saved.get('data')} with a learning rate of {saved.get('learning_rate')} and batches of "
        f"{saved.get('batch_size')}."
    )


def _show_history(name: str, history: dict[int, Posterior]) -> None:
    """What is to be seen, the play button and the slider, the planes, and the gap by epoch."""
    epochs = list(history)
    key = f"lag epoch {name} {len(epochs)}"
    st.markdown(describe(history))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pressed = st.button("Play", icon=":material/play_arrow:", key="play")
        place = st.container()
    slot = st.empty()
    st.session_state.setdefault(key, epochs[0])
    _show_gaps(history, epochs[-1] if pressed else st.session_state[key])
    if pressed:
        for epoch in epochs:
            slot.html(_picture(history, epoch))
            time.sleep(PAUSE)
        st.session_state[key] = epochs[-1]
    epoch = place.select_slider("Epoch", epochs, key=key) if len(epochs) > 1 else epochs[0]
    slot.html(_picture(history, epoch))


def _show_gaps(history: dict[int, Posterior], now: int) -> None:
    """The gap by epoch, as a chart and as a table."""
    gaps = [posterior.gap for posterior in history.values()]
    parts = {name: [getattr(gap, name) for gap in gaps] for name in ("amortisation", "approximation")}
    st.markdown("**The gap by epoch**")
    st.plotly_chart(
        figures.gap_figure(list(history), parts, now), key="gap by epoch", config=ui.PNG,
        alt="Approximation and amortisation gap by epoch, nats",
    )  # fmt: skip
    ui.table_behind(lambda: _table(history), "The epochs as a table", "lag_table")


def describe(history: dict[int, Posterior]) -> str:
    """What is to be seen, from the numbers: whether q lags, and whether the posterior ends at the prior."""
    epochs, gaps = list(history), np.array([p.gap.total for p in history.values()])
    worst = int(gaps.argmax())
    after = [epoch for epoch, gap in zip(epochs[worst:], gaps[worst:], strict=True) if gap < CAUGHT_UP * gaps[worst]]
    if gaps[worst] > LAGS * gaps[-1] and after:
        then = history[epochs[worst]]
        far = np.linalg.norm(then.mean - then.q_mean)
        text = (
            f"**q lags behind.** After epoch {epochs[worst]} the mean of q is {far:.1f} from the posterior's, and the "
            f"gap is {gaps[worst]:.1f} nats, of which {then.gap.amortisation:.1f} are the encoder's (amortisation). "
            f"Then q catches up: by epoch {after[0]} the gap is below a tenth of that, at the end {gaps[-1]:.2f} nats."
        )
    else:
        text = f"The gap is between {gaps.min():.2f} and {gaps.max():.2f} nats, {gaps[-1]:.2f} at the end."
    last = history[epochs[-1]]
    kl = 0.5 * (last.mean**2 + last.sigma**2 - 1 - 2 * np.log(last.sigma)).sum()
    if kl < COLLAPSED:
        return f"{text} The **posterior has collapsed** onto the prior: the decoder does not use z."
    return f"{text} The posterior does not collapse: it ends {kl:.1f} nats from the prior."


def _picture(history: dict[int, Posterior], epoch: int) -> str:
    """The plane with the paths so far, the plane closer, and the two parts of the gap."""
    now, every = history[epoch], list(history.values())
    q = (now.q_mean, now.q_sigma)
    so_far = [posterior for e, posterior in history.items() if e <= epoch]
    paths = {"posterior": np.array([p.mean for p in so_far]), "q": np.array([p.q_mean for p in so_far])}
    prior = [np.array([[-2.2, -2.2], [2.2, 2.2]])]
    whole = figures.square_around(
        prior + [m + np.outer([-2, 2], s) for p in every for m, s in ((p.mean, p.sigma), (p.q_mean, p.q_sigma))]
    )
    closer = figures.window_around(now.density, now.window, [q])
    gap = now.gap.total
    alt = (
        f"Epoch {epoch}: posterior around ({now.mean[0]:.2f}, {now.mean[1]:.2f}), "
        f"q at ({now.q_mean[0]:.2f}, {now.q_mean[1]:.2f}), gap {gap:.2f} nats"
    )
    key = figures.key({"posterior": "true posterior and its path", "q": "q and its path", "prior": "prior N(0, I)"})
    longest = max(p.gap.total for p in every)
    bars = figures.bars(
        [
            ("approximation", [(now.gap.approximation, figures.BLUE)], f"{now.gap.approximation:.2f} nats"),
            ("amortisation", [(now.gap.amortisation, figures.COLOURS["q"])], f"{now.gap.amortisation:.2f} nats"),
        ],
        longest,
    )
    numbers = f"log p(x | c) {now.gap.log_p:.1f}, ELBO {now.gap.elbo:.1f}: a gap of {gap:.2f} nats"
    return (
        f'<p class="epoch"><b>After epoch {epoch}</b>: {numbers.replace("-", "−")}</p>'
        f'<div class="posterior"><div>{figures.plane(now.density, now.window, whole, q, None, f"All. {alt}", paths)}'
        f"{key}</div><div>{figures.plane(now.density, now.window, closer, q, None, f'Closer. {alt}')}{bars}</div></div>"
    )


def _table(history: dict[int, Posterior]) -> pd.DataFrame:
    """A row per epoch."""
    return pd.DataFrame([
        {
            "epoch": epoch, "log p(x | c)": p.gap.log_p, "ELBO": p.gap.elbo, "approximation": p.gap.approximation,
            "amortisation": p.gap.amortisation, "distance of the means": np.linalg.norm(p.mean - p.q_mean),
        }
        for epoch, p in history.items()
    ]).round(3)  # fmt: skip


def _history(run: Run) -> History:
    """What a run stored; empty for runs without posteriors. A damaged one is left out, with a sentence."""
    path = run.path / "samples.jsonl"
    if run.system != "digits" or not path.is_file():
        return {}
    try:
        return _read(str(run.path), path.stat().st_mtime)
    except (UserError, LookupError, TypeError, ValueError):
        st.warning(f"Run {run.id} has no readable samples.jsonl. It is left out.")
        return {}


@st.cache_data(max_entries=100, show_spinner=False)
def _read(folder: str, modified: float) -> History:
    """The posteriors of a run's samples, read once for each version of the file."""
    rows = Run(Path(folder)).read_samples()
    return {
        row["epoch"]: [posteriors.from_json(each) for each in row["posteriors"]]
        for row in rows if row.get("posteriors")
    }  # fmt: skip
