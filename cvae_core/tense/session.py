"""A training of verbs from a form or a command line: choose data, config and weights, then `fit` into a run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cvae_core import runs
from cvae_core.errors import UserError
from cvae_core.runs import Run
from cvae_core.tense import data
from cvae_core.tense.data import Verb
from cvae_core.tense.inference import load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.model import TenseConfig
from cvae_core.tense.presets import preset
from cvae_core.tense.task import TenseTask, training_verbs
from cvae_core.training import Stopped, config_from_dict, fixed_fields, pick_device, train

# Fields of the model itself, nearly all the shapes of its weights: training from a checkpoint takes them from it.
MODEL_FIELDS = (
    "hidden_size", "embedding_size", "latent_size", "condition", "condition_size", "condition_into", "latents",
    "decoder_state", "state_layers", "state_width", "state_shared", "decoder_condition", "decoder_activation",
    "encoder_sos", "bidirectional", "source", "tense_classifier",
    "temperature",
)  # fmt: skip


def create(
    preset_name: str | None,
    overrides: dict[str, Any],
    verbs: Sequence[Verb] | None = None,
    data_name: str = "lexicon",
    device: str = "auto",
    init: str | None = None,
    study: str | None = None,
) -> Run:
    """A new run, whose folder holds all that its task is made of: config, the user's verbs, first weights.

    `verbs` are the user's own, called `data_name`; None is the built-in lexicon. `init` is a checkpoint to start from,
    `study` the sweep that the run belongs to.
    """
    start = None
    if init is None:
        config = replace(preset(preset_name or "best"), **overrides)
        if config.encoder_until == 0:
            raise UserError("With encoder_until 0 the encoder never learns: give a checkpoint to start from.")
    else:
        start = load(init)
        own = fixed_fields(start.model.config, MODEL_FIELDS, overrides, init)
        base = preset(preset_name) if preset_name else start.model.config
        config = replace(base, **(own | overrides))
    saved = {
        "system": "tense", "preset": preset_name or (None if init else "best"), "config": vars(config),
        "data": data_name, "init": init, "device": device,
    }  # fmt: skip
    if study is not None:
        saved["study"] = study
    if verbs is not None:
        saved["verbs"] = [verb.forms for verb in verbs]
    training_verbs(config, load_lexicon().verbs if verbs is None else verbs, data_name, start.verbs if start else ())
    return runs.create(saved, preset_name or "tense", init=init and runs.find_weights(init))


def prepare(*choices, **named) -> tuple[TenseTask, Run]:
    """`create`, and the task at once, for a training that begins here and now."""
    run = create(*choices, **named)
    with runs.whole_or_none(run):
        return reopen(run.id)


def reopen(run_id: str, device: str | None = None) -> tuple[TenseTask, Run]:
    """The task of a run that is new, stopped, interrupted or failed, on the device that it began on or another."""
    run = runs.find_unfinished(run_id, "tense", "data")
    saved = run.read_config()
    verbs = data.verbs_from_rows(saved["verbs"], "config.json") if "verbs" in saved else load_lexicon().verbs
    config = config_from_dict(TenseConfig, saved["config"])
    start = load(str(run.init)) if saved.get("init") else None
    device = pick_device(device or saved.get("device", "auto"))
    task = TenseTask(config, verbs, device, saved["data"], old=start.verbs if start else ())
    if start:
        task.model.load_state_dict(task.model.state_dict() | start.model.state_dict())  # a bank stays as it is
        if config.prior_share and not run.resumable:
            task.fill_bank()
    return task, run


def train_point(
    setup: dict[str, Any],
    values: dict[str, Any],
    run_id: str | None,
    started: Callable[[str], None],
    stopped: Callable[[], bool],
) -> float:
    """Train one point of a sweep, as `sweep.work` asks for it: the metric's value after the last epoch.

    `setup` holds preset, overrides, verbs (rows of forms, or None), data, device, study and metric.
    """
    run = _find(run_id)
    if run is None or run.state != "finished":
        if run is not None and run.resumable:
            task, run = reopen(run.id)
        else:
            verbs = setup["verbs"] and data.verbs_from_rows(setup["verbs"])
            overrides = setup["overrides"] | values
            task, run = prepare(
                setup["preset"], overrides, verbs, setup["data"], setup["device"], study=setup["study"]
            )  # fmt: skip
        started(run.id)
        if train(task, run, stopped) == "stopped":
            raise Stopped
    row = run.read_metrics()[-1]
    if setup["metric"] not in row:
        raise UserError(f"{setup['metric']!r} is not among what run {run.id} logged: {', '.join(row)}.")
    return row[setup["metric"]]


def _find(run_id: str | None) -> Run | None:
    """A run of this machine that is not in training; None for another machine's, or one that was deleted."""
    try:
        run = runs.find(run_id) if run_id else None
    except UserError:
        return None
    return None if run is None or run.state in ("running", "queued") else run
