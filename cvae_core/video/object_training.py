"""Training of `ObjectCVAE`: how objects move, and how the decoder blends the layers that show them.

The simulator's record says where each object is, also under the arm. Half of the clips are pushes as a planner tries
them: the random policy's own pushes are straight and slow.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core import schedules
from cvae_core.latent import kl_between
from cvae_core.video.data import ACTION, MIRROR, SIDE
from cvae_core.video.discover import discover
from cvae_core.video.layers import layers_of
from cvae_core.video.model import ObjectCVAE
from cvae_core.video.object_motion import ObjectMotion, Start, start_of
from cvae_core.video.physics import REACH
from cvae_core.video.planning import HORIZON, SEGMENTS, execute, limited, situation
from cvae_core.video.rendering import project
from cvae_core.video.simulator import Scene, rollout

SAME_COLOUR = 0.1  # largest distance of the chromaticities of an object found and one of the record
NOISE = 0.03  # pixels, added to centres in training
Z_FROM = 0.7
RESTING = 0.15  # weight of an object that is not moved
SHOWN = 3.0  # additional weight of pixels on layers and around them


class Tracks(NamedTuple):
    """n clips with the objects found in their given frames, and how these move."""

    frames: Tensor  # (n, T, 3, 64, 64) bytes
    condition: Tensor  # (n, T, 7)
    shapes: Tensor  # (n, N, 2, WINDOW, WINDOW); this and the next three are the fields of `Start`
    centres: Tensor  # (n, N, 2)
    before: Tensor  # (n, N, 2)
    exists: Tensor  # (n, N) bool
    moves: Tensor  # (n, N, H, 4) since the last given frame, zero for what is no object of the record
    known: Tensor  # (n, N) bool: an object of the record

    def start(self) -> Start:
        """What is known of the objects at the last given frame."""
        return Start(self.shapes, self.centres, self.before, self.exists)


def join(parts: Sequence[Tracks]) -> Tracks:
    """All clips of several tracks."""
    return Tracks(*map(torch.cat, zip(*parts, strict=True)))


def simulated(seeds: Iterable[int], past: int) -> Tracks:
    """The tracks of the random policy's clips (even seeds) and of pushes (odd seeds)."""
    scenes = []
    for seed in seeds:
        scene = rollout(seed, past + HORIZON)
        scenes.append(execute(seed, situation(scene, past), push(scene, past)) if seed % 2 else scene)
    return tracks(scenes, past)


def push(scene: Scene, past: int) -> np.ndarray:
    """Actions (H, 4) after the given frames, which lead behind an object and through it."""
    rng = np.random.default_rng([scene.seed, 9])
    condition = scene.clip.condition[past - 1].double().numpy()
    position, places = condition[ACTION:], scene.objects[past - 1, :, :2]
    nearest = int(np.linalg.norm(places - position[:2], axis=1).argmin())
    place = places[nearest if rng.random() < 0.5 else rng.integers(len(places))]
    angle = rng.uniform(0, 2 * np.pi)
    ahead, aside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    behind = place - ahead * rng.uniform(0.02, 0.05) + aside * rng.normal(0, 0.008)
    beyond = place + ahead * rng.uniform(0, 0.09) + aside * rng.normal(0, 0.012)
    first = int(rng.integers(1, 4))  # segments that lead behind the object; the others lead through it
    here = np.array([*behind, rng.uniform(0.015, 0.04)])
    through = np.linspace(behind, beyond, SEGMENTS - first + 1)[1:]
    points = [*np.linspace(position, here, first + 1)[1:], *([*xy, rng.uniform(0.012, 0.03)] for xy in through)]
    actions, size = np.full((HORIZON, ACTION), condition[ACTION - 1]), HORIZON // SEGMENTS
    for segment, point in zip(actions.reshape(SEGMENTS, size, ACTION), points, strict=True):
        step = limited((point - position) / size) + rng.normal(0, 0.003, 3)
        for action in segment:
            after = np.clip(position + step, REACH[:, 0], REACH[:, 1])
            action[:3], position = after - position, after
    return actions


