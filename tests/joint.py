"""Tiny trainings of the three systems: `python -m tests.joint FOLDER`, alone or as processes of `torchrun`."""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from cvae_core import parallel, runs
from cvae_core.digits import data
from cvae_core.digits.presets import preset
from cvae_core.digits.task import DigitsTask
from cvae_core.schedules import begins
from cvae_core.training import fit
from tests import tiny
from tests.tiny_pictures import tiny_video

VERBS = replace(
    tiny.CONFIG, batch_size=8, prior_share=begins(0.15, 1.0), consistency=begins(0.5, 1.0), z_share=0.5,
    encoder_until=0.5, decoder_condition="input",
)  # fmt: skip


def tasks():
    digits = data.load(None)
    few = digits._replace(train=data.Images(digits.train.pixels[:64], digits.train.labels[:64]))
    for label in ("source-003-label", "source-003-quadrants"):
        yield label, DigitsTask(replace(preset(label), epochs=2, batch_size=16, precision="float32"), few)
    yield "tense", tiny.tiny_task(VERBS)
    yield "video", tiny_video(norm="group", batch_size=2)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with parallel.joined(torch.device("cpu")):
        for name, task in tasks():
            run = runs.create({"system": task.system}, name, Path(sys.argv[1]) / name)
            fit(task, run)
