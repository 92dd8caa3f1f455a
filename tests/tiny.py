"""A model and verbs so small that a training takes a second; `python -m tests.tiny RUN_FOLDER` trains to the end.

`saving` after the folder makes it save after every batch, slowly, so that a kill finds it at that.
"""

import os
import sys
import time
from pathlib import Path

import torch

from cvae_core import training
from cvae_core.run import Run
from cvae_core.schedules import constant
from cvae_core.step import Step, generator_at
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.data import Verb
from cvae_core.tense.task import TenseTask
from cvae_core.training import fit

ROWS = (
    "walk walks walking walked,jump jumps jumping jumped,like likes liking liked,"
    "stop stops stopping stopped,sing sings singing sang,carry carries carrying carried"
)
VERBS = [Verb(tuple((word,) for word in row.split())) for row in ROWS.split(",")]
SIZES = {
    "hidden_size": 16, "embedding_size": 8, "latent_size": 4, "spelling_size": 6, "condition_size": 4,
    "state_width": 16,
}  # fmt: skip
# Without what single tests add: a classifier, prior matching, a decoder that the tense conditions at its output alone.
PLAIN = {
    "decoder_condition": "input", "state_layers": 2, "tense_classifier": False,
    "irregular_repeats": 1, "length_pool": 0, "prior_share": constant(0.0), "precision": "float32",
}  # fmt: skip
CONFIG = TenseConfig(
    epochs=4, batch_size=6, train_on="all", invented=0.5, teacher_forcing=((0.0, 1.0), (1.0, 0.5)), learning_rate=5e-3,
    **SIZES, **PLAIN,
)  # fmt: skip


def step(epoch: int = 0, batch: int = -1, beta: float = 1.0, teacher_forcing: float = 1.0) -> Step:
    """A step of training with seed 0, whatever the schedules say there."""
    return Step(epoch, beta, teacher_forcing, generator_at(0, epoch, batch))


def tiny_task(config: TenseConfig = CONFIG, verbs=tuple(VERBS)) -> TenseTask:
    return TenseTask(config, verbs, data_name="tiny")


if __name__ == "__main__":
    torch.set_num_threads(1)
    run = Run(Path(sys.argv[1]))
    if sys.argv[2:] == ["saving"]:
        training.SAVE_SECONDS, os.fsync = -1.0, lambda file: time.sleep(0.2)
    # Slower batches, so that a kill finds every part of an epoch.
    ended = fit(tiny_task(), run, on_event=lambda event: time.sleep(0.005))
    print(ended)
