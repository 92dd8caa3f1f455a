"""The video system as `systems.family` gives it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cvae_core.errors import UserError
from cvae_core.video.config import MODEL_FIELDS
from cvae_core.video.config import VideoConfig as Config
from cvae_core.video.data import MIN_FRAMES, Clip, read_folder
from cvae_core.video.inference import load
from cvae_core.video.metrics import FUTURE, as_table, evaluate
from cvae_core.video.model import VideoCVAE, copy_frames
from cvae_core.video.presets import PRESETS
from cvae_core.video.task import VideoTask

if TYPE_CHECKING:
    from cvae_core.video.simulator import Scene

DEFAULT = "best"
VALIDATION, TEST = 1_000_000, 2_000_000  # first simulator seeds of these splits; training clips have seeds from 0
VALIDATION_CLIPS = 100
__all__ = [
    "DEFAULT", "MODEL_FIELDS", "PRESETS", "Config", "as_table", "check", "data_entries", "evaluate", "load",
    "make_task",
]  # fmt: skip


def data_entries(source: str | None) -> dict[str, Any]:
    """`data` and `source` of config.json: None is the simulator, otherwise a folder of clips."""
    if source is None:
        return {"data": "simulator", "source": None}
    folder = Path(source).resolve()  # the name of "." is empty
    return {"data": folder.name, "source": str(folder)}


def check(config: Config, entries: dict[str, Any], start: VideoCVAE | None) -> None:
    """Accept everything: every config can be trained on every data set; folders are read when the training begins."""


def held_out_clips(source: str | None, config: Config, clips: int) -> tuple[Sequence[Clip], str]:
    """Clips of a folder that are not for training, or simulated test clips (`source` None); and the data's name.

    At most so many: those in `test/`, else validation clips. Raises UserError if the folder has none.
    """
    if source is None:
        return [scene.clip for scene in held_out_scenes(config, clips)], "simulator"
    held_out = read_folder(source, test=True)[1]
    if not held_out:
        raise UserError(f"{source} has training clips alone: expected test/ or validate/ beside train/.")
    return held_out[:clips], Path(source).resolve().name


def held_out_scenes(config: Config, clips: int) -> list["Scene"]:
    """So many simulated test clips with the simulator's record of their objects."""
    from cvae_core.video.simulator import rollout

    return [rollout(TEST + i, config.past + FUTURE) for i in range(clips)]


def make_task(
    config: Config, saved: dict[str, Any], device: torch.device, start: VideoCVAE | None, resumed: bool
) -> VideoTask:
    """The task of a run's config.json (`saved`), with the weights of the model that it starts from.

    Of a model with objects it is the model of frames, without layers. Clips come from a folder or, where `source` is
    None, from the simulator. Raises UserError for a folder without training clips, and for what `read_folder` or
    `VideoTask` refuses.
    """
    name = saved["data"]
    if saved["source"] is None:
        from cvae_core.video.simulator import simulate

        length = max(MIN_FRAMES, config.past + config.future)  # the task cuts windows from them
        train = [simulate(seed, length) for seed in range(config.clips)]
        validation = [simulate(VALIDATION + i, length) for i in range(VALIDATION_CLIPS)]
    else:
        train, validation = read_folder(saved["source"])
    if not train:
        raise UserError(f"{name} has no train/ folder: there is nothing to train on.")
    task = VideoTask(config, train, validation, device, name)
    if start:
        copy_frames(start, task.model)
    return task
