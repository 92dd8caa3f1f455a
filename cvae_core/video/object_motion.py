"""How objects move: a conditional VAE of their paths, given the frames' objects and the arm's actions.

An interaction network (Battaglia et al. 2016) with a recurrent state and a latent z at each step (VRNN, Chung et al.
2015): it sees where an object is relative to the gripper, and what the objects around it do, and predicts how it moves
until the next frame. Its state is a few numbers an object, so that what is learned at one place holds everywhere, and
a prediction stays sharp: an object is moved as a whole.
Shapes: B clips, N objects, S steps; positions are rows and columns in pixels from the picture's middle.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.latent import kl_between, reparameterize
from cvae_core.video.data import ACTION, POSITION, SIDE
from cvae_core.video.discover import Found
from cvae_core.video.rendering import CAMERA_HEIGHT, MIDDLE, PIXEL

WIDTH, LATENT = 128, 4  # of the state and of z
MESSAGE, SHAPE, CONTACT = 64, 24, 48  # widths of a message and of the codes of a shape and of a contact
WINDOW = 20  # pixels: larger than an object
GRID, GAP = 13, 1.5  # points around the fingertips along an axis, and pixels between them
MOVES = 4  # numbers of a move: rows and columns in pixels, the angle in radians, the logarithm of the scale
SPREAD = (0.25, 0.25, 0.15, 0.02)  # standard deviation of p(move | z)
PAIR = 4 + 2 + 2 + 2 * SHAPE  # inputs of a message, see `_messages`
FEATURES = 8 + 2 + 2 + 4 + 2 + 5 + SHAPE + MESSAGE + CONTACT  # inputs of a step, see `_features`
MOST = 6.0  # largest size of a log variance: an unbounded one overflowed


class Start(NamedTuple):
    """What is known of B clips' objects at the last given frame."""

    shapes: Tensor  # (B, N, 2, WINDOW, WINDOW) coverage around the centre, in the last given frame and the one before
    centres: Tensor  # (B, N, 2)
    before: Tensor  # (B, N, 2) centre in the frame before
    exists: Tensor  # (B, N) bool


def start_of(objects: Found) -> Start:
    """Of objects found in given frames."""
    line = torch.arange(WINDOW, device=objects.centres.device) + 0.5 - WINDOW / 2
    rows, columns = (objects.centres[..., i, None] + line for i in range(2))  # (B, N, WINDOW)
    sizes = (*objects.exists.shape, WINDOW, WINDOW)
    grid = torch.stack([columns[..., None, :].expand(sizes), rows[..., None].expand(sizes)], -1) / (SIDE / 2)
    masks = torch.stack([objects.masks, objects.masks_before], 2).flatten(0, 1)
    cut = F.grid_sample(masks, grid.flatten(0, 1), align_corners=False)
    return Start(cut.unflatten(0, sizes[:2]), objects.centres, objects.before, objects.exists)


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two layers."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))


