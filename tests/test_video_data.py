"""Clips: the course's folders with everything that can be wrong in them, and the cache."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from cvae_core import checkpoint
from cvae_core.__main__ import main
from cvae_core.errors import UserError
from cvae_core.video import data
from cvae_core.video.config import VideoConfig
from cvae_core.video.data import read_clip, read_folder, write_clip
from cvae_core.video.family import data_entries, held_out_clips
from cvae_core.video.model import build
from cvae_core.video.simulator import simulate, write_dataset
from tests.helpers import ROBOT, needs
from tests.tiny_pictures import VIDEO, assert_same_clips


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CVAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    return write_clip(simulate(1, 4), tmp_path / "traj_7" / "0")


# --- one sequence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [3, 12])
def test_what_is_written_is_read_again(tmp_path, length):
    clip = simulate(3, length, noise=2)
    again = read_clip(write_clip(clip, tmp_path / "traj_3" / "0"))
    assert torch.equal(again.frames, clip.frames) and again.frames.dtype == torch.uint8
    torch.testing.assert_close(again.condition, clip.condition, atol=5e-7, rtol=0)
    assert again.name == "traj_3/0" and again.condition.shape == (length, 7)
    assert again.frames.is_contiguous() and again.condition.is_contiguous()


def test_a_sequence_is_never_written_over_another(folder):
    with pytest.raises(UserError, match="already holds files"):
        write_clip(simulate(2, 3), folder)
    with pytest.raises(UserError, match="Cannot write"):
        write_clip(simulate(2, 3), folder / "0.png")
    assert torch.equal(read_clip(folder).frames, simulate(1, 4).frames)


def rows(text):
    return lambda folder: (folder / "actions.csv").write_text(text)


def picture(size=(64, 64), name="2.png", kind="PNG"):
    return lambda folder: Image.new("RGB", size).save(folder / name, kind)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "actions.csv").unlink(), "actions.csv is missing: expected 4 numbers for each of 4 frames"),
        (lambda f: (f / "endeffector_positions.csv").unlink(), "endeffector_positions.csv is missing"),
        (lambda f: (f / "2.png").unlink(), "has no 2.png: expected every frame from 0 to 3"),
        (lambda f: (f / "0.png").unlink(), "has no 0.png"),
        (lambda f: [path.unlink() for path in f.glob("[12].png")], "has 2 frames: .* at least 3"),
        (lambda f: (f / "3.png").unlink(), "actions.csv has 4 rows for 3 frames"),
        (picture(name="4.png"), "actions.csv has 4 rows for 5 frames"),
        (picture((64, 48)), "2.png has 64 x 48 pixels: expected 64 x 64"),
        (picture(kind="JPEG"), "2.png cannot be read as a PNG"),
        (lambda f: (f / "2.png").write_bytes((f / "2.png").read_bytes()[:200]), "2.png cannot be read"),
        (lambda f: (f / "2.png").write_bytes(b""), "2.png cannot be read"),
        (rows("dx,dy,dz,grip\n" + "0,0,0,1\n" * 4), "5 rows for 4 frames: expected one each, without a header"),
        (rows("0,0,0,1\n" * 2 + "0,zero,0,1\n" + "0,0,0,1\n"), "row 3: expected 4 finite numbers, found '0,zero,0,1'"),
        (rows("0,0,0,nan\n" * 4), "row 1: expected 4 finite numbers"),
        (rows("0,0,0,1e300\n" * 4), "row 1: expected 4 finite numbers"),
        (rows("0,0,0\n" * 4), "row 1: expected 4 finite numbers"),
        (rows("1\n" * 4), "row 1: expected 4 finite numbers"),
        (rows(""), "0 rows for 4 frames"),
        (lambda f: (f / "actions.csv").write_bytes(b"\xff\xfe\0"), "cannot be read as text"),
    ],
)
def test_a_damaged_sequence_is_named_with_what_was_expected(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError, match=message) as error:
        read_clip(folder)
    assert str(folder) in str(error.value)


def test_a_sequence_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="There is no sequence .*nowhere: expected a folder with 0.png"):
        read_clip(tmp_path / "nowhere")


def test_other_files_beside_the_frames_do_no_harm(folder):
    (folder / "notes.txt").write_text("a note")
    picture(name="strip.png")(folder)
    (folder / "actions.csv").write_text((folder / "actions.csv").read_text() + "\n\n")
    assert len(read_clip(folder).frames) == 4


# --- folders --------------------------------------------------------------------------------------------------------


def test_a_data_set_is_read_split_by_split_in_the_order_of_its_numbers(tmp_path):
    write_dataset(tmp_path / "set", train=[10, 2], validate=[5], length=3)
    train, validate = read_folder(tmp_path / "set")
    assert [clip.name for clip in train] == ["traj_2/0", "traj_10/0"] and [c.name for c in validate] == ["traj_5/0"]
    assert torch.equal(train[1].frames, simulate(10, 3).frames)
    none, same = read_folder(tmp_path / "set" / "train")  # traj_* directly
    assert none == [] and torch.equal(same[0].frames, train[0].frames)


def test_a_trajectory_can_hold_several_sequences(tmp_path):
    for number in (10, 2):
        write_clip(simulate(number, 3), tmp_path / "set" / "traj_a" / str(number))
    assert [clip.name for clip in read_folder(tmp_path / "set")[1]] == ["traj_a/2", "traj_a/10"]


@pytest.mark.parametrize("name", ["validate", "validation", "val"])
def test_the_splits_have_several_names_and_test_is_for_tests(name, tmp_path):
    for split, number in (("train", 0), (name, 1), ("test", 2)):
        write_clip(simulate(1, 4), tmp_path / split / f"traj_{number}" / "0")
    train, validate = read_folder(tmp_path)
    assert [clip.name for clip in train + validate] == ["traj_0/0", "traj_1/0"]
    assert [clip.name for clip in held_out_clips(str(tmp_path), VideoConfig(), 9)[0]] == ["traj_2/0"]


def test_a_folder_of_training_clips_alone_cannot_be_evaluated(tmp_path, capsys):
    write_clip(simulate(1, 4), tmp_path / "train" / "traj_0" / "0")
    for command in (["evaluate", "video"], ["predict", "video", "--out", str(tmp_path / "out")]):
        assert main([*command, "--data", str(tmp_path)]) == 2
        assert "has training clips alone" in capsys.readouterr().err


def test_clips_without_a_frame_to_predict_are_refused(tmp_path, capsys):
    for number in range(2):
        write_clip(simulate(number, 3), tmp_path / "set" / f"traj_{number}" / "0")
    model = build(replace(VIDEO, past=3))
    checkpoint.write(tmp_path / "m.safetensors", model.state_dict(), {"system": "video", "config": vars(model.config)})
    options = ["--data", str(tmp_path / "set"), "--checkpoint", str(tmp_path / "m.safetensors")]
    assert main(["predict", "video", *options, "--out", str(tmp_path / "out")]) == 2
    assert "The clips have 3 frames: expected more than 3" in capsys.readouterr().err
    assert main(["evaluate", "video", *options]) == 2
    assert "expected at least 2, of more than 3" in capsys.readouterr().err


def test_a_data_set_is_named_after_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert data_entries(".") == {"data": tmp_path.name, "source": str(tmp_path)}
    assert data_entries(None) == {"data": "simulator", "source": None}


def test_frames_with_leading_zeros_are_read(tmp_path):
    folder = write_clip(simulate(1, 12), tmp_path / "a")
    clip = read_clip(folder)
    for i in range(12):
        (folder / f"{i}.png").rename(folder / f"{i:02d}.tmp")
    for i in range(12):
        (folder / f"{i:02d}.tmp").rename(folder / f"{i:02d}.png")
    assert_same_clips([read_clip(folder)], [clip])
    (folder / "7.png").write_bytes((folder / "07.png").read_bytes())
    with pytest.raises(UserError, match="twice"):
        read_clip(folder)


def test_a_folder_without_sequences_is_an_error(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no sequences: expected train/"):
        read_folder(tmp_path)
    (tmp_path / "traj_1").mkdir()
    with pytest.raises(UserError, match="traj_1 holds no sequence: expected a folder 0"):
        read_folder(tmp_path)


def test_a_folder_that_may_not_be_read_is_an_error(folder, monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied", "traj_7")

    monkeypatch.setattr(data, "_fingerprint", forbidden)
    with pytest.raises(UserError, match="Cannot read traj_7: Permission denied"):
        read_folder(folder.parents[1])


def count_reads(monkeypatch) -> list:
    read, plain = [], data.read_clip
    monkeypatch.setattr(data, "read_clip", lambda folder: read.append(folder) or plain(folder))
    return read


def test_frames_are_decoded_once_and_again_when_a_file_changes(tmp_path, cache, monkeypatch):
    write_dataset(tmp_path / "set", train=[1], validate=[2], length=3)
    read = count_reads(monkeypatch)
    first = read_folder(tmp_path / "set")
    assert len(read) == 2 and len(list(cache.iterdir())) == 1
    again = read_folder(tmp_path / "set")
    assert len(read) == 2
    for a, b in zip(first, again, strict=True):
        assert_same_clips(b, a)
    frame = tmp_path / "set" / "train" / "traj_1" / "0" / "1.png"
    before = frame.stat()
    picture(name="1.png")(frame.parent)
    os.utime(frame, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert read_folder(tmp_path / "set")[0][0].frames[1].max() == 0 and len(read) == 4
    write_clip(simulate(4, 3), tmp_path / "set" / "train" / "traj_4" / "0")
    assert len(read_folder(tmp_path / "set")[0]) == 2
    assert len(list(cache.iterdir())) == 1  # one file a folder, however often it changes


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-100],
        lambda raw: raw[:-5000] + bytes([raw[-5000] ^ 1]) + raw[-4999:],  # a bit of a frame
        lambda raw: b"",
        lambda raw: b"no cache at all",
    ],
)
def test_a_damaged_cache_is_made_again(tmp_path, cache, monkeypatch, damage):
    write_dataset(tmp_path / "set", train=[], validate=[1, 2], length=3)
    _, expected = read_folder(tmp_path / "set")
    (kept,) = cache.iterdir()
    kept.write_bytes(damage(kept.read_bytes()))
    read = count_reads(monkeypatch)
    for _ in range(2):  # decoded again, then kept again
        assert_same_clips(read_folder(tmp_path / "set")[1], expected)
        assert len(read) == 2


def test_reading_works_without_a_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CVAE_CACHE", str(tmp_path / "file"))
    write_dataset(tmp_path / "set", train=[], validate=[1], length=3)
    assert len(read_folder(tmp_path / "set")[1]) == 1


@needs("robot")
def test_the_real_robots_sequences_are_read():
    train, validate = read_folder(ROBOT)
    assert (len(train), len(validate)) == (16, 4)
    assert all(clip.frames.shape == (10, 3, 64, 64) and clip.condition.shape == (10, 7) for clip in train + validate)
    assert validate[1].name == "traj_17_to_17.tfrecords/0"
    expected = torch.tensor([-0.003817, 0.003480, -0.003492, 0.0, 0.259253, -0.055697, 0.063057])
    torch.testing.assert_close(validate[1].condition[4], expected)
    with Image.open(ROBOT / "validate" / "traj_17_to_17.tfrecords" / "0" / "9.png") as last:
        assert np.array_equal(validate[1].frames[9].permute(1, 2, 0), np.asarray(last.convert("RGB")))
