"""`fit`: the one training loop, for every system.

A task (`task.Task`) defines data, model and losses; `fit` does optimization, schedules, logging, checkpoints, stopping
and resuming. All randomness of a batch comes from a generator seeded by (seed, epoch, batch), so a killed run resumes
bit-exactly on the same kind of device.
"""

import contextlib
import math
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from cvae_core import parallel
from cvae_core.device import autocast, is_out_of_memory, multiplies_bfloat16
from cvae_core.errors import UserError
from cvae_core.optim import load_optimizer, make_average, make_optimizer, optimizer_tensors
from cvae_core.resources import Meter
from cvae_core.run import Run, as_line
from cvae_core.step import beta_at, learning_rate_at, step_at, teacher_forcing_at
from cvae_core.task import Task

AVERAGE = "average."  # prefix of the mean weights in the resumable state
SAVE_SECONDS = 60.0  # between saves of the resumable state within an epoch
STATUS_SECONDS = 1.0  # between writes of status and progress


@dataclass
class Position:
    """Completed epochs, and what the current epoch has accumulated: JSON values, saved with the resumable state."""

    epoch: int = 0
    batch: int = 0
    best: float | None = None  # score
    seconds: float = 0.0
    examples: int = 0
    totals: dict[str, float] = field(default_factory=dict)  # losses, summed over examples


class Stopped(Exception):
    """Raised within a training that was asked to stop."""


def fit(
    task: Task,
    run: Run,
    stopped: Callable[[], bool] = lambda: False,
    on_event: Callable[[dict[str, Any]], None] = lambda event: None,
) -> str:
    """Train `task`, from the run's resumable state if it has one, and return `finished` or `stopped`.

    `stopped` is called before every batch and during evaluation; a stopped run keeps its exact position. `on_event`
    gets `{"kind": "batch", epoch, batch, batches, eta, …}` and `{"kind": "epoch", "row": …}`. Raises UserError, which
    names the run, if a loss or gradient is not finite, the disk is full or memory runs out: the last saved state stays
    on disk. Every exception is written to the run. Raises UserError and changes nothing if another process has locked
    the run.
    """
    run.write_status(state="running", error=None)  # locks the run
    try:
        ended = "stopped"
        with contextlib.suppress(Stopped):
            _Loop(task, run, stopped, on_event).train()
            ended = "finished"
        run.log(ended)
        run.write_status(state=ended, eta=0.0 if ended == "finished" else None)
    except BaseException as error:
        reason, out_of_memory = str(error) or type(error).__name__, is_out_of_memory(error)
        if out_of_memory:
            reason = f"There is too little memory for batches of {task.config.batch_size}: try a smaller batch_size."
        expected = isinstance(error, UserError) or out_of_memory
        with contextlib.suppress(UserError):  # on a full disk, where neither can be written
            run.log(f"failed: {reason if expected else traceback.format_exc()}")
        with contextlib.suppress(UserError):
            run.write_status(state="failed", error=reason)
        if expected:
            raise UserError(f"{reason} (run {run.id})") from None
        raise error from None
    return ended


