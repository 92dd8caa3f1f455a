"""Named configurations of the digits."""

from typing import Any

from cvae_core.digits.model import DigitsConfig
from cvae_core.errors import UserError

# Source 003's listing: one hidden layer of 256, two latent dimensions, Adam at 0.001, batches of 64, 10 epochs.
SOURCE_003_LABEL: dict[str, Any] = {
    "task": "label",
    "epochs": 10,
    "batch_size": 64,
    "hidden_size": 256,
    "hidden_layers": 1,
    "latent_size": 2,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "lr_schedule": "constant",
    "clip_norm": 0.0,
    "kl_schedule": "constant",
}

# The paper's quadrants; the source gives no sizes. One model for every choice of quadrants and all three objectives.
# Residual layers learn in ten epochs what plain ones need sixty for; shifts keep them from learning pictures by heart.
QUADRANTS: dict[str, Any] = {
    "task": "quadrants",
    "epochs": 100,
    "batch_size": 128,
    "hidden_size": 384,
    "layers": "residual",
    "shift": 1,
    "learning_rate": 2e-3,
    "kl_ramp": 0.1,
    "keep": "best",
    "precision": "auto",
}

PRESETS: dict[str, dict[str, Any]] = {
    "source-003-quadrants": QUADRANTS,
    "source-003-label": SOURCE_003_LABEL,
    "source-003-unconditional": SOURCE_003_LABEL | {"conditional": False},
    # "A heavier KL brings the two ways to z together, but does not help": (1 + beta) with beta = 1.
    "source-003-heavy-kl": QUADRANTS | {"objective": "cvae", "kl_max": 2.0},
    # The published tutorial's sizes: one choice of quadrants a model, two layers of 500.
    "source-003-published": QUADRANTS
    | {"objective": "cvae", "seen": "1", "hidden_size": 500, "latent_size": 200, "layers": "relu", "shift": 0}
    | {"learning_rate": 1e-3, "epochs": 50},
}


def preset(name: str) -> DigitsConfig:
    if name not in PRESETS:
        raise UserError(f"There is no preset {name!r}: choose one of {', '.join(PRESETS)}.")
    return DigitsConfig(**PRESETS[name])
