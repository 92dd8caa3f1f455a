"""A training of verbs from a form or a command line: choose data, config and weights, then `fit` into a run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cvae_core import runs
from cvae_core.errors import UserError
from cvae_core.runs import Run
from cvae_core.tense import data
from cvae_core.tense.data import Verb
from cvae_core.tense.inference import load
from cvae_core.tense.model import TenseConfig
from cvae_core.tense.presets import preset
from cvae_core.tense.task import TenseTask
from cvae_core.training import config_from_dict, fit, pick_device

# Fields that decide the shapes of the weights: training from a checkpoint takes them from it.
MODEL_FIELDS = (
    "hidden_size", "embedding_size", "latent_size", "condition", "condition_size", "condition_into", "latents",
    "decoder_state", "state_layers", "decoder_activation", "encoder_sos", "bidirectional", "source",
)  # fmt: skip


def prepare(
    preset_name: str | None,
    overrides: dict[str, Any],
    data_path: str | None = None,
    device: str = "auto",
    resume: str | None = None,
    init: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[TenseTask, Run, bool]:
    """A task and its run, new or to be resumed, and whether there is a saved state to resume from.

    The run's config.json holds all that resuming needs, the user's verbs included.
    """
    if resume is not None:
        return _prepare_resume(resume, overrides, preset_name, data_path, init, device)
    if preset_name is None and init is None:
        preset_name = "default"
    if init is not None:
        start = load(init)
        own = {name: getattr(start.model.config, name) for name in MODEL_FIELDS}
        clash = next((n for n in MODEL_FIELDS if n in overrides and overrides[n] != own[n]), None)
        if clash:
            raise UserError(f"{clash} comes from the checkpoint {init} ({own[clash]!r}): leave it out.")
        base = preset(preset_name) if preset_name else start.model.config
        config = replace(base, **(own | overrides))
    else:
        config = replace(preset(preset_name), **overrides)
    where = pick_device(device)
    verbs, name = _verbs(data_path, say)
    task = TenseTask(config, verbs, where, name)
    if init is not None:
        task.model.load_state_dict(start.model.state_dict())
    saved = {"system": "tense", "preset": preset_name, "config": vars(config), "data": name, "init": init}
    if data_path:
        saved["verbs"] = [verb.forms for verb in verbs]
    return task, runs.create(saved, preset_name or "tense"), False


def _verbs(data_path: str | None, say: Callable[[str], None]) -> tuple[tuple[Verb, ...], str]:
    if data_path is None:
        return data.load_lexicon().verbs, "lexicon"
    file = data.read_verbs(data_path)
    if file.duplicates:
        say(f"{data_path}: {file.duplicates} rows stand more than once and are kept once; {len(file.verbs)} verbs.")
    return file.verbs, f"file {Path(data_path).name}"  # never "lexicon", whatever it is called


def _prepare_resume(run_id, overrides, preset_name, data_path, init, device) -> tuple[TenseTask, Run, bool]:
    if overrides or preset_name or data_path or init:
        raise UserError("--resume goes on with the run's own config and data: leave out other settings.")
    run = runs.find(run_id)
    state = run.read_status().get("state")
    if state in ("finished", "running"):
        raise UserError(f"Run {run_id} is {state}: only a stopped, interrupted or failed run can be resumed.")
    saved = run.read_config()
    if saved.get("system") != "tense":
        raise UserError(f"Run {run_id} is of {saved.get('system')}, not of tense.")
    config = config_from_dict(TenseConfig, saved["config"])
    if "verbs" in saved:
        verbs = tuple(Verb(tuple(tuple(spellings) for spellings in forms)) for forms in saved["verbs"])
    else:
        verbs = data.load_lexicon().verbs
    task = TenseTask(config, verbs, pick_device(device), saved["data"])
    if saved.get("init"):
        task.model.load_state_dict(load(saved["init"]).model.state_dict())
    return task, run, run.resumable


def train(
    task: TenseTask, run: Run, resume: bool, stopped: Callable[[], bool], on_event: Callable[[dict], None]
) -> str:
    """`fit`, with an error that names the run."""
    try:
        return fit(task, run, resume, stopped, on_event)
    except UserError as error:
        raise UserError(f"{error} (run {run.id})") from None
