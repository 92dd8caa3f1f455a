"""Write a small run of each system to tests/old/<format>/; all later versions have to open and resume it:

    .venv/bin/python -m scripts.old_files

Run it before a change of the format of runs or checkpoints, and commit what it wrote; `tests/test_old_files.py` finds
the folder by itself. Each run is stopped after its first epoch of two, so that it can be resumed; its kept weights are
the small checkpoint. `expected.json` has the losses of the second epoch, to compare with.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch

from cvae_core import checkpoint, runs
from cvae_core.schedules import constant
from cvae_core.session import prepare
from cvae_core.tense.verb_file import parse_verbs
from cvae_core.training import fit

FOLDER = checkpoint.ROOT / "tests" / "old"
VERBS = parse_verbs("walk walks walking walked\nstop stops stopping stopped\nsing sings singing sang\n").verbs
SMALL = {"epochs": 2, "precision": "float32"}
LETTERS = {"hidden_size": 8, "embedding_size": 4, "latent_size": 3, "condition_size": 2, "batch_size": 4}
PICTURES = {"network": "dcgan", "width": 4, "norm": "group", "code_size": 4, "latent_size": 2, "rnn_size": 8}
MATCHING = {"prior_share": constant()}
RUNS = {
    "tense": lambda: prepare(
        "tense", "best", SMALL | LETTERS | {"spelling_size": 4, "train_on": "all", "state_width": 8} | MATCHING,
        ("3 verbs", VERBS), "cpu",
    ),
    "tense-course": lambda: prepare(
        "tense", "course", SMALL | LETTERS | {"state_width": 8} | MATCHING, ("3 verbs", VERBS), "cpu"
    ),
    "tense-report": lambda: prepare(
        "tense", "source-002", SMALL | LETTERS | {"evaluate_every": 0, "keep": "last"}, ("3 verbs", VERBS), "cpu"
    ),
    "digits": lambda: prepare(
        "digits", "source-003-quadrants",
        SMALL | {"hidden_size": 4, "latent_size": 2, "objective": "cvae", "keep": "last"}, None, "cpu",
    ),
    "digits-label": lambda: prepare("digits", "source-003-label", SMALL | {"hidden_size": 4}, None, "cpu"),
    "video": lambda: prepare(
        "video", "best", SMALL | PICTURES | {"clips": 12, "keypoints": 2, "future": 2, "keep": "last"}, None, "cpu"
    ),
}  # fmt: skip
KEPT = ("config.json", "metrics.jsonl", "status.json", "last.safetensors", "weights.safetensors")
LOSSES = ("loss", "recon", "kl")


def write(name: str, folder: Path) -> None:
    """Train one run, keep its files after the first epoch, and write the losses of the second."""
    task, run = RUNS[name]()
    assert fit(task, run, stopped=lambda: len(run.read_metrics()) == 1) == "stopped"
    folder.mkdir(parents=True)
    for file in KEPT:
        shutil.copy(run.path / file, folder / file)
    assert fit(task, run) == "finished"
    last = run.read_metrics()[-1]
    (folder / "expected.json").write_text(json.dumps({loss: last[loss] for loss in LOSSES}, indent=1) + "\n")


def main() -> None:
    """Write the runs of the current format."""
    torch.set_num_threads(1)
    folder = FOLDER / str(checkpoint.FORMAT)
    with tempfile.TemporaryDirectory() as temporary:
        runs.RUNS = Path(temporary)
        for name in RUNS:
            write(name, folder / name)
    print(f"Wrote {', '.join(RUNS)} to {folder.relative_to(checkpoint.ROOT)}")


if __name__ == "__main__":
    main()