@contextlib.contextmanager
def _interruptible(model: nn.Module, stopped: Callable[[], bool]) -> Iterator[None]:
    """A context in which every forward pass of a module first raises Stopped if `stopped` returns True."""

    def check(*_) -> None:
        if stopped():
            raise Stopped

    hooks = [module.register_forward_pre_hook(check) for module in model.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _Loop:
    """The state of one call of `fit`."""

    def __init__(self, task: Task, run: Run, stopped: Callable, on_event: Callable):
        self.task, self.run, self.stopped, self.on_event = task, run, stopped, on_event
        self.config, self.model = task.config, task.model
        self.device = next(self.model.parameters()).device
        self.optimizer = make_optimizer(self.model, self.config)
        self.average = make_average(self.model) if self.config.average_from < 1 else None
        precision = self.config.precision
        self.bfloat16 = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(self.device))
        self.loss = parallel.averaging(task.loss, self.model)
        self.position = Position()
        self.rows: list[dict[str, Any]] = []
        if run.resumable:
            self._resume()
        self.steps = task.steps_per_epoch()
        self.done_before = self.position.epoch * self.steps + self.position.batch
        run.write_status(epoch=self.position.epoch, epochs=self.config.epochs, batches=self.steps)
        run.write_metrics(self.rows)
        run.write_progress([row for row in run.read_progress() if row["step"] <= self.done_before])
        verb = "resumed" if run.resumable else "started"
        run.log(f"{verb} on {self.device}, at epoch {self.position.epoch + 1} of {self.config.epochs}")
        self.began = self.last_save = self.last_status = time.monotonic()
        self.recent: list[tuple[int, dict[str, float]]] = []  # (examples, losses) of each batch since the last status
        self.meter = Meter(self.device)

    def _resume(self) -> None:
        tensors, saved = self.run.read_last()
        self.task.state.load_state_dict({k: v for k, v in tensors.items() if k.split(".")[0] in self.task.state})
        load_optimizer(self.optimizer, tensors)
        if self.average is not None:
            self.average.load_state_dict({k[len(AVERAGE) :]: v for k, v in tensors.items() if k.startswith(AVERAGE)})
        self.position = Position(**saved)
        self.rows = [row for row in self.run.read_metrics() if row["epoch"] <= self.position.epoch]

    def train(self) -> None:
        """Train the remaining epochs. Raises Stopped, after saving, when asked to stop."""
        if self._evaluates_at(self.done_before):
            self._evaluate()  # training may have been stopped before this evaluation; repeating it changes nothing
        if self.run.init.is_file() and not self.rows:
            row = {"epoch": 0, "step": 0} | self._evaluate(of_epoch=True)  # scores of the initial weights
            self._add_row(row)
            self.on_event({"kind": "epoch", "row": row})
        while self.position.epoch < self.config.epochs:
            self._train_epoch()
            self._end_epoch()

    def _train_epoch(self) -> None:
        """Train on the remaining batches of the epoch."""
        config, position = self.config, self.position
        started, before = time.monotonic(), position.seconds
        self.model.train()
        step = step_at(config, position.epoch)._replace(resumed=position.batch > 0)
        for index, batch in enumerate(self.task.batches(step)):
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
        """One optimizer step; returns the losses of the batch. Raises UserError if loss or gradient is not finite."""
        config, epoch = self.config, self.position.epoch
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(config, epoch + index / self.steps)
        with autocast(self.device, self.bfloat16):
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
        if self.average is not None and epoch + index / self.steps >= config.average_from * config.epochs:
            self.average.update_parameters(self.model)
        return losses

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """A context in which the model has its mean weights (SWA, Izmailov et al. 2018), once there are any."""
        if self.average is None or not self.average.n_averaged:
            yield
            return
        trained = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.module.state_dict())
        try:
            yield
        finally:
            self.model.load_state_dict(trained)

    def _report(self, index: int, loss: float) -> None:
        """After a batch: evaluate if due, send the event, write status and progress each second, save each minute."""
        run, epoch = self.run, self.position.epoch
        done = epoch * self.steps + index + 1
        if self._evaluates_at(done):
            self._evaluate()
        now, eta = time.monotonic(), self._eta(done)
        self.on_event({
            "kind": "batch", "epoch": epoch, "epochs": self.config.epochs, "batch": index + 1, "batches": self.steps,
            "eta": eta, "loss": loss,
        })  # fmt: skip
        if now - self.last_status > STATUS_SECONDS:
            per_second = sum(count for count, _ in self.recent) / (now - self.last_status)
            run.write_status(epoch=epoch, batch=index + 1, eta=eta, unit=self.task.unit, per_second=per_second)
            run.add_progress({"step": done, "epoch": done / self.steps} | _means(self.recent) | self.meter.read())
            self.recent, self.last_status = [], now
        if now - self.last_save > SAVE_SECONDS:
            self._save()

    def _end_epoch(self) -> None:
        """Evaluate, log the epoch's row, save, and move the position to the next epoch."""
        config, position, task, began = self.config, self.position, self.task, time.monotonic()
        epoch = position.epoch
        row: dict[str, float] = {"epoch": epoch + 1, "step": (epoch + 1) * self.steps}
        row |= {name: total / position.examples for name, total in position.totals.items()}
        row |= {"beta": beta_at(config, epoch), "teacher_forcing_ratio": teacher_forcing_at(config, epoch)}
        row["learning_rate"] = learning_rate_at(config, epoch + (self.steps - 1) / self.steps)  # of the last batch
        row |= self._evaluate(of_epoch=True)
        if position.best is not None:
            row["best_score"] = position.best
        per_second = round(position.examples / max(position.seconds, 1e-9), 1)
        row |= {"seconds": round(position.seconds, 3), f"{task.unit}_per_second": per_second}
        self._add_row(row)
        if config.keep == "last":
            self._keep_weights()
        self.position = Position(epoch=epoch + 1, best=position.best)
        self._save()
        eta = self._eta((epoch + 1) * self.steps)
        self.run.write_status(epoch=epoch + 1, batch=0, eta=eta, unit=task.unit, per_second=per_second)
        self.on_event({"kind": "epoch", "row": row})
        self.last_status += time.monotonic() - began  # the speed that is shown next is that of training alone

    def _save(self) -> None:
        tensors = self.task.state.state_dict() | optimizer_tensors(self.optimizer)
        if self.average is not None:
            tensors |= {AVERAGE + name: value for name, value in self.average.state_dict().items()}
        self.run.write_last(tensors, vars(self.position))
        self.last_save = time.monotonic()

    def _evaluate(self, of_epoch: bool = False) -> dict[str, float]:
        """Scores, and an epoch's statistics, from the first process; writes the weights if they are the best so far."""
        self.model.eval()
        scores = None
        with contextlib.suppress(Stopped), self._averaged(), _interruptible(self.model, self.stopped):
            if parallel.rank() == 0:
                scores = self.task.evaluate() | (self.task.statistics() if of_epoch else {})
        scores = parallel.from_first(scores)
        if scores is None:
            self._save()  # a resumed training evaluates again
            raise Stopped
        self.model.train()
        best = self.position.best
        if self.config.keep == "best" and (best is None or scores["score"] > best):
            self.position.best = scores["score"]
            self._keep_weights()
        return scores

    def _keep_weights(self) -> None:
        with self._averaged():
            self.run.write_weights(*self.task.checkpoint())

    def _add_row(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        self.run.write_metrics(self.rows)
        with self._averaged():
            self.run.write_samples(row["epoch"], self.task.preview())
        self.run.log(as_line(row))

    def _evaluates_at(self, step: int) -> bool:
        every = self.config.evaluate_every if self.config.keep == "best" else 0
        return every > 0 and step % every == 0 and step % self.steps > 0  # the end of an epoch is scored anyway

    def _eta(self, step: int) -> float:
        """Seconds until the end of training."""
        spent = time.monotonic() - self.began
        return spent / max(step - self.done_before, 1) * (self.config.epochs * self.steps - step)


def _means(losses: list[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """Mean of each loss over the examples of those batches that have it."""
    names = dict.fromkeys(name for _, terms in losses for name in terms)
    with_name = {name: [(count, terms[name]) for count, terms in losses if name in terms] for name in names}
    return {name: sum(n * value for n, value in of) / sum(n for n, _ in of) for name, of in with_name.items()}
