"""`fit`: the one training loop, for every system.

A task (`task.Task`) knows its data, model and losses; `fit` knows optimisation, schedules, the log, checkpoints,
stopping and resuming. All randomness of a batch comes from a generator seeded by (seed, epoch, batch), so that a
position in training is three integers, and a killed run resumes bit-exactly (on one kind of device).
"""

import contextlib
import math
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from cvae_core import parallel
from cvae_core.device import is_out_of_memory, multiplies_bfloat16
from cvae_core.errors import UserError
from cvae_core.optim import load_optimizer, make_optimizer, optimizer_tensors
from cvae_core.runs import Run
from cvae_core.step import beta_at, learning_rate_at, step_at, teacher_forcing_at
from cvae_core.task import Task

SAVE_SECONDS = 60.0  # `last` is also saved inside a long epoch, this often
STATUS_SECONDS = 1.0  # status and progress are written this often


@dataclass
class Position:
    """How far training has come, and what it has summed up since the epoch began; all of it plain JSON."""

    epoch: int = 0
    batch: int = 0
    best: float | None = None
    seconds: float = 0.0
    examples: int = 0
    totals: dict[str, float] = field(default_factory=dict)


class Stopped(Exception):
    """Work was cut short because it was asked to stop."""


def fit(
    task: Task,
    run: Run,
    resume: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
) -> str:
    """Train `task` into `run` and return how it ended: `finished` or `stopped`.

    `stopped` is asked before every batch and all through scoring; a stopped run keeps its exact position. `on_event`
    gets `{"kind": "batch", epoch, batch, batches, eta, …}` and `{"kind": "epoch", "row": …}`. A loss or gradient that
    is not finite, a full disk and too little memory raise `UserError` and leave the last good state on disk; every
    failure is written to the run. A run that another process trains is a `UserError`, too, and is left alone.
    """
    run.write_status(state="running", error=None)  # from here no other process can train it
    try:
        ended = "stopped"
        with contextlib.suppress(Stopped):
            _Loop(task, run, resume, stopped, on_event).train()
            ended = "finished"
        run.log(ended)
        run.write_status(state=ended, eta=0.0 if ended == "finished" else None)
    except BaseException as error:
        if is_out_of_memory(error):
            batch_size = task.config.batch_size
            error = UserError(f"There is too little memory for batches of {batch_size}: try a smaller batch_size.")
        reason = str(error) or type(error).__name__
        with contextlib.suppress(UserError):  # what cannot be written now, as on a full disk, is said all the same
            run.log(f"failed: {reason}" if isinstance(error, UserError) else f"failed: {traceback.format_exc()}")
        with contextlib.suppress(UserError):
            run.write_status(state="failed", error=reason)
        raise error from None
    return ended


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


