"""Photographs and scans of digits."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cvae_core.digits.data import PIXELS, SIDE, read_mnist
from cvae_core.digits.photos import read_digit
from cvae_core.errors import UserError
from scripts import photographs
from tests.helpers import SHARED, needs


def bar(ink: int = 20, paper: int = 230) -> Image.Image:
    """A digit 1 with a foot, so that it is known which way is up."""
    page = np.full((120, 90), paper, np.uint8)
    page[25:95, 42:50], page[88:95, 30:62] = ink, ink
    return Image.fromarray(page)


def read(picture: Image.Image) -> np.ndarray:
    return read_digit(picture).view(SIDE, SIDE).numpy().astype(int)


UPRIGHT = read(bar())


def is_upright(picture: np.ndarray) -> bool:
    return bool(np.abs(picture - UPRIGHT).mean() < 6)


@needs("mnist/t10k-images-idx3-ubyte.gz")
def test_photographs_are_read_as_the_digit_that_they_show():
    rows = photographs.measure(read_mnist(SHARED / "mnist").test.pixels.view(-1, SIDE, SIDE).numpy())
    read = [iou >= photographs.IOU and distance <= photographs.DISTANCE for *_, iou, distance in rows]
    assert len(read) == 20 and sum(read) >= 19


@pytest.mark.parametrize(("ink", "paper"), [(60, 170), (20, 250), (250, 40), (130, 170), (0, 255)])
def test_ink_of_any_grey_on_any_ground(ink, paper):
    assert is_upright(read(bar(ink, paper)))


@pytest.mark.parametrize("ink", [(250, 220, 40), (60, 80, 220), (200, 40, 40)], ids=["yellow", "blue", "red"])
def test_coloured_pens(ink):
    mask = np.asarray(bar())[..., None] < 128
    assert is_upright(read(Image.fromarray(np.where(mask, ink, 240).astype(np.uint8))))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_the_orientation_in_exif(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    file = io.BytesIO()
    bar().convert("RGB").transpose(Image.Transpose.ROTATE_90).save(file, kind, exif=exif, quality=95)
    assert is_upright(read(Image.open(file)))


@pytest.mark.parametrize("ink", [0, 255], ids=["black", "white"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency(mode, ink):
    alpha = Image.fromarray(((np.asarray(bar()) < 128) * 255).astype(np.uint8))
    picture = Image.new("RGB", alpha.size, (ink, ink, ink)).convert("RGBA")
    picture.putalpha(alpha)
    if mode == "P":
        file = io.BytesIO()
        picture.quantize(4).save(file, "PNG")
        picture = Image.open(file)
        assert picture.mode == "P" and "transparency" in picture.info
    else:
        picture = picture.convert(mode)
    assert is_upright(read(picture))


def test_grey_of_16_bits():
    file = io.BytesIO()
    Image.fromarray(np.asarray(bar()).astype(np.uint16) * 200 + 900).save(file, "PNG")
    picture = Image.open(file)
    assert picture.mode.startswith("I") and is_upright(read(picture))


def test_the_black_frame_of_a_scan_is_no_ink():
    page = np.pad(np.asarray(bar()), 6, constant_values=3)
    assert is_upright(read(Image.fromarray(page)))


def test_a_picture_of_mnist_s_kind_is_left_unchanged():
    digit = UPRIGHT.astype(np.uint8)
    assert np.array_equal(read(Image.fromarray(digit)), digit)


def test_a_higher_threshold_leaves_faint_strokes_out():
    page = np.asarray(bar()).copy()
    page[10:16, 20:70] = 170  # a faint line above
    low, high = (read_digit(Image.fromarray(page), t).view(SIDE, SIDE) for t in (0.4, 1.5))
    assert is_upright(high.numpy().astype(int)) and not is_upright(low.numpy().astype(int))


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_an_empty_picture_gets_a_sentence(grey):
    with pytest.raises(UserError, match="is empty"):
        read_digit(Image.new("L", (80, 60), grey))


@pytest.mark.parametrize("size", [(4, 4), (4, 5), (5, 5)])
def test_a_dark_edge_of_a_tiny_picture_is_not_a_frame(size):
    """Within it nothing would be left."""
    picture = np.full(size, 255, np.uint8)
    picture[-1] = picture[:, -1] = 0
    assert read_digit(Image.fromarray(picture)).shape == (PIXELS,)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["L", "RGB", "RGBA", "LA", "P", "1", "I;16"]), st.data())
def test_any_picture_is_read_or_refused(width, height, mode, data):
    channels = {"RGB": 3, "RGBA": 4, "LA": 2, "I;16": 2}.get(mode, 1)
    size = (width + 7) // 8 * height if mode == "1" else width * height * channels
    seed = data.draw(st.integers(0, 2**32 - 1))
    picture = Image.frombytes(mode, (width, height), np.random.default_rng(seed).bytes(size))
    try:
        assert read_digit(picture).shape == (PIXELS,)
    except UserError as error:
        assert "empty" in str(error)
