"""A training of video from a form or a command line: choose data and config, then `fit` into a run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cvae_core import runs
from cvae_core.errors import UserError
from cvae_core.runs import Run
from cvae_core.training import config_from_dict, fixed_fields, pick_device
from cvae_core.video.data import Clip, read_folder
from cvae_core.video.inference import load
from cvae_core.video.metrics import FUTURE
from cvae_core.video.model import VideoConfig
from cvae_core.video.presets import preset
from cvae_core.video.task import VideoTask

DEFAULT = "best"
VALIDATION, TEST = 1_000_000, 2_000_000  # simulator seeds from there on: trained on are those from 0
VALIDATION_CLIPS = 100
# Fields that decide the shapes of the weights: training from a checkpoint takes them from it.
MODEL_FIELDS = (
    "network", "width", "norm", "code_size", "latent_size", "rnn_size", "predictor_layers", "posterior_layers", "prior",
    "copies", "feedback", "points",
)  # fmt: skip


def clips_of(source: str | None, config: VideoConfig) -> tuple[Sequence[Clip], Sequence[Clip]]:
    """Clips to train on and to validate with: of a folder, or simulated."""
    if source is not None:
        return read_folder(source)
    from cvae_core.video.simulator import simulate

    length = config.past + config.future
    return (
        [simulate(seed, length) for seed in range(config.clips)],
        [simulate(VALIDATION + i, length) for i in range(VALIDATION_CLIPS)],
    )


def held_out(source: str | None, config: VideoConfig, clips: int) -> tuple[Sequence[Clip], str]:
    """Clips that training never met, and what they are called: a folder's to validate with, or simulated ones."""
    if source is not None:
        return read_folder(source)[1][:clips], Path(source).name
    from cvae_core.video.simulator import simulate

    return [simulate(TEST + i, config.past + FUTURE) for i in range(clips)], "simulator"


def create(
    preset_name: str | None,
    overrides: dict[str, Any],
    source: str | None = None,
    device: str = "auto",
    init: str | None = None,
) -> Run:
    """A new run, whose folder holds all that its task is made of.

    `source` is a folder of clips, or None for the simulator. `init` is a checkpoint to start from; the fields that
    decide the shapes of the weights come from it.
    """
    config = replace(preset(preset_name or DEFAULT), **overrides)
    start = None if init is None else load(init)
    if start is not None:
        config = replace(config, **fixed_fields(start.config, MODEL_FIELDS, overrides, init))
    saved = {
        "system": "video", "preset": preset_name or DEFAULT, "config": vars(config), "init": init,
        "source": source and str(Path(source).resolve()), "device": device,
    }  # fmt: skip
    return runs.create(saved, preset_name or "video", init=init and runs.find_weights(init))


def prepare(*choices, **named) -> tuple[VideoTask, Run]:
    """`create`, and the task at once, for a training that begins here and now."""
    run = create(*choices, **named)
    with runs.whole_or_none(run):
        return reopen(run.id)


def reopen(run_id: str, device: str | None = None) -> tuple[VideoTask, Run]:
    """The task of a run that is new, stopped, interrupted or failed, on the device that it began on or another."""
    run = runs.find_unfinished(run_id, "video", "source", "device", "init")
    saved = run.read_config()
    config = config_from_dict(VideoConfig, saved["config"])
    train, validation = clips_of(saved["source"], config)
    name = Path(saved["source"]).name if saved["source"] else "simulator"
    if not train:
        raise UserError(f"{name} has no train/ folder: there is nothing to train on.")
    task = VideoTask(config, train, validation, pick_device(device or saved["device"]), name)
    if saved["init"]:
        task.model.load_state_dict(load(str(run.init)).state_dict())
    return task, run