class _Loop:
    """One call of `fit`: the task and its run, where training stands, and when what was last written."""

    def __init__(self, task: Task, run: Run, resume: bool, stopped: Callable, on_event: Callable):
        self.task, self.run, self.stopped, self.on_event = task, run, stopped, on_event
        self.config, self.model = task.config, task.model
        self.device = next(self.model.parameters()).device
        self.optimizer = make_optimizer(self.model, self.config)
        precision = self.config.precision
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(self.device))
        self.loss = parallel.averaging(task.loss, self.model)
        self.position = Position()
        self.rows: list[dict[str, Any]] = []
        if resume:
            self._resume()
        self.steps = task.steps_per_epoch()
        self.done_before = self.position.epoch * self.steps + self.position.batch
        run.write_status(epoch=self.position.epoch, epochs=self.config.epochs, batches=self.steps)
        run.write_metrics(self.rows)
        run.write_progress([row for row in run.read_progress() if row["step"] <= self.done_before])
        begins = f"at epoch {self.position.epoch + 1} of {self.config.epochs}"
        run.log(f"{'resumed' if resume else 'started'} on {self.device}, {begins}")
        self.began = self.last_save = self.last_status = time.monotonic()
        self.recent: list[tuple[int, dict[str, float]]] = []  # examples and losses of each batch since the last status

    def _resume(self) -> None:
        tensors, saved = self.run.read_last()
        self.model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        load_optimizer(self.optimizer, tensors)
        self.position = Position(**saved)
        self.rows = [row for row in self.run.read_metrics() if row["epoch"] <= self.position.epoch]

    def train(self) -> None:
        """Every epoch that is left; `Stopped` where it was asked to stop, after saving."""
        if self._is_scored(self.done_before):
            self._score()  # the stop may have come before these scores; a second time they change nothing
        if self.run.init.is_file() and not self.rows:  # what the weights to start from score
            self._add_row({"epoch": 0, "step": 0} | self._score())
        while self.position.epoch < self.config.epochs:
            self._train_epoch()
            self._end_epoch()

    def _train_epoch(self) -> None:
        """The batches of the epoch from the position on."""
        config, position = self.config, self.position
        started, before = time.monotonic(), position.seconds
        self.model.train()
        for index, batch in enumerate(self.task.batches(step_at(config, position.epoch))):
            if index < position.batch:
                continue
            if parallel.anywhere(self.stopped()):
                position.seconds = before + time.monotonic() - started
                self._save()
                raise Stopped
            count, batch = self.task.count(batch), parallel.share(batch)
            if batch is None:
                continue
            losses = self._update(batch, index)
            self.recent.append((count, losses))
            for name, value in losses.items():
                position.totals[name] = position.totals.get(name, 0.0) + value * count
            position.examples += count
            position.batch = index + 1
            position.seconds = before + time.monotonic() - started
            self._report(index, losses["loss"])

    def _update(self, batch: Any, index: int) -> dict[str, float]:
        """One step of the optimiser: the losses of a batch."""
        config, epoch = self.config, self.position.epoch
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(config, epoch + index / self.steps)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            terms = self.loss(batch, step_at(config, epoch, index, self.device))
        self.optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        losses = parallel.mean(terms)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm or math.inf)
        if not math.isfinite(norm.item()) or not math.isfinite(losses["loss"]):
            raise UserError(
                f"The loss is no longer a finite number (epoch {epoch + 1}, batch {index + 1}): "
                "try a lower learning rate or a smaller clip_norm."
            )
        self.optimizer.step()
        return losses

    def _report(self, index: int, loss: float) -> None:
        """After a batch: scores where they are due, the event, and once a second what watchers read from the run."""
        run, epoch = self.run, self.position.epoch
        done = epoch * self.steps + index + 1
        if self._is_scored(done):
            self._score()
        now, eta = time.monotonic(), self._eta(done)
        self.on_event({
            "kind": "batch", "epoch": epoch, "epochs": self.config.epochs, "batch": index + 1, "batches": self.steps,
            "eta": eta, "loss": loss,
        })  # fmt: skip
        if now - self.last_status > STATUS_SECONDS:
            per_second = sum(count for count, _ in self.recent) / (now - self.last_status)
            run.write_status(epoch=epoch, batch=index + 1, eta=eta, unit=self.task.unit, per_second=per_second)
            run.add_progress({"step": done, "epoch": done / self.steps} | _means(self.recent))
            self.recent, self.last_status = [], now
        if now - self.last_save > SAVE_SECONDS:
            self._save()

    def _end_epoch(self) -> None:
        """Log and keep what the epoch led to; the position moves to the next."""
        config, position, task = self.config, self.position, self.task
        epoch = position.epoch
        row = {"epoch": epoch + 1, "step": (epoch + 1) * self.steps}
        row |= {name: total / position.examples for name, total in position.totals.items()}
        last_rate = learning_rate_at(config, epoch + (self.steps - 1) / self.steps)
        row |= {"beta": beta_at(config, epoch), "teacher_forcing_ratio": teacher_forcing_at(config, epoch)}
        row["learning_rate"] = last_rate
        row |= {k: v for k, v in self._score().items() if v is not None}
        per_second = round(position.examples / max(position.seconds, 1e-9), 1)
        row |= {"seconds": round(position.seconds, 3), f"{task.unit}_per_second": per_second}
        self._add_row(row, event=False)
        if config.keep == "last":
            self.run.write_weights(*task.checkpoint())
        self.position = Position(epoch=epoch + 1, best=position.best)
        self._save()
        eta = self._eta((epoch + 1) * self.steps)
        self.run.write_status(epoch=epoch + 1, batch=0, eta=eta, unit=task.unit, per_second=per_second)
        self.on_event({"kind": "epoch", "row": row})

    def _save(self) -> None:
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()} | optimizer_tensors(self.optimizer)
        self.run.write_last(tensors, vars(self.position))
        self.last_save = time.monotonic()

    def _score(self) -> dict[str, float]:
        """The task's scores, from the first process; the best weights are kept where the config says so."""
        self.model.eval()
        scores = None
        with contextlib.suppress(Stopped), _interruptible(self.model, self.stopped):
            scores = self.task.evaluate() if parallel.rank() == 0 else None
        scores = parallel.from_first(scores)
        if scores is None:
            self._save()  # from here scoring begins anew
            raise Stopped
        self.model.train()
        best = self.position.best
        if self.config.keep == "best" and (best is None or scores["score"] > best):
            self.position.best = scores["score"]
            self.run.write_weights(*self.task.checkpoint())
        return scores

    def _add_row(self, row: dict[str, Any], event: bool = True) -> None:
        self.rows.append(row)
        self.run.write_metrics(self.rows)
        self.run.write_samples(row["epoch"], self.task.preview())
        self.run.log("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
        if event:
            self.on_event({"kind": "epoch", "row": row})

    def _is_scored(self, step: int) -> bool:
        every = self.config.evaluate_every
        return every > 0 and step > 0 and step % every == 0

    def _eta(self, step: int) -> float:
        spent = time.monotonic() - self.began
        return spent / max(step - self.done_before, 1) * (self.config.epochs * self.steps - step)


def _means(losses: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """Mean of each loss over the examples of some batches."""
    total = sum(count for count, _ in losses)
    return {name: sum(count * terms[name] for count, terms in losses) / total for name in losses[0][1]}
