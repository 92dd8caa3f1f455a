"""Files of digits and video: IDX files, PNG frames and tables of actions."""

import gzip
import io
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cvae_core.digits import data as digits
from cvae_core.errors import UserError
from cvae_core.video.data import read_clip
from tests.hostile.common import answer, few, limited_time
from tests.hostile.pictures import PICTURES, picture


def idx(*shape: int, content: bytes = b"") -> bytes:
    """An IDX file whose header declares a shape, whatever its content."""
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + content


def gzip_of_zeros(head: bytes, megabytes: int) -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as packed:
        packed.write(head)
        for _ in range(megabytes):
            packed.write(bytes(1_000_000))
    return file.getvalue()


SHAPES = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3)
IDX = st.builds(lambda shape, content: idx(*shape, content=content), SHAPES, st.binary(max_size=40))


@few
@given(st.binary(max_size=80) | IDX, st.booleans())
@example(gzip.compress(bytes(range(256)) * 4)[:15] + b"\xff" * 30, False)  # no valid zlib stream
@example(idx(2**32 - 1, 0, 2**32 - 1), False)  # empty, but too large for an array's shape
def test_idx_files_answer_or_refuse(content, zipped):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train-images-idx3-ubyte"
        path.write_bytes(gzip.compress(content) if zipped else content)
        array = answer(digits.read_idx, path)
        assert array is None or array.nbytes <= len(content)
        assert answer(digits.load, folder) is None


def test_decompression_bombs_are_refused(tmp_path):
    for head, message in ((idx(10), "holds more"), (idx(2**31), "by its header")):
        (tmp_path / "bomb.gz").write_bytes(gzip_of_zeros(head, 200))
        with pytest.raises(UserError, match=message), limited_time():
            digits.read_idx(tmp_path / "bomb.gz")


def write_sequence(folder: Path, **files: bytes) -> Path:
    """A sequence of three frames, with some of its files replaced."""
    folder.mkdir()
    content = {f"{i}.png": picture() for i in range(3)}
    content |= {"actions.csv": b"0,0,0,1\n" * 3, "endeffector_positions.csv": b"0,0,0\n" * 3} | files
    for name, value in content.items():
        (folder / name).write_bytes(value)
    return folder


@pytest.mark.parametrize("content", PICTURES.values(), ids=PICTURES)
def test_frames_answer_or_refuse(tmp_path, content):
    clip = answer(read_clip, write_sequence(tmp_path / "sequence", **{"1.png": content}))
    assert clip is None or clip.frames.shape == (3, 3, 64, 64)


TABLES = [
    b"\xff\xfe\0", b"nan,0,0,1\n" * 3, b"1e999,0,0,1\n" * 3, b",,,\n" * 3, b"0," * 2_000_000, b"\0" * 12,
    "٣,٣,٣,٣\n".encode() * 3,
]  # fmt: skip


@pytest.mark.parametrize("content", TABLES, ids=range(len(TABLES)))
def test_tables_of_actions_answer_or_refuse(tmp_path, content):
    clip = answer(read_clip, write_sequence(tmp_path / "sequence", **{"actions.csv": content}))
    assert clip is None or np.isfinite(clip.condition.numpy()).all()
