"""Data of the digits: files, pictures of users, quadrants."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvae_core.digits import data
from cvae_core.digits.data import PIXELS, TASKS, pixel_mask
from cvae_core.errors import UserError
from tests.tiny_pictures import DIGITS as CONFIG
from tests.tiny_pictures import idx, write_mnist

RESIDUAL = replace(CONFIG, layers="residual")
VISIBLE = torch.tensor([TASKS["1"], TASKS["2"], TASKS["3"]])


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files_are_read_zipped_or_not_and_validation_is_held_out_of_training(tmp_path, zipped):
    write_mnist(tmp_path, zipped=zipped)
    digits = data.load(str(tmp_path))
    assert [len(part.pixels) for part in digits[1:]] == [25, 5, 30]
    images = data.read_idx(next(tmp_path.glob("train-images*")))
    assert np.array_equal(images.reshape(30, PIXELS), torch.cat([digits.train.pixels, digits.validation.pixels]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-100], "bytes of data: its header says"),
        (lambda raw: raw[:9], "ends within its header"),
        (lambda raw: b"\x89PNG" + raw[4:], "is not an IDX file"),
        (lambda raw: b"", "is not an IDX file"),
        (lambda raw: gzip.compress(raw)[:-20], "Cannot read"),
        (lambda raw: idx(np.zeros((30, 27, 27), np.uint8)), "expected images of 28 x 28"),
        (lambda raw: idx(np.zeros((29, 28, 28), np.uint8)), "expected one each"),
    ],
)
def test_a_damaged_file_is_named_with_what_was_expected(tmp_path, damage, message):
    write_mnist(tmp_path, zipped=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=message) as error:
        data.load(str(tmp_path))
    assert "train-" in str(error.value)


@pytest.mark.parametrize("layout", ["MNIST/raw", "raw", "KMNIST/raw", "."])
def test_a_set_is_found_where_torchvision_keeps_it_and_named_after_its_folder(layout, tmp_path):
    root = tmp_path / "FashionMNIST"
    (root / layout).mkdir(parents=True)
    write_mnist(root / layout)
    name = layout.split("/")[0] if "/" in layout else "FashionMNIST"
    assert data.load(str(root)).name == data.name_of(str(root)) == name
    if layout == "MNIST/raw":
        (root / "KMNIST" / "raw").mkdir(parents=True)
        write_mnist(root / "KMNIST" / "raw")
        with pytest.raises(UserError, match="several data sets"):
            data.load(str(root))


@pytest.mark.parametrize("transposed", [True, False])
def test_emnist_is_read_by_its_names_and_its_images_are_turned(transposed, tmp_path):
    small = data.small_digits()
    for part, images in (("train", small.train), ("test", small.test)):
        pixels = images.pixels.view(-1, 28, 28).numpy()
        (tmp_path / f"emnist-digits-{part}-images-idx3-ubyte").write_bytes(
            idx(pixels.swapaxes(1, 2).copy() if transposed else pixels)
        )
        (tmp_path / f"emnist-digits-{part}-labels-idx1-ubyte").write_bytes(idx(images.labels.numpy().astype(np.uint8)))
    read = data.load(str(tmp_path))
    assert torch.equal(torch.cat([read.train.pixels, read.validation.pixels]), small.train.pixels)
    assert torch.equal(read.test.pixels, small.test.pixels)


def test_a_missing_file_or_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="train-images-idx3-ubyte"):
        data.load(str(tmp_path))
    with pytest.raises(UserError, match="There is no folder"):
        data.load(str(tmp_path / "nowhere"))


def test_the_small_digits_fill_the_same_box_as_mnist():
    digits = data.small_digits()
    assert sum(len(part.pixels) for part in digits[1:]) == 1797
    pictures = digits.train.pixels.view(-1, 28, 28)
    assert pictures[:, :4].max() == 0 and pictures[:, :, -4:].max() == 0 and pictures.max() == 255
    assert set(digits.train.labels.tolist()) == set(range(10))


@pytest.mark.parametrize("error", [ValueError("md5 checksum does not match."), OSError("no route to host")])
def test_a_failed_download_is_reported(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fail)
    with pytest.raises(UserError, match=r"^Cannot download MNIST: [^.]+\.$"):
        data.load("openml")


# --- pictures -------------------------------------------------------------------------------------------------------


def test_a_picture_is_centred_by_its_mass_and_ink_becomes_white():
    page = np.full((90, 60), 250, np.uint8)
    page[10:40, 5:15] = 20  # a dark bar in a corner
    picture = data.centre(page).view(28, 28).float()
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    assert float((picture * rows).sum() / picture.sum()) == pytest.approx(14, abs=0.6)
    assert float((picture * columns).sum() / picture.sum()) == pytest.approx(14, abs=0.6)
    assert (picture.amax(1) > 0).sum() == data.BOX and picture[0, 0] == 0


def test_a_centred_digit_is_left_unchanged():
    digit = data.small_digits().test.pixels[3]
    assert torch.equal(data.centre(digit.view(28, 28).numpy()), digit)


@pytest.mark.parametrize("picture", [np.zeros((28, 30)), np.full((50, 50), 255), np.zeros(10), np.zeros((0, 5))])
def test_an_empty_picture_is_an_error(picture):
    with pytest.raises(UserError):
        data.centre(picture)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_any_picture_becomes_one_of_the_right_size_or_an_error(height, width, seed):
    try:
        centred = data.centre(np.random.default_rng(seed).integers(0, 256, (height, width)))
    except UserError:
        return
    assert centred.shape == (PIXELS,) and centred.dtype == torch.uint8


def test_masks_cover_the_visible_quadrants():
    mask = pixel_mask(VISIBLE).view(3, 28, 28)
    assert mask[0, 14:, :14].all() and mask[0].sum() == 196
    assert mask[1, :, :14].all() and mask[1].sum() == 392
    assert not mask[2, 14:, 14:].any() and mask[2].sum() == 588
    assert len(data.visible_choices()) == 15
