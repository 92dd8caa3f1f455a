"""Fine-tune `tense-heldout` on the 50 test verbs that it gets wrong most: time, and accuracy on them and on others.

    python -m benchmarks.fine_tune

The verbs are the 50 of the test split with the most errors over the 12 directions: `tense` was trained on them, so the
checkpoint is `tense-heldout`. Old verbs are 500 of the training split; the other test verbs are neither.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from cvae_core import runs
from cvae_core.session import prepare
from cvae_core.tense import data, metrics
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.training import fit

COUNT = 50
CHECKPOINT = "tense-heldout"


def hardest(model: Inflector, verbs: list, count: int) -> tuple[list, list]:
    """The verbs with the most wrong answers, and the rest."""
    _, right = metrics.confidences(model, verbs)
    by_verb = np.reshape(right, (len(data.DIRECTIONS), len(verbs))).sum(0)
    ranked = [verbs[i] for i in np.argsort(by_verb, kind="stable")]
    return ranked[:count], ranked[count:]


def main() -> dict[str, float]:
    torch.set_num_threads(1)
    model = load(CHECKPOINT)
    lexicon = load_lexicon().verbs
    new, others = hardest(model, data.select_split(lexicon, "test"), COUNT)
    groups = {"new": new, "old": data.select_split(lexicon, "train")[::10], "neither": others}

    def scores(of: Inflector) -> dict[str, float]:
        return {name: metrics.accuracy(of, verbs)["accuracy"] for name, verbs in groups.items()}

    before = scores(model)
    runs.RUNS = Path(tempfile.mkdtemp())
    started = time.perf_counter()
    task, run = prepare("tense", "fine-tune", {}, ("50 verbs", new), "cpu", CHECKPOINT)
    fit(task, run, stopped=lambda: False)
    seconds = time.perf_counter() - started
    after = scores(load(str(run.path)))
    print(f"{COUNT} verbs, {task.config.epochs} epochs, one thread: {seconds:.1f} s")
    print(f"{'verbs':<10}{'count':>7}{'before':>9}{'after':>9}")
    for name, verbs in groups.items():
        print(f"{name:<10}{len(verbs):>7}{before[name]:>9.3f}{after[name]:>9.3f}")
    return {"seconds": seconds, "new": after["new"], "old": after["old"], "old_before": before["old"]}


if __name__ == "__main__":
    main()
