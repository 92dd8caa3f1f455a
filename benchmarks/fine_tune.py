"""Fine-tune the shipped model on 50 verbs that it gets wrong: time, and accuracy on them and on old ones.

    python -m benchmarks.fine_tune

The verbs are the 50 of the test split with the most errors over the 12 directions. Old verbs are 500 of the
training split; the other test verbs show what happens to those that are neither.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from cvae_core import runs
from cvae_core.tense import data, metrics
from cvae_core.tense.inference import load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.session import prepare
from cvae_core.training import train

COUNT = 50


def hardest(tense, verbs: list, count: int) -> tuple[list, list]:
    """The verbs with the most wrong answers, and the rest."""
    _, right = metrics.sureness(tense, verbs)
    by_verb = np.reshape(right, (len(data.DIRECTIONS), len(verbs))).sum(0)
    ranked = [verbs[i] for i in np.argsort(by_verb, kind="stable")]
    return ranked[:count], ranked[count:]


def main() -> dict[str, float]:
    torch.set_num_threads(1)
    tense = load("tense-heldout")
    lexicon = load_lexicon().verbs
    new, others = hardest(tense, data.select_split(lexicon, "test"), COUNT)
    groups = {"new": new, "old": data.select_split(lexicon, "train")[::10], "neither": others}

    def scores(model) -> dict[str, float]:
        return {name: metrics.accuracy(model, verbs)["accuracy"] for name, verbs in groups.items()}

    before = scores(tense)
    runs.RUNS = Path(tempfile.mkdtemp())
    started = time.perf_counter()
    task, run = prepare("fine-tune", {}, new, "50 verbs", "cpu", "tense-heldout")
    train(task, run, stopped=lambda: False)
    seconds = time.perf_counter() - started
    after = scores(load(str(run.path)))
    print(f"{COUNT} verbs, {task.config.epochs} epochs, one thread: {seconds:.1f} s")
    print(f"{'verbs':<10}{'count':>7}{'before':>9}{'after':>9}")
    for name, verbs in groups.items():
        print(f"{name:<10}{len(verbs):>7}{before[name]:>9.3f}{after[name]:>9.3f}")
    return {"seconds": seconds, "new": after["new"], "old": after["old"], "old_before": before["old"]}


if __name__ == "__main__":
    main()
