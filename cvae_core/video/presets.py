"""Named configurations of the video system."""

from functools import partial
from typing import Any

from cvae_core import schedules
from cvae_core.config import from_preset
from cvae_core.video.config import VideoConfig

# Report 004: VGG, batch norm, Adam at 0.002, teacher forcing 0.004 less in each epoch from 30 on. Batch, sizes and
# epochs, which it does not state, are its course's (12; code 128, z 64, LSTM 256; 300). Its KL weight rises to 1 in
# 100 epochs (as printed it is 0 again in epoch 100 itself) and stays, or rises in 50, starting again every 100.
REPORT_004: dict[str, Any] = {
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

# Prediction in feature maps, the checkpoint `video-maps`: for a GPU, where it takes six minutes.
MAPS: dict[str, Any] = {
    "dynamics": "maps",
    "prior": "learned",
    "latent_size": 4,
    "kl_max": 3e-5,
    "epochs": 8,
    "batch_size": 64,
    "clips": 32_000,
    "precision": "float32",
}

# Fine-tuning on a few real sequences, the checkpoint `video-robot`: seven minutes on one core, from `video`.
ROBOT: dict[str, Any] = {
    "epochs": 180,
    "batch_size": 4,
    "learning_rate": 3e-3,
    "keep": "last",
    "jitter": 0.4,
    "mirror": True,
}

PRESETS: dict[str, dict[str, Any]] = {
    "best": {},  # the config's defaults
    "maps": MAPS,
    "robot": ROBOT,
    "source-004-monotonic": REPORT_004 | {"kl_knots": schedules.ramp(rise=1 / 3)},
    "source-004-cyclical": REPORT_004 | {"kl_knots": CYCLES},
    # From its discussion: a decaying learning rate keeps the score from falling.
    "source-004-decayed": REPORT_004 | {"kl_knots": CYCLES, "lr_schedule": "decayed"},
}


preset = partial(from_preset, VideoConfig, PRESETS)
