"""How objects move: a conditional VAE of each object's path, given the frames' objects and the arm's actions.

A recurrent network with a latent z at each step (VRNN, Chung et al. 2015) sees where an object is relative to the
gripper and to its neighbours, and predicts how it moves until the next frame. Its state is a few numbers an object, so
that what is learned at one place holds everywhere and a prediction stays sharp: an object is moved as a whole.
Shapes: B clips, N objects, S steps; positions are rows and columns in pixels from the picture's middle.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.latent import kl_between, reparameterize
from cvae_core.video.data import ACTION, POSITION
from cvae_core.video.discover import Found
from cvae_core.video.rendering import MIDDLE, PIXEL

HIDDEN, LATENT = 64, 4
MOVES = 4  # numbers of a move: rows and columns in pixels, the angle in radians, the logarithm of the scale
SPREAD = (0.25, 0.25, 0.15, 0.02)  # standard deviation of p(move | z)
DRIFT = 0.3  # pixels a step, in training
FEATURES = 31  # of an object and step


def perceptron(inputs: int, outputs: int) -> nn.Sequential:
    """Two layers."""
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, outputs))


class ObjectMotion(nn.Module):
    """q(z | state, true move), p(z | state), and the mean of p(move | state, z)."""

    def __init__(self):
        super().__init__()
        self.point = nn.Linear(3, 2)  # the gripper's position, in metres, to pixels
        with torch.no_grad():
            self.point.weight.copy_(torch.eye(2, 3) / PIXEL)
            self.point.bias.copy_(-torch.tensor(MIDDLE) / PIXEL)
        self.embed = nn.Sequential(perceptron(FEATURES, HIDDEN), nn.LeakyReLU(0.2))
        self.gru = nn.GRU(HIDDEN, HIDDEN, batch_first=True)
        self.prior = perceptron(2 * HIDDEN, 2 * LATENT)
        self.posterior = perceptron(2 * HIDDEN + MOVES, 2 * LATENT)
        self.move = perceptron(2 * HIDDEN + LATENT, MOVES + 1)
        self.register_buffer("spread", torch.tensor(SPREAD))

    def forward(
        self, objects: Found, condition: Tensor, past: int, generator: torch.Generator, true: Tensor, chosen: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """-log p(move | z) with the prior's mean and a sample of the posterior, and the KL divergence: (M, S) each.

        Of M chosen objects, (B, N) bool; up to a constant, in nats. Conditions (B, P + S - 1, 7) are in metres; true
        moves (B, N, S, 4) are since the last given frame. Each step starts from the true moves before it.
        """
        before = F.pad(true, (0, 0, 1, -1))  # (B, N, S, 4): the last given frame, then all but the last
        target = true - before
        # A prediction drifts from the truth: what an object does next must not depend on its exact place.
        drift = DRIFT * torch.randn(before[..., :2].shape, generator=generator).to(before.device).cumsum(2)
        drifted = before + F.pad(drift, (0, MOVES - 2))
        features, way = self._features(objects, drifted, condition, past - 1)
        target, way = target[chosen], way.expand(*true.shape[:3], 2)[chosen]
        state, _ = self._state(features[chosen], None)
        prior_mu, prior_logvar = self.prior(state).chunk(2, -1)
        mu, logvar = self.posterior(torch.cat([state, target / self.spread.sqrt()], -1)).chunk(2, -1)
        plain, error = (
            self._error(self._move(state, z, way) - target) for z in (prior_mu, reparameterize(mu, logvar, generator))
        )
        return plain, error, kl_between(mu, logvar, prior_mu, prior_logvar).sum(-1)

    def _error(self, difference: Tensor) -> Tensor:
        """Quadratic for small differences (..., 4), linear for large ones, which would outweigh all others: (...)."""
        return (((difference / self.spread).square() + 1).sqrt() - 1).sum(-1)

    def predict(self, objects: Found, condition: Tensor, past: int, generator: torch.Generator) -> Tensor:
        """Moves (B, N, S, 4) since the last given frame, with z from the prior."""
        total = objects.areas.new_zeros(*objects.areas.shape, 1, MOVES)
        h, moves = None, []
        for row in range(past - 1, condition.shape[1]):
            features, way = self._features(objects, total, condition[:, : row + 1], row)
            state, h = self._state(features.flatten(0, 1), h)
            state = state.view(*total.shape[:3], -1)
            mu, logvar = self.prior(state).chunk(2, -1)
            total = total + self._move(state, reparameterize(mu, logvar, generator), way)
            moves.append(total)
        return torch.cat(moves, 2)

    def tips(self, condition: Tensor, past: int) -> Tensor:
        """The fingertips (B, 1 + S, 2) in the last given frame and after each step."""
        position = condition[:, past - 1 :, ACTION:]
        return self.point(torch.cat([position, position[:, -1:] + condition[:, -1:, :POSITION]], 1))

    def _state(self, features: Tensor, h: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features (M, S, FEATURES) of objects -> what the next moves depend on (M, S, 2 · HIDDEN), and the state."""
        e = self.embed(features)
        hidden, h = self.gru(e, h)
        return torch.cat([hidden, e], -1), h

    def _move(self, state: Tensor, z: Tensor, way: Tensor) -> Tensor:
        """Moves (..., 4) of each step: a share of the gripper's way, for what it carries, and a free part."""
        output = self.move(torch.cat([state, z], -1))
        carried = torch.sigmoid(output[..., MOVES:]) * way
        return output[..., :MOVES] * self.spread.sqrt() + F.pad(carried, (0, MOVES - 2))

    def _features(self, objects: Found, total: Tensor, condition: Tensor, row: int) -> tuple[Tensor, Tensor]:
        """Features (B, N, S, FEATURES) after the moves so far (B, N, S, 4), and the gripper's way (B, 1, S, 2).

        The first step is that of this row of the conditions; ways are in pixels.
        """
        now, before = condition[:, None, row:], condition[:, None, max(row - 1, 0) : -1 if row else None]
        position, action = now[..., ACTION:], now[..., :ACTION]
        here, there = self.point(position), self.point(position + action[..., :3])
        centres = objects.centres[:, :, None] + total[..., :2]  # (B, N, S, 2)
        apart = centres[:, :, None] - centres[:, None]  # (B, N, N, S, 2) from each other object
        absent = ~objects.exists[:, None] | torch.eye(centres.shape[1], dtype=torch.bool, device=centres.device)
        distance = apart.norm(dim=-1).masked_fill(absent[..., None], 1e3)
        near, nearest = distance.topk(2, 2, largest=False)  # (B, N, 2, S)
        toward = apart.gather(2, nearest[..., None].expand(-1, -1, -1, -1, 2))
        close = torch.exp(-near[..., None] / 8)
        areas = objects.areas[:, None, :, None].expand_as(distance).gather(2, nearest)[..., None] / 60
        neighbours = torch.cat([toward / 2 * close, close, areas * close], -1)  # (B, N, 2, S, 4)
        arm = torch.stack([
            10 * position[..., 2], 10 * (position[..., 2] + action[..., 2]), before[..., 3], action[..., 3],
        ], -1)  # fmt: skip
        parts = [
            (centres - here) / 8, (centres - there) / 8,
            torch.tanh((centres - here) / 3), torch.tanh((centres - there) / 3),  # fine where they touch
            (there - here) / 4, centres / 32, arm,
            objects.areas[:, :, None, None] / 60, objects.extents[:, :, None] / 4,
            (objects.centres - objects.before)[:, :, None] / 4,
            neighbours[:, :, 0], neighbours[:, :, 1], total[..., 2:],
        ]  # fmt: skip
        return torch.cat([part.expand(*centres.shape[:3], -1) for part in parts], -1), there - here
