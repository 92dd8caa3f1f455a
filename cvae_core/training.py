"""`fit`: the one training loop, for every system.

A task (see `Task`) knows its data, model and losses; `fit` knows optimisation, schedules, the log, checkpoints,
stopping and resuming. All randomness of a batch comes from a generator seeded by (seed, epoch, batch), so that a
position in training is three integers, and a run that was killed goes on bit for bit (on one device kind).
"""

import contextlib
import math
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cvae_core import checkpoint, parallel, schedules
from cvae_core.errors import UserError
from cvae_core.runs import Run, find_weights

SAVE_SECONDS = 60.0  # `last` is also saved inside a long epoch, this often
STATUS_SECONDS = 1.0  # status and progress are written this often


def option(default: Any, text: str, choices: tuple = ()) -> Any:
    """A config field with its comment, which the command line and the pages show."""
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True)
class TrainConfig:
    """What `fit` needs to know; each system's config adds its own fields."""

    epochs: int = option(30, "passes over the data")
    batch_size: int = option(256, "examples in a batch")
    seed: int = option(0, "seed of weights, order and noise")
    optimizer: str = option("adamw", "update rule", ("adamw", "adam", "sgd"))
    learning_rate: float = option(2e-3, "peak learning rate")
    lr_schedule: str = option("one-cycle", "learning rate over training", ("constant", "decayed", "one-cycle"))
    weight_decay: float = option(0.0, "decoupled weight decay (adamw only)")
    clip_norm: float = option(1.0, "largest gradient norm; 0 leaves gradients alone")
    kl_schedule: str = option("linear", "shape of the KL weight's rise", ("constant", "linear", "sigmoid"))
    kl_max: float = option(1.0, "largest KL weight")
    kl_cycles: int = option(1, "annealing cycles; 1 is monotonic")
    kl_zero: float = option(0.0, "share of each cycle with weight 0")
    kl_ramp: float = option(1.0, "share of each cycle in which the weight rises; it holds for the rest")
    tf_schedule: str = option(
        "linear", "shape of the teacher-forcing ratio", ("constant", "linear", "two-slopes", "geometric", "late")
    )
    tf_plateau: float = option(0.0, "linear: share of training before the ratio falls")
    tf_final: float = option(1.0, "linear, two-slopes: ratio at the end; late: its floor; constant: the ratio")
    tf_knee: float = option(0.5, "two-slopes: share of training at which the slope changes")
    tf_knee_ratio: float = option(0.8, "two-slopes: ratio at the knee")
    tf_factor: float = option(0.85, "geometric: factor of each drop")
    tf_every: int = option(3, "geometric: epochs between drops")
    tf_start: int = option(30, "late: epoch in which the ratio begins to fall")
    tf_step: float = option(0.004, "late: how much it falls in each epoch")
    evaluate_start: bool = option(False, "whether the model is also scored before the first epoch, as epoch 0")
    evaluate_every: int = option(0, "steps between evaluations; 0 evaluates once an epoch, at its end")
    keep: str = option("last", "weights that are kept: the last, or those with the best score", ("last", "best"))
    precision: str = option(
        "float32", "of the matrix products: float32, bfloat16 autocast, or auto: bfloat16 where the hardware has it",
        ("float32", "bfloat16", "auto"),
    )  # fmt: skip

    def __post_init__(self):
        for f in fields(self):
            value, choices = getattr(self, f.name), f.metadata.get("choices")
            if choices and value not in choices:
                raise UserError(f"{f.name} is {value!r}: expected one of {', '.join(map(str, choices))}.")
            if isinstance(value, float) and not math.isfinite(value):
                raise UserError(f"{f.name} is {value}: expected a finite number.")
        for name in ("epochs", "batch_size", "kl_cycles", "tf_every"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}: expected at least 1.")
        for name in (
            "kl_zero", "kl_ramp", "tf_plateau", "tf_final", "tf_knee", "tf_knee_ratio", "tf_factor", "tf_step",
        ):  # fmt: skip
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}: expected a share between 0 and 1.")
        for name in ("weight_decay", "clip_norm", "kl_max", "evaluate_every", "tf_start"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} is {getattr(self, name)}: expected 0 or more.")
        if self.learning_rate <= 0:
            raise UserError(f"learning_rate is {self.learning_rate}: expected more than 0.")


