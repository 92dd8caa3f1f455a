"""What is decoded along a path and over a plane of latent space, point by point, for pictures.

Shapes: n points, Z dimensions of the space that they are in (z or s), m points on the side of a square grid.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from cvae_core.tense import data
from cvae_core.tense.data import PRESENT, TENSES
from cvae_core.tense.decoding import greedy
from cvae_core.tense.explore import regular_forms
from cvae_core.tense.inference import CHUNK, Inflector
from cvae_core.tense.lexicon import lookup


class Decoded(NamedTuple):
    """n points decoded in one tense."""

    forms: list[str]
    letters: list[list[float]]  # probability of each letter of the form, and of its end
    verbs: list[str]  # the verb that the form belongs to: a lemma, or the present form of an invented verb
    known: list[bool]  # whether the dictionary has the form in this tense

    @property
    def probabilities(self) -> list[float]:
        """Of each form."""
        return [math.prod(letters) for letters in self.letters]


@torch.inference_mode()
def decode(model: Inflector, latent: Tensor, tense: int, space: str) -> tuple[list[str], list[list[float]]]:
    """The greedy form at each point, (n, Z), and the probability of each of its letters, the end included."""
    forms: list[str] = []
    letters: list[list[float]] = []
    for part in model.spelled(latent, space).split(CHUNK):
        tenses = torch.full((len(part),), tense, device=part.device)
        found, logprobs = greedy(model.model, part, tenses, temperature=model.temperature)
        texts = data.decode(found.cpu())
        forms += texts
        ends = [len(text) + 1 for text in texts]
        letters += [row[:end] for row, end in zip(logprobs.exp().cpu().tolist(), ends, strict=True)]
    return forms, letters


def decode_all(model: Inflector, latent: Tensor, space: str) -> list[Decoded]:
    """Each point, (n, Z), decoded in the four tenses."""
    decoded = [decode(model, latent, tense, space) for tense in range(len(TENSES))]
    presents = decoded[PRESENT][0]
    return [Decoded(forms, letters, *owners(forms, tense, presents)) for tense, (forms, letters) in enumerate(decoded)]


def owners(forms: Sequence[str], tense: int, presents: Sequence[str]) -> tuple[list[str], list[bool]]:
    """The verb of each form in a tense, beside the present form decoded at the same point; whether it is known."""
    found = [_owner(form, tense, present) for form, present in zip(forms, presents, strict=True)]
    return [verb for verb, _ in found], [known for _, known in found]


@lru_cache(20_000)  # paths and planes have the same form at many points
def _owner(form: str, tense: int, present: str) -> tuple[str, bool]:
    lemmas = [verb.lemma for verb, t in lookup(form) if t == tense]
    if lemmas:
        return (present if present in lemmas else lemmas[0]), True
    return (present if present and form in regular_forms(present)[tense] else form), False


# --- planes -------------------------------------------------------------------------------------------------------

MARGIN = 0.3  # of the largest distance between two corners, around them


class Plane(NamedTuple):
    """The flat section of latent space through three points: the point at (x, y) is center + x axes[0] + y axes[1]."""

    center: Tensor  # (Z,)
    axes: Tensor  # (2, Z), orthonormal
    corners: Tensor  # (3, 2), where the three points lie
    radius: float  # the picture shows x and y from -radius to radius

    def points(self, places: Tensor) -> Tensor:
        """(n, 2) -> (n, Z)."""
        return self.center + places.to(self.center) @ self.axes

    def grid(self, m: int) -> Tensor:
        """The points at the middles of m × m cells, row by row from the top: (m², Z)."""
        at = ((torch.arange(m) + 0.5) / m * 2 - 1) * self.radius
        y, x = torch.meshgrid(-at, at, indexing="ij")
        return self.points(torch.stack([x.flatten(), y.flatten()], 1))


def plane_through(corners: Tensor) -> Plane:
    """The plane through three points (3, Z); if they lie on a line, one that contains it."""
    center = corners.mean(0)
    spare = torch.randn(2, corners.shape[1], generator=torch.Generator().manual_seed(0)).to(corners)
    first, second = corners[1] - corners[0], corners[2] - corners[0]
    axes: list[Tensor] = []
    for direction in (first, second, *spare):
        for axis in axes:
            direction = direction - (direction @ axis) * axis
        if len(axes) < 2 and direction.norm() > 1e-4:
            axes.append(direction / direction.norm())
    while len(axes) < 2:  # of a space with one dimension
        axes.append(torch.zeros_like(center))
    basis = torch.stack(axes)
    places = (corners - center) @ basis.T
    size = max(float(torch.cdist(places, places).max()), 1.0)
    return Plane(center, basis, places, float(places.abs().max()) + MARGIN * size)


def territories(
    model: Inflector,
    plane: Plane,
    m: int,
    tense: int,
    space: str,
    progress: Callable[[float], None] = lambda share: None,
) -> Decoded:
    """The m × m cells of a plane decoded in one tense, row by row; `progress` gets the share that is done."""
    forms: list[str] = []
    letters: list[list[float]] = []
    for part in plane.grid(m).split(CHUNK):
        some, some_letters = decode(model, part, tense, space)
        forms, letters = forms + some, letters + some_letters
        progress(len(forms) / m**2)
    presents = forms if tense == PRESENT else [_present(form, tense) for form in forms]
    return Decoded(forms, letters, *owners(forms, tense, presents))


def _present(form: str, tense: int) -> str:
    """The present form of a known form; the form itself of an invented one."""
    return next((verb.lemma for verb, t in lookup(form) if t == tense), form)
