"""Words of like length together: half of the letters of a batch would be padding otherwise."""

from collections.abc import Callable

import torch
from torch import Tensor

from cvae_core.tense.data import PAD

GROUP, GPU_GROUP = 64, 8192  # words; the states of 64 stay in a core's cache


def lengths_of(letters: Tensor) -> Tensor:
    """Letters of each word, its end included: (B, T) -> (B,)."""
    return (letters != PAD).sum(1)


def cut_padding(letters: Tensor) -> Tensor:
    """Without the columns that are padding in every row."""
    return letters[:, : int(lengths_of(letters).max())]


def in_groups(
    function: Callable[..., tuple[Tensor, ...]], lengths: Tensor, letters: Tensor, *others: Tensor
) -> tuple[Tensor, ...]:
    """What a function returns for rows (B, ...), computed for GROUP of them of like length (B,) at a time.

    It gets the letters (B, T), cut to the longest of a group, and the group's rows of the others, and returns tensors
    of as many rows. A batch of up to GROUP words, of up to GPU_GROUP on a GPU, stays as it is.
    """
    size = GROUP if letters.device.type == "cpu" else GPU_GROUP
    if len(letters) <= size:
        return function(letters[:, : int(lengths.max())], *others)
    order = lengths.argsort(stable=True)
    parts = [
        function(letters[rows, : int(lengths[rows[-1]])], *(other[rows] for other in others))
        for rows in order.split(size)
    ]
    back = order.argsort()
    return tuple(torch.cat(columns)[back] for columns in zip(*parts, strict=True))
