"""Training in several processes under `torchrun`: each computes its share of every batch, gradients are averaged.

Rows of a batch go round: process r of w takes rows r, r + w, … Random numbers of a row are those that it would have in
one process (`draw`), so that several processes train as one does with the joint batch. Without `torchrun` every
function here does what its name says for a single process.
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
    """Within it the processes that `torchrun` started, if it did, are one training: gloo between CPUs, NCCL on GPUs.

    On GPUs each process takes the one of its local rank; a `UserError` where there are too few.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    if device.type == "cuda":
        mine = int(os.environ["LOCAL_RANK"])
        if mine >= (gpus := torch.cuda.device_count()):
            raise UserError(f"There are {gpus} GPUs: start no more processes than that, or use --device cpu.")
        torch.cuda.set_device(mine)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


# --- rows of a batch ------------------------------------------------------------------------------------------------


class Share(torch.Generator):
    """A generator of all processes alike, from which `draw` takes the numbers of this process's rows."""


def draw(make: Callable[..., Tensor], shape: tuple[int, ...], generator: torch.Generator | None, **options) -> Tensor:
    """`make(shape, generator=generator)`; of a `Share`, this process's rows of what the joint batch would get."""
    if not isinstance(generator, Share):
        return make(shape, generator=generator, **options)
    return make((shape[0] * world(), *shape[1:]), generator=generator, **options)[rank() :: world()]


def share(batch: Any) -> Any | None:
    """This process's rows of each tensor of a batch, a named tuple; None where there are fewer rows than processes.

    All take equally many: up to w - 1 rows at the end of a batch are left out.
    """
    if world() == 1:
        return batch

    def rows(tensor: Tensor) -> Tensor:
        return tensor[: len(tensor) // world() * world()][rank() :: world()]

    if len(batch[0]) < world():
        return None
    return type(batch)(*(rows(part) if isinstance(part, Tensor) else part for part in batch))


def gather(rows: Tensor) -> Tensor:
    """The joint batch's rows from every process's, in their order; they carry no gradient."""
    if world() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world())]
    dist.all_gather(parts, rows.detach().contiguous())
    return torch.stack(parts, 1).flatten(0, 1)


# --- what all must agree on -----------------------------------------------------------------------------------------


def averaging(loss: Callable[..., dict[str, Tensor]], model: nn.Module) -> Callable[..., dict[str, Tensor]]:
    """A loss function of the model whose gradients come out as means over the processes."""
    if world() == 1:
        return loss

    class Loss(nn.Module):  # DistributedDataParallel wraps what a module returns
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *args):
            return loss(*args)

    # Not every step needs all weights: an encoder at rest, a decoder that does not see the source.
    return nn.parallel.DistributedDataParallel(Loss(), find_unused_parameters=True)


def mean(terms: dict[str, Tensor]) -> dict[str, float]:
    """Numbers of every process, averaged."""
    if world() == 1:
        return {name: value.item() for name, value in terms.items()}
    values = torch.stack([value.detach().float() for value in terms.values()])
    dist.all_reduce(values)
    return dict(zip(terms, (values / world()).tolist(), strict=True))


def from_first(value: Any) -> Any:
    """What the first process has."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


def anywhere(flag: bool) -> bool:
    """Whether the flag is up in any process."""
    if world() == 1:
        return flag
    raised = torch.tensor(float(flag))
    dist.all_reduce(raised)
    return bool(raised)