def tracks(scenes: Sequence[Scene], past: int) -> Tracks:
    """The objects found in simulated scenes, matched with the record by their colours."""
    frames = torch.stack([scene.clip.frames for scene in scenes])
    before, last = (frames[:, i].float() / 255 for i in (past - 2, past - 1))
    found = discover(before, last)
    chroma = found.colours / found.colours.sum(-1, keepdim=True).clamp(min=1e-3)
    moves = torch.zeros(*found.exists.shape, frames.shape[1] - past, 4)
    known = torch.zeros_like(found.exists)
    for row, scene in enumerate(scenes):
        path = _path(scene)
        path = path[:, past:] - path[:, past - 1 : past]  # (objects, H, 4)
        distance = torch.cdist(chroma[row], torch.tensor(scene.colours / scene.colours.sum(1, keepdims=True)).float())
        nearest, which = distance.min(1)
        known[row] = found.exists[row] & (nearest < SAME_COLOUR)
        moves[row, known[row]] = path[which[known[row]]]
    condition = torch.stack([scene.clip.condition for scene in scenes])
    return Tracks(frames, condition, *start_of(found), moves, known)


def _path(scene: Scene) -> Tensor:
    """Row, column, angle and log scale of the record's objects, as the picture shows them: (objects, T, 4)."""
    pixels, scale = project(scene.objects[..., :2], scene.objects[..., 2])
    angles = np.unwrap(np.arctan2(scene.rotations[..., 1], scene.rotations[..., 0]), axis=0)
    path = np.concatenate([pixels - SIDE / 2, angles[..., None], np.log(scale)[..., None]], -1)
    return torch.from_numpy(path).float().transpose(0, 1)


def fit_motion(
    motion: ObjectMotion, data: Tracks, past: int, steps: int, size: int = 64, rate: float = 4e-3
) -> Iterator[Tensor]:
    """Train how objects move, on batches of `size` clips; yields the loss of each step.

    First with the prior's mean as z alone, so that z does not explain what the gripper explains; after `Z_FROM` of the
    steps also by the evidence lower bound: the hybrid objective of Sohn et al. (2015).
    """
    data = data._replace(frames=data.known)  # the loss needs no frames: batches need not copy them
    generator = torch.Generator(data.moves.device).manual_seed(0)

    def loss(batch: Tracks, with_z: bool) -> Tensor:
        return _motion_loss(motion, batch, past, generator, with_z)

    first = int(Z_FROM * steps)
    phases = [(first, partial(loss, with_z=False)), (steps - first, partial(loss, with_z=True))]
    return _minimize(motion, data, size, phases, rate, generator, _augmented)


def fit_frames(model: ObjectCVAE, data: Tracks, steps: int, size: int = 64, rate: float = 1e-3) -> Iterator[Tensor]:
    """Train the model of frames with layers that show the true moves; yields the loss of each step.

    Errors on the layers weigh more: few pixels show that fingers which hold an object are further apart than closed
    ones, and without that weight the decoder draws them over the object.
    """
    generator = torch.Generator(data.moves.device).manual_seed(0)
    past = model.config.past

    def loss(batch: Tracks) -> Tensor:
        frames = batch.frames.float() / 255
        layers = layers_of(discover(frames[:, past - 2], frames[:, past - 1]), batch.moves)
        predicted, *latents = model.frames(frames, batch.condition, generator, layers=layers)
        weight = 1 + SHOWN * F.max_pool2d(layers[:, :, 3], 5, 1, 2)
        weight = F.pad(weight, (0, 0) * 2 + (past - 1, 0), value=1.0)  # (B, T - 1, 64, 64)
        recon = ((predicted - frames[:, 1:]).square().mean(2) * weight).mean((0, 2, 3)).sum()
        return recon + model.config.kl_max * kl_between(*latents).sum((1, 2)).mean()

    return _minimize(model.frames, data, size, [(steps, loss)], rate, generator)