class ObjectMotion(nn.Module):
    """q(z | state, true move), p(z | state), and the mean of p(move | state, z)."""

    def __init__(self):
        super().__init__()
        self.shape = perceptron(2 * WINDOW**2, 128, SHAPE)
        self.contact = perceptron(4 * GRID**2, 128, CONTACT)
        self.message = perceptron(PAIR, MESSAGE, MESSAGE)
        self.embed = nn.Sequential(perceptron(FEATURES, WIDTH, WIDTH), nn.LeakyReLU(0.2))
        self.gru = nn.GRUCell(WIDTH, WIDTH)
        self.prior = perceptron(2 * WIDTH, 64, 2 * LATENT)
        self.posterior = perceptron(2 * WIDTH + MOVES, 64, 2 * LATENT)
        self.move = perceptron(2 * WIDTH + LATENT, WIDTH, MOVES + 2)
        self.register_buffer("spread", torch.tensor(SPREAD))

    def forward(
        self, start: Start, condition: Tensor, past: int, generator: torch.Generator | None, true: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Moves (B, N, S, 4) since the last given frame, and the KL divergence (B, N, S) of each step in nats.

        Conditions (B, P + S - 1, 7) are in metres. z is a sample of the prior or, given the true moves (B, N, S, 4), of
        the posterior; the prior's mean without a generator. Each step starts from the predicted moves before it.
        """
        clips, count = start.exists.shape
        shape = self.shape(start.shapes.flatten(2))
        positions = positions_of(condition)
        tips, displacement = to_table(positions), to_picture(positions).diff(dim=1)
        others = start.exists[:, None] & ~torch.eye(count, dtype=torch.bool, device=condition.device)
        state = shape.new_zeros(clips * count, WIDTH)
        total, velocity = shape.new_zeros(clips, count, MOVES), start.centres - start.before
        moves, divergences = [], []
        for row in range(past - 1, condition.shape[1]):
            centres = start.centres + total[..., :2]
            messages = self._messages(centres, velocity, shape, others)
            arm = condition[:, max(row - 1, 0) : row + 1]
            features = self._features(centres, velocity, total, tips[:, row : row + 2], arm)
            covered = coverage(start.shapes, centres.detach(), total[..., 2].detach(), tips[:, row : row + 2])
            contact = self.contact(covered)
            embedded = self.embed(torch.cat([*features, shape, messages, contact], -1))
            state = self.gru(embedded.flatten(0, 1), state)
            known = torch.cat([state.view(clips, count, WIDTH), embedded], -1)
            prior_mu, prior_logvar = mu, logvar = _gaussian(self.prior(known))
            if true is not None:
                target = (true[:, :, row - past + 1] - total) / self.spread.sqrt()
                mu, logvar = _gaussian(self.posterior(torch.cat([known, target], -1)))
            divergences.append(kl_between(mu, logvar, prior_mu, prior_logvar).sum(-1))
            z = mu if generator is None else reparameterize(mu, logvar, generator)
            move = self._move(known, z, displacement[:, row, None])
            total, velocity = total + move, move[..., :2]
            moves.append(total)
        return torch.stack(moves, 2), torch.stack(divergences, 2)

    def _messages(self, centres: Tensor, velocity: Tensor, shape: Tensor, others: Tensor) -> Tensor:
        """What the others (B, N, N) do to each object, summed, less with distance: (B, N, MESSAGE)."""
        apart = centres[:, None] - centres[:, :, None]  # (B, N, N, 2), from an object to each other
        distance = apart.norm(dim=-1, keepdim=True)
        shapes = torch.broadcast_tensors(shape[:, :, None], shape[:, None])
        features = [
            apart / 8, torch.tanh(apart / 3), (velocity[:, None] - velocity[:, :, None]) / 2, *shapes,
            torch.exp(-distance / 8), distance / 16,
        ]  # fmt: skip
        return (self.message(torch.cat(features, -1)) * (others[..., None] * torch.exp(-distance / 10))).sum(2)

    def _features(
        self, centres: Tensor, velocity: Tensor, total: Tensor, tips: Tensor, arm: Tensor
    ) -> tuple[Tensor, ...]:
        """Of each object at one step, (B, N, ·), given the fingertips (B, 2, 2) before and after it.

        `arm` (B, 1 or 2, 7) are the conditions of the step before, where there is one, and of this step.
        """
        here, there = centres - tips[:, :1], centres - tips[:, 1:]
        height = arm[:, -1, -1:]
        gripper = torch.cat([10 * height, 10 * (height + arm[:, -1, 2:3]), arm[:, 0, 3:4], arm[:, -1, 3:4]], -1)
        displacement = (here - there) / 4
        angle = total[..., 2:3]
        return (
            here / 8, there / 8, torch.tanh(here / 3), torch.tanh(there / 3),  # fine where they touch
            displacement, centres / 32, gripper[:, None].expand(*centres.shape[:2], -1), velocity / 2,
            total[..., :2] / 16, angle.sin(), angle.cos() - 1, total[..., 3:] * 10,
        )  # fmt: skip

    def _move(self, known: Tensor, z: Tensor, displacement: Tensor) -> Tensor:
        """A move (B, N, 4): a share of the gripper's displacement (B, 1, 2), for a held object, and a gated one."""
        free, carried, gate = self.move(torch.cat([known, z], -1)).split([MOVES, 1, 1], -1)
        free = free * self.spread.sqrt() * torch.sigmoid(gate - 1)  # 0.27 at first: most objects do not move
        return free + F.pad(torch.sigmoid(carried - 2) * displacement, (0, MOVES - 2))


def coverage(shapes: Tensor, centres: Tensor, angle: Tensor, tips: Tensor) -> Tensor:
    """How each object covers points around the fingertips (B, 2, 2) before and after a step: (B, N, 4 GRID²).

    Objects have shapes (B, N, 2, WINDOW, WINDOW) at centres (B, N, 2), turned by an angle (B, N).
    """
    line = GAP * (torch.arange(GRID, device=tips.device) - (GRID - 1) / 2)
    points = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1)  # (GRID, GRID, 2)
    down, right = (points + (tips[:, None] - centres[:, :, None])[:, :, :, None, None]).unbind(-1)  # (B, N, 2, G, G)
    cos, sin = angle.cos()[..., None, None, None], angle.sin()[..., None, None, None]
    grid = torch.stack([cos * right - sin * down, cos * down + sin * right], -1) / (WINDOW / 2)
    grid = grid.flatten(0, 1).flatten(1, 2)  # (B N, 2 GRID, GRID, 2), columns before rows
    return F.grid_sample(shapes.flatten(0, 1), grid, align_corners=False).view(*angle.shape, -1)


def positions_of(condition: Tensor) -> Tensor:
    """The gripper's positions (B, T + 1, 3) before and after each of some conditions (B, T, 7), in metres."""
    positions = condition[..., ACTION:]
    return torch.cat([positions, positions[:, -1:] + condition[:, -1:, :POSITION]], 1)


def to_table(positions: Tensor) -> Tensor:
    """Where the table below positions (..., 3), in metres, is seen (..., 2)."""
    return torch.stack([positions[..., i] - float(MIDDLE[i]) for i in range(2)], -1) / PIXEL


def to_picture(positions: Tensor) -> Tensor:
    """Where positions (..., 3), in metres, are seen (..., 2): what is nearer to the camera, further out."""
    return to_table(positions) / (1 - positions[..., 2:] / CAMERA_HEIGHT)


def _gaussian(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance, which stays within ±MOST."""
    mu, logvar = parameters.chunk(2, -1)
    return mu, MOST * torch.tanh(logvar / MOST)
