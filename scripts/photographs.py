"""How many rendered photographs of MNIST digits are read as the digit that they show.

    python -m scripts.photographs --data MNIST_FOLDER [--save FOLDER]

Twenty test digits are drawn on paper or a board: pens of several colours, uneven light, shadows, perspective, noise, a
scan's black frame. A photograph counts if the picture that the Digits page makes of it overlaps the original digit with
an intersection over union of at least 0.6 (both at half the highest grey), its centroid at most 1.5 pixels away.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cvae_core.digits.data import SIDE, read_mnist
from cvae_core.digits.photos import read_digit

COUNT, WIDTH, HEIGHT = 20, 480, 640
IOU, DISTANCE = 0.6, 1.5


class Scene(NamedTuple):
    """What a photograph is taken of."""

    ink: tuple[int, int, int]
    ground: tuple[int, int, int]
    light: float  # how much darker one side is than the other
    shadow: float  # how much of the light an edge of shadow takes
    frame: bool  # whether a black border is around it


SCENES = (
    Scene((60, 60, 60), (170, 170, 170), 0.1, 0.0, False),  # faint
    Scene((20, 20, 30), (235, 232, 225), 0.5, 0.0, False),  # uneven light
    Scene((20, 20, 30), (235, 232, 225), 0.2, 0.45, False),  # a shadow
    Scene((25, 25, 25), (240, 240, 240), 0.1, 0.0, True),  # a scan
    Scene((225, 225, 220), (45, 70, 55), 0.3, 0.0, False),  # chalk
    Scene((225, 195, 40), (245, 245, 240), 0.2, 0.0, False),  # a yellow pen
    Scene((60, 80, 200), (225, 225, 220), 0.3, 0.2, False),  # a blue pen
)


def photograph(digit: np.ndarray, scene: Scene, rng: np.random.Generator) -> Image.Image:
    """A photograph of a digit (28, 28) of bytes, upright, about half as high as the picture."""
    size = int(rng.uniform(0.5, 0.7) * WIDTH)
    large = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    page = Image.new("L", (WIDTH, HEIGHT))
    page.paste(large, (int(rng.uniform(0.15, 0.85) * (WIDTH - size)), int(rng.uniform(0.15, 0.85) * (HEIGHT - size))))
    page = page.transform(page.size, Image.Transform.PERSPECTIVE, _perspective(rng), Image.Resampling.BICUBIC)
    stroke = np.clip(np.asarray(page, np.float64)[..., None] / 255, 0, 1)
    picture = np.array(scene.ground) * (1 - stroke) + np.array(scene.ink) * stroke
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    angle = rng.uniform(0, 2 * np.pi)
    across = x * np.cos(angle) + y * np.sin(angle)
    light = 1 - scene.light * (across + 1) / 2
    light *= 1 - scene.shadow / (1 + np.exp(-(across - rng.uniform(-0.3, 0.3)) / 0.02))
    picture = picture * light[..., None] + rng.normal(0, 5, picture.shape)
    picture += (
        6 * np.kron(rng.normal(0, 1, (HEIGHT // 8, WIDTH // 8)), np.ones((8, 8)))[..., None] / 3
    )  # the paper's grain
    if scene.frame:
        band = int(rng.uniform(0.03, 0.06) * WIDTH)
        picture[:band], picture[-band:], picture[:, :band], picture[:, -band:] = 5, 5, 5, 5
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def _perspective(rng: np.random.Generator) -> list[float]:
    """The eight coefficients that move each corner by up to 4 % of the picture."""
    corners = np.array([(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)], float)
    moved = corners + rng.uniform(-0.04, 0.04, (4, 2)) * (WIDTH, HEIGHT)
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, moved, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows), np.array(values)).tolist()


def compare(found: np.ndarray, digit: np.ndarray) -> tuple[float, float]:
    """Intersection over union, and distance of the centroids in pixels, of two pictures (28, 28) of bytes."""
    a, b = (picture > picture.max() / 2 for picture in (found, digit))
    return float((a & b).sum() / (a | b).sum()), float(np.linalg.norm(_centroid(found) - _centroid(digit)))


def _centroid(picture: np.ndarray) -> np.ndarray:
    rows = np.arange(SIDE)
    return np.array([picture.sum(1) @ rows, picture.sum(0) @ rows]) / picture.sum()


def measure(pixels: np.ndarray, seed: int = 0) -> list[tuple[Image.Image, np.ndarray, float, float]]:
    """For each of COUNT test digits, (n, 28, 28): its photograph, what is read, IoU and distance."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, index in enumerate(rng.choice(len(pixels), COUNT, replace=False)):
        picture = photograph(pixels[index], SCENES[number % len(SCENES)], rng)
        try:
            found = read_digit(picture).view(SIDE, SIDE).numpy()
        except Exception as error:  # noqa: BLE001 (an empty picture is a failure to count)
            print(f"{number}: {error}")
            rows.append((picture, np.zeros((SIDE, SIDE), np.uint8), 0.0, np.inf))
            continue
        rows.append((picture, found, *compare(found, pixels[index])))
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder with MNIST's IDX files")
    parser.add_argument("--save", type=Path, help="folder for the photographs and what is read")
    args = parser.parse_args(argv)
    rows = measure(read_mnist(args.data).test.pixels.view(-1, SIDE, SIDE).numpy())
    for number, (picture, found, iou, distance) in enumerate(rows):
        right = iou >= IOU and distance <= DISTANCE
        print(f"{number:2d}  IoU {iou:.2f}  centroid {distance:.1f} px  {'' if right else 'wrong'}")
        if args.save:
            args.save.mkdir(parents=True, exist_ok=True)
            picture.save(args.save / f"{number}.jpg", quality=85)
            Image.fromarray(found).resize((280, 280), 0).save(args.save / f"{number}-read.png")
    print(f"{sum(iou >= IOU and distance <= DISTANCE for *_, iou, distance in rows)} of {len(rows)} are read")


if __name__ == "__main__":
    main()
