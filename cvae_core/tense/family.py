"""The tense system as `systems.family` gives it."""

import os
from collections.abc import Sequence
from typing import Any

import torch

from cvae_core.errors import UserError
from cvae_core.tense import data, verb_file
from cvae_core.tense.config import MODEL_FIELDS
from cvae_core.tense.config import TenseConfig as Config
from cvae_core.tense.data import Verb
from cvae_core.tense.evaluate import as_table, evaluate
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.presets import PRESETS
from cvae_core.tense.task import TenseTask, training_verbs

DEFAULT = "best"
__all__ = [
    "DEFAULT", "MODEL_FIELDS", "PRESETS", "Config", "as_table", "check", "data_entries", "evaluate", "load",
    "make_task",
]  # fmt: skip


def data_entries(source: str | tuple[str, Sequence[Verb]] | None, as_is: bool = False) -> dict[str, Any]:
    """`data` and `verbs` of config.json: None is the built-in dictionary, otherwise a file, or a name and verbs.

    Of a file also `notes`, sentences on how it was read. With `as_is` its rows are not repaired.
    """
    if source is None:
        return {"data": "lexicon"}
    if isinstance(source, str):
        # Never "lexicon", whatever the file is called.
        read = verb_file.read_verbs(source, as_is)
        dropped = (f"{read.duplicates} duplicate rows were dropped.",) if read.duplicates else ()
        return data_entries((f"file {os.path.basename(source)}", read.verbs)) | {"notes": read.notes + dropped}
    name, verbs = source
    return {"data": name, "verbs": [verb.forms for verb in verbs]}


def _verbs(entries: dict[str, Any]) -> Sequence[Verb]:
    return data.verbs_from_rows(entries["verbs"], "config.json") if "verbs" in entries else load_lexicon().verbs


def check(config: Config, entries: dict[str, Any], start: Inflector | None) -> None:
    """A `UserError` for a training that cannot be: no verbs in its split, rehearsal of none, an untrained encoder."""
    if start is None and config.encoder_until == 0:
        raise UserError("With encoder_until 0 the encoder is never trained: give a checkpoint to start from.")
    training_verbs(config, _verbs(entries), entries["data"], start.verbs if start else ())


def make_task(
    config: Config, saved: dict[str, Any], device: torch.device, start: Inflector | None, resumed: bool
) -> TenseTask:
    """The task of a run's config.json, with the weights and the verbs of the checkpoint that it starts from."""
    task = TenseTask(config, _verbs(saved), device, saved["data"], start)
    if start and task.matcher is not None and not resumed:
        task.fill_bank()
    return task
