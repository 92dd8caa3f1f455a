"""Devices: which one a training runs on, and what it can do."""

import os

import torch

from cvae_core.errors import UserError


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory is full; the CPU raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
