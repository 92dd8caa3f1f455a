"""A run that was never trained, with the rows that a training would have logged."""

import json

from cvae_core.run import Run

ROWS = [
    {"epoch": 0, "bleu4": 0.1, "score": 0.1},
    {"epoch": 1, "step": 10, "loss": 4.0, "kl": 0.5, "beta": 0.0, "bleu4": 0.3, "score": 0.3, "seconds": 1800.0},
    {"epoch": 2, "step": 20, "loss": 2.0, "kl": -0.5, "beta": 0.1, "bleu4": 0.9, "score": 0.9, "seconds": 1800.0},
    {"epoch": 3, "step": 30, "loss": 3.0, "kl": 1.5, "beta": 0.2, "seconds": 3600.0, "words_per_second": 7.0},
]


def make_run(root, name="20260102-030405-demo", rows=ROWS, **config) -> Run:
    path = root / name
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"system": "tense", "config": config}))
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Run(path)
