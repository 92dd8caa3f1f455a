"""Named configurations: the shipped model's, and those of the three reports.

Where a report is silent or contradicts itself, the choice is named. All reports train one word at a time on the same
tense with SGD at 0.05; `batch_size` is 1 there, and `--batch-size` batches them.
"""

from typing import Any

from cvae_core.errors import UserError
from cvae_core.tense.model import TenseConfig

# What the three reports share: an LSTM of 256 each way, z of 32, no attention, constant SGD, mean over letters.
REPORT: dict[str, Any] = {
    "hidden_size": 256,
    "embedding_size": 0,
    "latent_size": 32,
    "condition_size": 8,
    "state_layers": 1,
    "decoder_activation": "relu",
    "bidirectional": False,
    "source": "none",
    "pairs": "same",
    "train_on": "all",
    "source_dropout": 0.0,
    "invented": 0.0,
    "recon": "mean",
    "batch_size": 1,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "lr_schedule": "constant",
    "clip_norm": 0.0,
    "kl_max": 1.0,
    "kl_ramp": 1.0,
}

# Source 000: z from the hidden state, tense in the hidden state, decoder cell of zeros. 30 epochs.
# Teacher forcing: 1 for the first half, then down to 0 (its code's slope goes negative; the text says it falls).
SOURCE_000 = REPORT | {
    "epochs": 30,
    "condition_into": "hidden",
    "latents": "hidden",
    "decoder_state": "hidden",
    "free_running_loss": "until-eos",
    "tf_schedule": "linear",
    "tf_plateau": 0.5,
    "tf_final": 0.0,
}

# Source 002: z from hidden and cell, tense in both, SOS before the word; weights scored every 500 iterations
# (one word each). 150 epochs; the final KL weight is not printed: 1, the largest that its clamp lets through.
SOURCE_002 = REPORT | {
    "epochs": 150,
    "condition_into": "hidden+cell",
    "latents": "hidden+cell",
    "decoder_state": "hidden+cell",
    "encoder_sos": True,
    "kl_schedule": "linear",
    "kl_max": 1.0,
    "kl_zero": 0.2,
    "kl_ramp": 0.8,
    "tf_schedule": "linear",
    "tf_plateau": 0.2,
    "evaluate_every": 500,
    "keep": "best",
}

# A few new verbs on top of a checkpoint: half of each batch rehearses what it knew, so that it does not forget.
FINE_TUNE: dict[str, Any] = {
    "epochs": 4,
    "repeats": 4,
    "batch_size": 48,
    "learning_rate": 1.5e-3,
    "lr_schedule": "decayed",
    "kl_schedule": "constant",
    "train_on": "all",
    "rehearsal": 0.5,
    "invented": 0.125,
    "source_dropout": 0.3,
    "evaluate_start": True,
}

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "fine-tune": FINE_TUNE,
    # The KL period is not printed for the monotonic run: half of training, so that weight 1 is held as long.
    "source-000-monotonic": SOURCE_000 | {"kl_schedule": "linear", "kl_ramp": 0.5},
    # Rise for one period, hold for one (the `else` of its listing belongs to the cyclical branch); two such cycles.
    "source-000-cyclical": SOURCE_000 | {"kl_schedule": "linear", "kl_cycles": 2, "kl_ramp": 0.5},
    # "A sigmoid, one period being 50 epochs": 50 epochs, though its table says 30.
    "source-000-sigmoid": SOURCE_000 | {"epochs": 50, "kl_schedule": "sigmoid"},
    # Source 001: one-hot tense, KL weight rising to 0.1 over 30 epochs, teacher forcing times 0.85 every 3 epochs.
    # Latent size and where the tense enters are not printed: those of 000.
    "source-001": REPORT
    | {
        "epochs": 30,
        "condition": "one-hot",
        "condition_into": "hidden",
        "latents": "hidden",
        "decoder_state": "hidden",
        "kl_schedule": "linear",
        "kl_max": 0.1,
        "tf_schedule": "geometric",
        "tf_factor": 0.85,
        "tf_every": 3,
    },
    # Its best run: final teacher forcing 0.8, two cycles.
    "source-002": SOURCE_002 | {"kl_cycles": 2, "tf_final": 0.8},
}


def preset(name: str) -> TenseConfig:
    if name not in PRESETS:
        raise UserError(f"There is no preset {name!r}: choose one of {', '.join(PRESETS)}.")
    return TenseConfig(**PRESETS[name])
