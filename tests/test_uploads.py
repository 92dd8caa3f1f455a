"""Checkpoints that visitors upload: what is accepted, what is refused, and where they can be used."""

import os
import time

import pytest

from cvae_core import checkpoint, runs
from cvae_core.errors import UserError
from cvae_core.tense import uploads
from cvae_core.tense.inference import Inflector, load
from tests import pages
from tests.tiny import tiny_task

pytestmark = pytest.mark.usefixtures("run_root")


@pytest.fixture
def tiny():
    """Tensors and metadata of a tiny checkpoint."""
    return tiny_task().checkpoint()


@pytest.fixture
def as_file(tmp_path):
    """The bytes of a checkpoint of these tensors and metadata."""

    def write(tensors, metadata) -> bytes:
        checkpoint.write(tmp_path / "made.safetensors", tensors, metadata)
        return (tmp_path / "made.safetensors").read_bytes()

    return write


def test_a_stored_checkpoint_is_found_by_its_name_and_answers_as_before(tiny, as_file):
    name = uploads.store(as_file(*tiny), "../my model (2).safetensors")
    assert name.startswith("uploaded-my-model-2-") and checkpoint.NAME.fullmatch(name)
    model = load(name)
    assert model.name == name and isinstance(model, Inflector)
    assert all(value.equal(tiny[0][key]) for key, value in model.model.state_dict().items())
    assert uploads.store(as_file(*tiny), "../my model (2).safetensors") == name  # named by its content
    assert runs.list_runs() == []


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"\x80\x04cos\nsystem\n(S'exit 1'\ntR."])
def test_what_is_no_checkpoint_is_refused(data):
    with pytest.raises(UserError, match="is not a checkpoint"):
        uploads.store(data, "some.safetensors")
    assert not list(runs.RUNS.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"system": "digits"}, "not a checkpoint of a model of verbs"),
        ({"config": None}, "not a checkpoint of a model of verbs"),
        ({"temperature": "hot"}, "out of range"),
        ({"temperature": 0}, "out of range"),
        ({"familiarity_floor": True}, "out of range"),
        ({"rows": [["walk"]]}, "four forms"),
        ({"config": {"hidden_size": 4096}}, "do not fit"),
        ({"config": {"state_layers": 5}}, "do not fit"),
        ({"config": {"nonsense": 1}}, "Unknown config field"),
    ],
)
def test_a_checkpoint_with_wrong_metadata_is_refused(changes, message, tiny, as_file):
    tensors, metadata = tiny
    if isinstance(changes.get("config"), dict):
        changes = {"config": metadata["config"] | changes["config"]}
    with pytest.raises(UserError, match=message):
        uploads.store(as_file(tensors, metadata | changes), "some.safetensors")


def test_a_changed_tensor_and_a_large_file_are_refused(tiny, as_file, monkeypatch):
    data = bytearray(as_file(*tiny))
    data[-1] ^= 1
    with pytest.raises(UserError, match="damaged"):
        uploads.store(bytes(data), "some.safetensors")
    monkeypatch.setattr(uploads, "MAX_MEGABYTES", 0)
    with pytest.raises(UserError, match="larger than 0 MiB"):
        uploads.store(bytes(data), "some.safetensors")


def test_old_uploads_are_removed(tiny, as_file):
    name = uploads.store(as_file(*tiny), "old.safetensors")
    yesterday = time.time() - 3600 * uploads.HOURS - 1
    os.utime(runs.find_weights(name), (yesterday, yesterday))
    uploads.store(as_file(*tiny), "new.safetensors")
    with pytest.raises(UserError, match="no checkpoint"):
        runs.find_weights(name)


def test_the_scorecard_takes_a_file_and_other_pages_offer_it(tiny, as_file, runs_here):
    at = pages.open_page("train", view="Scorecard")
    at.file_uploader(key="checkpoint").upload("mine.safetensors", as_file(*tiny), "application/octet-stream")
    at.run()
    assert not at.exception and not at.error
    name = at.selectbox(key="model").value
    assert name.startswith("uploaded-mine-") and [m.label[:6] for m in at.metric] == ["BLEU-4", "Gaussi"]
    state = {"uploads": at.session_state["uploads"]}
    assert name in pages.open_page("convert", state).selectbox(key="model").options
    assert name not in pages.open_page("convert").selectbox(key="model").options
    at.file_uploader(key="checkpoint").upload("bad.safetensors", b"nothing", "application/octet-stream").run()
    assert "is not a checkpoint" in at.error[0].value and not at.exception


def test_a_file_that_is_uploaded_again_is_confirmed_again(tiny, as_file, runs_here):
    at, content = pages.open_page("train", view="Scorecard"), as_file(*tiny)
    for stem in "aba":
        at.file_uploader(key="checkpoint").upload(f"{stem}.safetensors", content, "application/octet-stream").run()
        name = at.selectbox(key="model").value
        assert not at.error and name.startswith(f"uploaded-{stem}-") and f"**{name}** is valid" in pages.texts(at)
