"""Named configurations of the digits."""

from functools import partial
from typing import Any

from cvae_core import schedules
from cvae_core.config import from_preset
from cvae_core.digits.config import DigitsConfig

# Report 003's listing: one hidden layer of 256, two latent dimensions, Adam at 0.001, batches of 64, 10 epochs.
REPORT_003_LABEL: dict[str, Any] = {
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
    "kl_knots": schedules.constant(),
    "layers": "relu",
    "shift": 0,
    "keep": "last",
    "precision": "float32",
}

# The second step of the shipped model, from the weights of the first: MNIST's digits are centred, so they are no longer
# shifted; and the hybrid's GSNN has the loss of 32 samples, which is what Monte Carlo estimates. What is kept is the
# mean of the weights.
QUADRANTS_LAST: dict[str, Any] = {
    "epochs": 16,
    "learning_rate": 1e-3,
    "lr_schedule": "decayed",
    "average_from": 0.5,
    "kl_knots": schedules.constant(),
    "shift": 0,
    "prior_samples": 32,
    "keep": "last",
}

PRESETS: dict[str, dict[str, Any]] = {
    "source-003-quadrants": {},  # the config's defaults
    "source-003-quadrants-last": QUADRANTS_LAST,
    "source-003-label": REPORT_003_LABEL,
    "source-003-unconditional": REPORT_003_LABEL | {"conditional": False},
    # The paper's heavier KL, (1 + beta) with beta = 1: it brings posterior and prior together but does not help.
    "source-003-heavy-kl": {"objective": "cvae", "kl_max": 2.0},
    # The sizes of Pyro's tutorial: one choice of quadrants per model, two layers of 500.
    "source-003-published": {
        "objective": "cvae",
        "seen": "1",
        "hidden_size": 500,
        "latent_size": 200,
        "layers": "relu",
        "shift": 0,
        "learning_rate": 1e-3,
        "epochs": 50,
    },
}


preset = partial(from_preset, DigitsConfig, PRESETS)
