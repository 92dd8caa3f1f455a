"""Training in several processes under `torchrun`: each computes its share of every batch, gradients are averaged.

Process r of w takes rows r, r + w, … of a batch. A row gets the random numbers that it would get in a single process
(`draw`), so training is the same as in one process with the whole batch. Without `torchrun`, a training is one process,
and these functions return their argument or do nothing.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from cvae_core.errors import UserError


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """A context with a process group of the processes that `torchrun` started: gloo between CPUs, NCCL between GPUs.

    Each process uses the GPU of its local rank. Raises UserError if there are fewer GPUs than processes.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    if device.type == "cuda":
        local_rank = int(os.environ["LOCAL_RANK"])
        if local_rank >= (gpus := torch.cuda.device_count()):
            raise UserError(f"There are {gpus} GPUs: start no more processes than that, or use --device cpu.")
        torch.cuda.set_device(local_rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Index of this process; the first is 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


# --- rows of a batch ------------------------------------------------------------------------------------------------


class Share(torch.Generator):
    """A generator with the same state in every process; `draw` takes the numbers of this process's rows from it."""


def draw(make: Callable[..., Tensor], shape: tuple[int, ...], generator: torch.Generator | None, **options) -> Tensor:
    """`make(shape, generator=generator)`; for a `Share`, this process's rows of the numbers for the whole batch."""
    if not isinstance(generator, Share):
        return make(shape, generator=generator, **options)
    return make((shape[0] * world(), *shape[1:]), generator=generator, **options)[rank() :: world()]


def share(batch: Any) -> Any | None:
    """This process's rows of each tensor in a batch (a named tuple); None if there are fewer rows than processes.

    Every process takes the same number of rows: up to w - 1 rows at the end of the batch are dropped.
    """
    if world() == 1:
        return batch

    def rows(tensor: Tensor) -> Tensor:
        return tensor[: len(tensor) // world() * world()][rank() :: world()]

    if len(batch[0]) < world():
        return None
    return type(batch)(*(rows(part) if isinstance(part, Tensor) else part for part in batch))


def gather(rows: Tensor) -> Tensor:
    """The rows (n, …) of every process as those of the whole batch (w n, …), in order and detached."""
    if world() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world())]
    dist.all_gather(parts, rows.detach().contiguous())
    return torch.stack(parts, 1).flatten(0, 1)


# --- collectives ----------------------------------------------------------------------------------------------------


def averaging(loss: Callable[..., dict[str, Tensor]], model: nn.Module) -> Callable[..., dict[str, Tensor]]:
    """The loss function of a model, with gradients averaged over the processes."""
    if world() == 1:
        return loss

    class Loss(nn.Module):  # DistributedDataParallel wraps a module
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *args):
            return loss(*args)

    # Not every step gives every weight a gradient: a frozen encoder, a batch decoded without its source.
    return nn.parallel.DistributedDataParallel(Loss(), find_unused_parameters=True)


def mean(terms: dict[str, Tensor]) -> dict[str, float]:
    """Scalars as numbers, averaged over the processes."""
    if world() == 1:
        return {name: value.item() for name, value in terms.items()}
    values = torch.stack([value.detach().float() for value in terms.values()])
    dist.all_reduce(values)
    return dict(zip(terms, (values / world()).tolist(), strict=True))


def from_first(value: Any) -> Any:
    """The value in the first process."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


def anywhere(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    if world() == 1:
        return flag
    count = torch.tensor(float(flag))
    dist.all_reduce(count)
    return bool(count)
