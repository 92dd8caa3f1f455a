"""A training of video from a form or a command line: choose data and config, then `fit` into a run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cvae_core import runs
from cvae_core.errors import UserError
from cvae_core.runs import Run
from cvae_core.training import config_from_dict, pick_device
from cvae_core.video.data import Clip, read_folder
from cvae_core.video.model import VideoConfig
from cvae_core.video.presets import preset
from cvae_core.video.task import VideoTask

DEFAULT = "source-004-cyclical"
HELD_OUT = 1_000_000  # simulator seeds from here on are never trained on: validation, then test
VALIDATION_CLIPS = 100


def clips_of(source: str | None, config: VideoConfig) -> tuple[Sequence[Clip], Sequence[Clip]]:
    """Clips to train on and to validate with: of a folder, or simulated."""
    if source is not None:
        return read_folder(source)
    from cvae_core.video.simulator import simulate

    length = config.past + config.future
    return (
        [simulate(seed, length) for seed in range(config.clips)],
        [simulate(HELD_OUT + i, length) for i in range(VALIDATION_CLIPS)],
    )


def prepare(
    preset_name: str | None, overrides: dict[str, Any], source: str | None = None, device: str = "auto"
) -> tuple[VideoTask, Run]:
    """A task and its new run; `source` is a folder of clips, or None for the simulator."""
    config = replace(preset(preset_name or DEFAULT), **overrides)
    saved = {
        "system": "video", "preset": preset_name or DEFAULT, "config": vars(config),
        "source": source and str(Path(source).resolve()), "device": device,
    }  # fmt: skip
    task = _task(saved)
    return task, runs.create(saved, preset_name or "video")


def reopen(run_id: str, device: str | None = None) -> tuple[VideoTask, Run]:
    """The task of a stopped, interrupted or failed run, on the device that it began on or another."""
    run = runs.find_unfinished(run_id, "video")
    return _task(run.read_config() | ({"device": device} if device else {})), run


def _task(saved: dict[str, Any]) -> VideoTask:
    config = config_from_dict(VideoConfig, saved["config"])
    train, validation = clips_of(saved["source"], config)
    name = Path(saved["source"]).name if saved["source"] else "simulator"
    if not train:
        raise UserError(f"{name} has no train/ folder: there is nothing to train on.")
    return VideoTask(config, train, validation, pick_device(saved["device"]), name)
