"""What a training uses of processor, memory and GPU."""

import contextlib
import warnings

import psutil
import torch


class Meter:
    """Reads what this process uses. Its processor time is that since the last reading."""

    def __init__(self, device: torch.device):
        self.device = device
        self.process = psutil.Process()
        self.process.cpu_percent()  # the first call returns 0

    def read(self) -> dict[str, float]:
        """`cpu_percent` (100: one core) and `memory_gb`; on CUDA `gpu_memory_gb` and `gpu_percent`.

        `gpu_percent` is that of the whole GPU in the last second or less, and missing where its driver does not tell.
        """
        use = {"cpu_percent": self.process.cpu_percent(), "memory_gb": self.process.memory_info().rss / 1e9}
        if self.device.type == "cuda":
            use["gpu_memory_gb"] = torch.cuda.memory_reserved(self.device) / 1e9
            with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):  # of the driver, any kind
                use["gpu_percent"] = float(torch.cuda.utilization(self.device))
        return {name: round(value, 3) for name, value in use.items()}