def _minimize(
    model: nn.Module,
    data: Tracks,
    size: int,
    phases: Sequence[tuple[int, Callable[[Tracks], Tensor]]],
    rate: float,
    generator: torch.Generator,
    augment: Callable[[Tracks, torch.Generator], Tracks] | None = None,
) -> Iterator[Tensor]:
    """Minimize losses, each for some steps, with one one-cycle schedule over all of them."""
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-4)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def draw() -> Tracks:
        rows = torch.randint(len(data.moves), (size,), generator=generator, device=generator.device)
        batch = Tracks(*(part[rows] for part in data))
        return batch if augment is None else augment(batch, generator)

    total, step = sum(steps for steps, _ in phases), 0
    for steps, loss in phases:
        backward = recorded(partial(_backward, model, loss), draw(), generator)
        for _ in range(steps):
            value = backward(draw())
            for group in optimizer.param_groups:
                group["lr"] = schedules.learning_rate(step / total, "one-cycle", rate)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            yield value


def _backward(model: nn.Module, loss: Callable[[Tracks], Tensor], batch: Tracks) -> Tensor:
    model.zero_grad(set_to_none=False)  # a recorded graph writes to the same memory each time
    value = loss(batch)
    value.backward()
    return value.detach()


def recorded(
    function: Callable[[Tracks], Tensor], batch: Tracks, generator: torch.Generator
) -> Callable[[Tracks], Tensor]:
    """On a GPU, the function recorded as a CUDA graph: launching small kernels takes longer than running them."""
    if batch.moves.device.type != "cuda":
        return function
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):  # cuDNN and cuBLAS choose their kernels
            function(batch)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        result = function(batch)

    def replay(values: Tracks) -> Tensor:
        for static, value in zip(batch, values, strict=True):
            static.copy_(value)
        graph.replay()
        return result

    return replay


def _augmented(batch: Tracks, generator: torch.Generator) -> Tracks:
    """Half of the clips mirrored, with noise on the centres."""
    device = batch.moves.device
    mirrored = torch.rand(len(batch.moves), generator=generator, device=device) < 0.5

    def signs(*values: float) -> Tensor:
        return torch.where(mirrored[:, None], torch.tensor(values, device=device), 1.0)

    shapes = torch.where(mirrored[:, None, None, None, None], batch.shapes.flip(-1), batch.shapes)
    aside = signs(1, -1)[:, None]
    centres, before = (
        part * aside + NOISE * torch.randn(part.shape, generator=generator, device=device)
        for part in (batch.centres, batch.before)
    )
    condition = batch.condition * signs(*MIRROR)[:, None]
    moves = batch.moves * signs(1, -1, -1, 1)[:, None, None]
    return batch._replace(shapes=shapes, centres=centres, before=before, condition=condition, moves=moves)


def _motion_loss(motion: ObjectMotion, batch: Tracks, past: int, generator: torch.Generator, with_z: bool) -> Tensor:
    """Negative log-likelihood at the prior's mean, in nats a step and object, up to a constant.

    With `with_z` the negative evidence lower bound is added. Objects that do not move have the weight `RESTING`.
    """
    moved = batch.moves[..., :2].abs().amax((2, 3)) > 1
    weight = (batch.known * torch.where(moved, 1.0, RESTING))[..., None]
    start, condition = batch.start(), batch.condition[:, :-1]

    def mean(nats: Tensor) -> Tensor:
        return (nats * weight).sum() / (weight.sum() * nats.shape[-1]).clamp(min=1.0)

    def error(moves: Tensor) -> Tensor:  # quadratic where small, linear where large, which would outweigh all others
        return (((moves - batch.moves) / motion.spread).square() + 1).sqrt().sub(1).sum(-1)

    loss = mean(error(motion(start, condition, past, None)[0]))
    if with_z:
        moves, kl = motion(start, condition, past, generator, batch.moves)
        loss = loss + mean(error(moves) + kl)
    return loss
