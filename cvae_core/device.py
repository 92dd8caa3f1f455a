"""Devices: choose one, and what it supports."""

import contextlib
import os
from collections.abc import Iterator

import torch

from cvae_core.errors import UserError


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is the GPU if there is one. Raises UserError for a GPU that is missing and for other names."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("No CUDA device is available here: use --device cpu or auto.")
    if name not in ("cpu", "cuda"):
        raise UserError(f"{name!r} is not a device: expected auto, cpu or cuda.")
    return torch.device(name)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware, which makes training on verbs about twice as fast."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # missing in some 2.x
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@contextlib.contextmanager
def autocast(device: torch.device, bfloat16: bool) -> Iterator[None]:
    """A context in which matrix products are in bfloat16, if it is asked for.

    For processors without AVX-512 oneDNN has no LSTM in bfloat16: PyTorch's own, slower one is used there.
    """
    without = bfloat16 and device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = before and not without
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            yield
    finally:
        torch.backends.mkldnn.enabled = before


def describe_device(device: torch.device) -> str:
    """The device's name and memory, or its cores, as text."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return f"{torch.cuda.get_device_name(device)}, {total / 2**30:.0f} GiB of memory, {free / 2**30:.0f} GiB free"
    return f"CPU, {torch.get_num_threads()} of {os.cpu_count()} cores"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory is exhausted; on a CPU it is a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
