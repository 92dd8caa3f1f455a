"""Named configurations of the video system."""

from typing import Any

from cvae_core.errors import UserError
from cvae_core.video.model import VideoConfig

# Source 004: VGG, batch norm, Adam at 0.002, teacher forcing from epoch 30 on 0.004 less each epoch. It does not print
# batch, sizes or the number of epochs: those of its course (12; g 128, z 64, LSTM 256; 300). Its KL weight climbs to 1
# in 100 epochs (as printed it is 0 again in epoch 100 itself) and stays, or does so in 50 and again from every 100th.
SOURCE_004: dict[str, Any] = {
    "epochs": 300,
    "batch_size": 12,
    "optimizer": "adam",
    "learning_rate": 2e-3,
    "lr_schedule": "constant",
    "kl_schedule": "linear",
    "tf_schedule": "late",
    "tf_start": 30,
    "tf_step": 0.004,
    "tf_final": 0.001,
    "keep": "best",
    "precision": "auto",
}

# The shipped model. Small, for processors; without feedback, so that training is what prediction is and takes one call;
# the arm's place as blobs; what stands still is copied. The KL weight is for a loss of one pixel: z hardly carries more
# than what the actions leave open.
BEST: dict[str, Any] = {
    "epochs": 10,
    "batch_size": 6,
    "clips": 4000,
    "width": 16,
    "latent_size": 16,
    "points": 8,
    "copies": True,
    "feedback": False,
    "learning_rate": 2e-3,
    "kl_schedule": "constant",
    "kl_max": 1e-4,
    "tf_schedule": "constant",
    "keep": "best",
    "precision": "auto",
}

PRESETS: dict[str, dict[str, Any]] = {
    "best": BEST,
    "source-004-monotonic": SOURCE_004 | {"kl_ramp": 1 / 3},
    "source-004-cyclical": SOURCE_004 | {"kl_cycles": 3, "kl_ramp": 0.5},
    # Its last discussion: a learning rate that falls keeps the score from decaying.
    "source-004-decayed": SOURCE_004 | {"kl_cycles": 3, "kl_ramp": 0.5, "lr_schedule": "decayed"},
}


def preset(name: str) -> VideoConfig:
    if name not in PRESETS:
        raise UserError(f"There is no preset {name!r}: choose one of {', '.join(PRESETS)}.")
    return VideoConfig(**PRESETS[name])
