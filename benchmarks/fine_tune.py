"""Fine-tune on 50 verbs, and on four as the Train page does: time, and accuracy on them and on others.

    python -m benchmarks.fine_tune
    python -m benchmarks.fine_tune --four

Both print the share of random z that are verbs before and after. `--four` trains `tense` on four invented verbs as the
Train page does, where they take 20 s to type: seconds from the click to the finished run, what was right when.

Without it `tense-heldout` is fine-tuned on the 50 verbs of the test split with the most errors over the 12 directions:
`tense` was trained on them. Old verbs are 500 of the training split; the other test verbs are neither.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from cvae_core import runs
from cvae_core.session import create, prepare
from cvae_core.tense import data, metrics
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.verb_file import parse_verbs
from cvae_core.training import fit
from cvae_core.worker import start_ahead, train_in_subprocess

COUNT = 50
# The last two are irregular as no verb of the dictionary is: only training tells their pasts.
FOUR = (
    "googol googols googoling googoled\nvlog vlogs vlogging vlogged\n"
    "yeet yeets yeeting yote\nskrill skrills skrilling skrelt"
)
TYPING = 20.0  # seconds
CHECKPOINT = "tense-heldout"


def hardest(model: Inflector, verbs: list, count: int) -> tuple[list, list]:
    """The verbs with the most wrong answers, and the rest."""
    _, right = metrics.confidences(model, verbs)
    by_verb = np.reshape(right, (len(data.DIRECTIONS), len(verbs))).sum(0)
    ranked = [verbs[i] for i in np.argsort(by_verb, kind="stable")]
    return ranked[:count], ranked[count:]


def print_random_z(before: Inflector, after: Inflector) -> None:
    """Shares of 1,000 random z that are verbs."""
    scores = [metrics.gaussian_scores(of, of.verbs, 1000, seed=1)["gaussian"] for of in (before, after)]
    print("random z that are verbs: {:.3f} before, {:.3f} after".format(*scores))


def four() -> dict[str, float]:
    """What somebody sees who types FOUR into the Train page and starts."""
    torch.set_num_threads(1)
    runs.RUNS = Path(tempfile.mkdtemp())
    before = load("tense")
    start_ahead()
    time.sleep(TYPING)
    started = time.perf_counter()
    run = create("tense", "fine-tune", {}, ("4 own verbs", parse_verbs(FOUR, "typed").verbs), "cpu", "tense")
    train_in_subprocess(run, lambda: False)
    seconds = time.perf_counter() - started
    print(f"four verbs, from the click to the end: {seconds:.1f} s")
    for row, sample in zip(run.read_metrics(), run.read_samples(), strict=True):
        right = sum(answer == expected for *_, answer, expected in sample["conversions"])
        print(
            f"epoch {row['epoch']}: {right} of {len(sample['conversions'])} conversions right; all 12 directions "
            f"{row['accuracy_new']:.3f}, verbs known before {row['accuracy_old']:.3f}"
        )
    after = load(str(run.path))
    print_random_z(before, after)
    return {"seconds": seconds, "new": row["accuracy_new"], "old": row["accuracy_old"]}


def main() -> dict[str, float]:
    """The 50 hardest verbs."""
    torch.set_num_threads(1)
    model = load(CHECKPOINT)
    lexicon = load_lexicon().verbs
    new, others = hardest(model, data.select_split(lexicon, "test"), COUNT)
    groups = {"new": new, "old": data.select_split(lexicon, "train")[::10], "neither": others}

    def scores(of: Inflector) -> dict[str, float]:
        return {name: metrics.accuracy(of, verbs)["accuracy"] for name, verbs in groups.items()}

    before = scores(model)
    runs.RUNS = Path(tempfile.mkdtemp())
    started, used = time.perf_counter(), time.process_time()
    task, run = prepare("tense", "fine-tune", {}, ("50 verbs", new), "cpu", CHECKPOINT)
    fit(task, run, stopped=lambda: False)
    seconds, used = time.perf_counter() - started, time.process_time() - used
    tuned = load(str(run.path))
    after = scores(tuned)
    print(
        f"{COUNT} verbs, {task.config.epochs} epochs, one thread: {seconds:.1f} s, of which {used:.1f} s of processor"
    )
    print(f"{'verbs':<10}{'count':>7}{'before':>9}{'after':>9}")
    for name, verbs in groups.items():
        print(f"{name:<10}{len(verbs):>7}{before[name]:>9.3f}{after[name]:>9.3f}")
    print_random_z(model, tuned)
    return {"seconds": seconds, "new": after["new"], "old": after["old"], "old_before": before["old"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--four", action="store_true")
    four() if parser.parse_args().four else main()
