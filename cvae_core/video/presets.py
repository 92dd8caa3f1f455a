"""Named configurations of the video system."""

from functools import partial
from typing import Any

from cvae_core import schedules
from cvae_core.config import from_preset
from cvae_core.video.config import VideoConfig

# Source 004: VGG, batch norm, Adam at 0.002, teacher forcing from epoch 30 on 0.004 less each epoch. It does not print
# batch, sizes or the number of epochs: those of its course (12; g 128, z 64, LSTM 256; 300). Its KL weight climbs to 1
# in 100 epochs (as printed it is 0 again in epoch 100 itself) and stays, or does so in 50 and again from every 100th.
SOURCE_004: dict[str, Any] = {
    "epochs": 300,
    "batch_size": 12,
    "clips": 2000,
    "width": 64,
    "latent_size": 64,
    "keypoints": 0,
    "copies": False,
    "feedback": True,
    "optimizer": "adam",
    "learning_rate": 2e-3,
    "lr_schedule": "constant",
    "kl_max": 1.0,
    "teacher_forcing": schedules.late(30, 0.004, 0.001, 300),
}
CYCLES = schedules.ramp(rise=0.5, cycles=3)

PRESETS: dict[str, dict[str, Any]] = {
    "best": {},  # the config's defaults
    "source-004-monotonic": SOURCE_004 | {"kl_knots": schedules.ramp(rise=1 / 3)},
    "source-004-cyclical": SOURCE_004 | {"kl_knots": CYCLES},
    # Its last discussion: a learning rate that falls keeps the score from decaying.
    "source-004-decayed": SOURCE_004 | {"kl_knots": CYCLES, "lr_schedule": "decayed"},
}


preset = partial(from_preset, VideoConfig, PRESETS)
