"""LSTMs over the steps of a clip: the predictor of codes, and the distributions of z."""

import torch
from torch import Tensor, nn

from cvae_core.video.config import VideoConfig

State = tuple[Tensor, Tensor] | None  # h and c of an LSTM, (layers, B, R) each; None at the start


class Recurrent(nn.Module):
    """Linear, LSTM, linear; its state is an argument and a result."""

    def __init__(self, inputs: int, outputs: int, layers: int, config: VideoConfig):
        super().__init__()
        self.embed = nn.Linear(inputs, config.rnn_size)
        self.lstm = nn.LSTM(config.rnn_size, config.rnn_size, layers, batch_first=True)
        self.out = nn.Linear(config.rnn_size, outputs)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Sequences (B, T, inputs) -> (B, T, outputs) in float32, and the state after them."""
        # Never in bfloat16: slower on a CPU, and its 8 bits resolve the arm's position to a quarter of a pixel at best.
        with torch.autocast(x.device.type, enabled=False):
            h, state = self.lstm(self.embed(x.float()), state)
            return self.out(h), state


class GaussianLSTM(Recurrent):
    """A diagonal Gaussian over z at each step."""

    def __init__(self, inputs: int, config: VideoConfig):
        super().__init__(inputs, 2 * config.latent_size, config.posterior_layers, config)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, Tensor, State]:  # type: ignore[override]
        """Sequences (B, T, inputs) -> mean and log variance (B, T, Z), and the state after them."""
        outputs, state = super().forward(x, state)
        return *outputs.chunk(2, -1), state


class StandardNormal(nn.Module):
    """N(0, I) over z at each step, for any input."""

    def __init__(self, latent_size: int):
        super().__init__()
        self.latent_size = latent_size

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, Tensor, State]:
        """Sequences (B, T, inputs) -> mean and log variance (B, T, Z), both zero; no state."""
        zeros = x.new_zeros(*x.shape[:2], self.latent_size, dtype=torch.float32)
        return zeros, zeros, None
