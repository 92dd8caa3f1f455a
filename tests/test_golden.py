"""The losses of the first 20 training steps, as they were when tests/golden/losses.json was written.

    python -m tests.test_golden    # writes it anew: only for a change that is meant to change what is computed

Each system's default configuration (the verbs' in smaller batches), the three reports' models, and small models in
which every part of the loss is at work. In float32 on one thread. Processors differ in the order of their sums, hence
the relative tolerances: 1e-5 before any step and 1e-4 after it. Video needs more: Adam divides by the size of a
gradient that is still near zero. Between an AMD EPYC and an Intel Xeon its losses, alike to 2e-7 before any step,
differ by up to 1.2e-3 within 20 steps. All 20 steps of video take a minute: `make test` compares the first three.
"""

import json
import tempfile
from pathlib import Path

import pytest
import torch

from cvae_core import runs
from cvae_core.schedules import begins, constant
from cvae_core.session import prepare
from cvae_core.training import fit
from tests.tiny import SIZES, VERBS

GOLDEN = Path(__file__).parent / "golden" / "losses.json"
STEPS = 20
FIRST, LATER = 1e-5, {"video": 5e-3}  # relative tolerances
FLOAT32 = {"precision": "float32"}
ALL_PARTS = SIZES | FLOAT32 | {
    "epochs": 4, "batch_size": 8, "train_on": "all", "invented": 0.4, "prior_share": constant(),
    "consistency": begins(0.25, 1.0), "encoder_until": 0.5, "form_repeats": 3, "length_pool": 2,
}  # fmt: skip
CASES = {
    "tense": lambda: prepare("tense", None, FLOAT32 | {"batch_size": 80}),
    "tense, all parts": lambda: prepare("tense", "best", ALL_PARTS, ("tiny", VERBS)),
    "tense, report 000": lambda: prepare("tense", "source-000-cyclical", {"batch_size": 8}),
    "tense, report 001": lambda: prepare("tense", "source-001", {"batch_size": 8}),
    "tense, report 002": lambda: prepare("tense", "source-002", {"batch_size": 8}),
    "digits": lambda: prepare("digits", None, FLOAT32),
    "digits, label": lambda: prepare("digits", "source-003-label"),
    "video": lambda: prepare("video", None, FLOAT32 | {"clips": 120}),
}


def first_losses(case: str, folder: Path, steps: int = STEPS) -> list[float]:
    """The loss of each of the first steps, of a training in a folder of its own."""
    losses = []

    def watch(event: dict) -> None:
        if event["kind"] == "batch":
            losses.append(event["loss"])

    threads, home = torch.get_num_threads(), runs.RUNS
    torch.set_num_threads(1)
    runs.RUNS = folder
    try:
        task, run = CASES[case]()
        fit(task, run, stopped=lambda: len(losses) == steps, on_event=watch)
    finally:
        torch.set_num_threads(threads)
        runs.RUNS = home
    return losses


QUICK = [(case, 3 if case == "video" else STEPS) for case in CASES]


@pytest.mark.parametrize(("case", "steps"), [*QUICK, pytest.param("video", STEPS, marks=pytest.mark.slow)])
def test_the_first_steps_compute_what_they_did(case, steps, tmp_path):
    expected = json.loads(GOLDEN.read_text())[case][:steps]
    losses = first_losses(case, tmp_path, steps)
    assert len(losses) == len(expected) == steps
    assert losses[0] == pytest.approx(expected[0], rel=FIRST)
    assert losses == pytest.approx(expected, rel=LATER.get(case, 1e-4))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text(json.dumps({case: first_losses(case, Path(folder)) for case in CASES}, indent=1) + "\n")