def config_from_dict(cls: type, values: dict[str, Any]) -> Any:
    """A config from plain JSON values: unknown or mistyped fields are an error, missing ones take the default."""
    known = {f.name: f for f in fields(cls)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise UserError(f"Unknown config field {unknown[0]!r} for {cls.__name__}.")
    checked = {}
    for name, value in values.items():
        default = known[name].default
        kind = type(default) if default is not MISSING else str
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < 2**1023 else math.inf  # which the config refuses in a sentence
        if type(value) is not kind:
            raise UserError(f"Config field {name} is {value!r}: expected {kind.__name__}.")
        checked[name] = value
    return cls(**checked)


def fixed_fields(config: TrainConfig, names: Sequence[str], overrides: dict[str, Any], init: str) -> dict[str, Any]:
    """The fields that decide the shapes of a checkpoint's weights, which training from it cannot change."""
    own = {name: getattr(config, name) for name in names}
    clash = next((name for name in names if overrides.get(name, own[name]) != own[name]), None)
    if clash:
        raise UserError(f"{clash} comes from the checkpoint {init} ({own[clash]!r}): leave it out.")
    return own


def load_model(
    name_or_path: str, system: str, config_class: type, build: Callable[[Any], nn.Module], device: torch.device | str
) -> tuple[nn.Module, dict[str, Any], Path]:
    """A system's model in eval mode, its metadata and its file, by a checkpoint's name, a run's id or a path.

    `build` makes the model of a config; a file of another system or with weights of other shapes is a `UserError`.
    """
    path = find_weights(str(name_or_path))
    tensors, metadata = checkpoint.read(path, device)
    if metadata.get("system") != system:
        raise UserError(f"{path.name} is a checkpoint of {metadata.get('system')}, not of {system}.")
    if not isinstance(metadata.get("config"), dict):
        raise UserError(f"{path.name} holds no config for its weights.")
    model = build(config_from_dict(config_class, metadata["config"])).to(device)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise UserError(f"{path.name} holds weights that do not fit its config.") from None
    return model.eval(), metadata, path


class Task(Protocol):
    """What a system hands to `fit`."""

    system: str  # tense, digits, video
    unit: str  # what an example is: words, images, frames
    config: TrainConfig
    model: nn.Module

    def steps_per_epoch(self) -> int: ...

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[Any]:
        """The batches of one epoch, a function of the generator alone."""

    def loss(self, batch: Any, beta: float, teacher_forcing: float, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss` (what is minimised), `recon`, `kl`, … as means over the batch."""

    def count(self, batch: Any) -> int:
        """How many examples a batch holds."""

    def evaluate(self) -> dict[str, float]:
        """Scores on data not trained on, in eval mode, without changing any state; `score` decides what is best."""

    def samples(self) -> dict[str, Any]:
        """Something to look at: what the model makes of a few inputs now (plain JSON values)."""

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and metadata, as `checkpoint.write` takes them."""


def beta_at(config: TrainConfig, epoch: int) -> float:
    """KL weight of an epoch."""
    return schedules.kl_weight(
        epoch / config.epochs, config.kl_schedule, config.kl_max, config.kl_cycles, config.kl_zero, config.kl_ramp
    )


def teacher_forcing_at(config: TrainConfig, epoch: int) -> float:
    """Teacher-forcing ratio of an epoch."""
    progress = epoch / config.epochs
    if config.tf_schedule == "constant":
        return config.tf_final
    if config.tf_schedule == "linear":
        return schedules.linear_teacher_forcing(progress, config.tf_plateau, config.tf_final)
    if config.tf_schedule == "two-slopes":
        return schedules.two_slopes_teacher_forcing(progress, config.tf_knee, config.tf_knee_ratio, config.tf_final)
    if config.tf_schedule == "late":
        return schedules.late_teacher_forcing(epoch, config.tf_start, config.tf_step, config.tf_final)
    return schedules.geometric_teacher_forcing(epoch, config.tf_factor, config.tf_every)


def learning_rate_at(config: TrainConfig, epoch: float) -> float:
    """Learning rate at a place in training, in epochs."""
    return schedules.learning_rate(epoch / config.epochs, config.lr_schedule, config.learning_rate)


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=config.learning_rate)
    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    # Fused: one pass over the weights instead of ten, five times faster on a CPU.
    return torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True)


def generator_at(seed: int, epoch: int, batch: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The source of all randomness at one position of training; batch -1 orders the epoch's data.

    Of several processes all get the same numbers, and each takes its rows' (`parallel.draw`).
    """
    # The CPU's generator takes 32 bits of a seed: a prime stride keeps positions of one run apart within them.
    mixed = ((seed * 1_000_003 + epoch) * 1_000_003 + batch + 1) % 2**32
    kind = torch.Generator if parallel.world() == 1 else parallel.Share
    return kind(device).manual_seed(mixed)


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is the GPU when there is one; asking for a missing one is an error."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("No CUDA device is available here: use --device cpu or auto.")
    if name not in ("cpu", "cuda"):
        raise UserError(f"{name!r} is not a device: expected auto, cpu or cuda.")
    return torch.device(name)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; where it does, the verbs train about twice as fast."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # not in every 2.x
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def describe_device(device: torch.device) -> str:
    """The device's name and memory, for people."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return f"{torch.cuda.get_device_name(device)}, {total / 2**30:.0f} GiB of memory, {free / 2**30:.0f} GiB free"
    return f"CPU, {torch.get_num_threads()} of {os.cpu_count()} cores"


@dataclass
class Position:
    """How far training has come, and what it has summed up since the epoch began; all of it plain JSON."""

    epoch: int = 0
    batch: int = 0
    best: float | None = None
    seconds: float = 0.0
    examples: int = 0
    totals: dict[str, float] = field(default_factory=dict)


def fit(
    task: Task,
    run: Run,
    resume: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
) -> str:
    """Train `task` into `run` and return how it ended: `finished` or `stopped`.

    `stopped` is asked before every batch and all through scoring; a stopped run keeps its exact place. `on_event` gets
    `{"kind": "batch", epoch, batch, batches, eta, …}` and `{"kind": "epoch", "row": …}`. A loss or gradient that is
    not finite, a full disk and too little memory raise `UserError` and leave the last good state on disk; every failure
    is written to the run. So does a run that another process trains, and that run is left alone.
    """
    run.write_status(state="running", error=None)  # from here no other process can train it
    try:
        ended = "stopped"
        with contextlib.suppress(Stopped):
            ended = _fit(task, run, resume, stopped, on_event)
        run.log(ended)
        run.write_status(state=ended, eta=0.0 if ended == "finished" else None)
    except BaseException as error:
        if _is_out_of_memory(error):
            batch_size = task.config.batch_size
            error = UserError(f"There is too little memory for batches of {batch_size}: try a smaller batch_size.")
        reason = str(error) or type(error).__name__
        with contextlib.suppress(UserError):  # what cannot be written now, as on a full disk, is said all the same
            run.log(f"failed: {reason}" if isinstance(error, UserError) else f"failed: {traceback.format_exc()}")
        with contextlib.suppress(UserError):
            run.write_status(state="failed", error=reason)
        raise error from None
    return ended


def _is_out_of_memory(error: BaseException) -> bool:
    # That of the CPU is a RuntimeError like any other.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def train(
    task: Task,
    run: Run,
    stopped: Callable[[], bool],
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
) -> str:
    """`fit` from where the run stands, with an error that names the run."""
    try:
        return fit(task, run, run.resumable, stopped, on_event)
    except UserError as error:
        raise UserError(f"{error} (run {run.id})") from None


class Stopped(Exception):
    """Work was cut short because it was asked to stop."""


@contextlib.contextmanager
def _interruptible(model: nn.Module, stopped: Callable[[], bool]) -> Iterator[None]:
    """Within it, every call of one of the model's modules first asks whether to stop."""

    def ask(*_) -> None:
        if stopped():
            raise Stopped

    hooks = [module.register_forward_pre_hook(ask) for module in model.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _fit(task, run, resume, stopped, on_event) -> str:
    config, model = task.config, task.model
    device = next(model.parameters()).device
    optimizer = make_optimizer(model, config)
    bfloat16 = config.precision == "bfloat16" or (config.precision == "auto" and multiplies_bfloat16(device))
    loss = parallel.averaging(task.loss, model)
    position = Position()
    rows: list[dict] = []
    if resume:
        tensors, saved = run.read_last()
        model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        _load_optimizer(optimizer, tensors)
        position = Position(**saved)
        rows = [row for row in run.read_metrics() if row["epoch"] <= position.epoch]
    steps = task.steps_per_epoch()
    done_before = position.epoch * steps + position.batch
    run.write_status(epoch=position.epoch, epochs=config.epochs, batches=steps)
    run.write_metrics(rows)
    run.write_progress([row for row in run.read_progress() if row["step"] <= done_before])
    run.log(f"{'resumed' if resume else 'started'} on {device}, at epoch {position.epoch + 1} of {config.epochs}")

    began = last_save = last_status = time.monotonic()
    recent: list[tuple[int, dict[str, float]]] = []  # examples and losses of each batch since the last status

    def save() -> None:
        nonlocal last_save
        tensors = {f"model.{k}": v for k, v in model.state_dict().items()} | _optimizer_tensors(optimizer)
        run.write_last(tensors, vars(position))
        last_save = time.monotonic()

    def score() -> dict[str, float]:
        model.eval()
        scores = None
        with contextlib.suppress(Stopped), _interruptible(model, stopped):
            scores = task.evaluate() if parallel.rank() == 0 else None
        scores = parallel.from_first(scores)
        if scores is None:
            save()  # from here scoring begins anew
            raise Stopped
        model.train()
        if config.keep == "best" and (position.best is None or scores["score"] > position.best):
            position.best = scores["score"]
            run.write_best(*task.checkpoint())
        return scores

    def add_row(row: dict[str, float]) -> None:
        rows.append(row)
        run.write_metrics(rows)
        run.write_samples(row["epoch"], task.samples())
        run.log("  ".join(f"{name} {value:.4g}" for name, value in row.items()))

    def is_scored(step: int) -> bool:
        return config.evaluate_every > 0 and step > 0 and step % config.evaluate_every == 0

    def eta(step: int) -> float:
        return (time.monotonic() - began) / max(step - done_before, 1) * (config.epochs * steps - step)

    if is_scored(done_before):
        score()  # the stop may have come before these scores; a second time they change nothing
    if config.evaluate_start and not rows:
        row = {"epoch": 0, "step": 0} | score()
        add_row(row)
        on_event({"kind": "epoch", "row": row})

    while position.epoch < config.epochs:
        epoch, started = position.epoch, time.monotonic()
        before = position.seconds
        beta, teacher_forcing = beta_at(config, epoch), teacher_forcing_at(config, epoch)
        model.train()
        for index, batch in enumerate(task.batches(epoch, generator_at(config.seed, epoch, -1))):
            if index < position.batch:
                continue
            if parallel.anywhere(stopped()):
                position.seconds = before + time.monotonic() - started
                save()
                return "stopped"
            count, batch = task.count(batch), parallel.share(batch)
            if batch is None:
                continue
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(config, epoch + index / steps)
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                terms = loss(batch, beta, teacher_forcing, generator_at(config.seed, epoch, index, device))
            optimizer.zero_grad(set_to_none=True)
            terms["loss"].backward()
            losses = parallel.mean(terms)
            norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm or math.inf)
            if not math.isfinite(norm.item()) or not math.isfinite(losses["loss"]):
                raise UserError(
                    f"The loss is no longer a finite number (epoch {epoch + 1}, batch {index + 1}): "
                    "try a lower learning rate or a smaller clip_norm."
                )
            optimizer.step()

            recent.append((count, losses))
            for name, value in losses.items():
                position.totals[name] = position.totals.get(name, 0.0) + value * count
            position.examples += count
            position.batch = index + 1
            position.seconds = before + time.monotonic() - started
            done = epoch * steps + index + 1
            if is_scored(done):
                score()
            now = time.monotonic()
            on_event({
                "kind": "batch", "epoch": epoch, "epochs": config.epochs, "batch": index + 1, "batches": steps,
                "eta": eta(done), "loss": losses["loss"],
            })  # fmt: skip
            if now - last_status > STATUS_SECONDS:
                per_second = sum(count for count, _ in recent) / (now - last_status)
                run.write_status(epoch=epoch, batch=index + 1, eta=eta(done), unit=task.unit, per_second=per_second)
                run.add_progress({"step": done, "epoch": done / steps} | _means(recent))
                recent, last_status = [], now
            if now - last_save > SAVE_SECONDS:
                save()

        row = {"epoch": epoch + 1, "step": (epoch + 1) * steps}
        row |= {name: total / position.examples for name, total in position.totals.items()}
        last_rate = learning_rate_at(config, epoch + (steps - 1) / steps)
        row |= {"beta": beta, "teacher_forcing_ratio": teacher_forcing, "learning_rate": last_rate}
        row |= {k: v for k, v in score().items() if v is not None}
        row |= {
            "seconds": round(position.seconds, 3),
            f"{task.unit}_per_second": round(position.examples / max(position.seconds, 1e-9), 1),
        }
        add_row(row)
        if config.keep == "last":
            run.write_best(*task.checkpoint())
        position = Position(epoch=epoch + 1, best=position.best)
        save()
        per_second = row[f"{task.unit}_per_second"]
        run.write_status(epoch=epoch + 1, batch=0, eta=eta((epoch + 1) * steps), unit=task.unit, per_second=per_second)
        on_event({"kind": "epoch", "row": row})
    return "finished"


def _means(losses: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """Mean of each loss over the examples of some batches."""
    total = sum(count for count, _ in losses)
    return {name: sum(count * terms[name] for count, terms in losses) / total for name in losses[0][1]}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"optimizer.{i}.{k}": torch.as_tensor(v) for i, entry in state.items() for k, v in entry.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            like = parameters[int(index)]
            if value.shape == like.shape:  # in the weights' own order in memory, which fused updates take for granted
                value = torch.empty_like(like).copy_(value)
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
