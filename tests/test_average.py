"""scripts.average: the mean of checkpoints of one architecture."""

from dataclasses import replace

import pytest
import torch

from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.tense.inference import load
from scripts import average
from tests.tiny import CONFIG, tiny_task


def write(root, name, **changes):
    tensors, metadata = tiny_task(replace(CONFIG, **changes)).checkpoint()
    checkpoint.write(root / f"{name}.safetensors", tensors, metadata)
    return tensors


def test_weights_are_averaged_and_the_familiarity_floor_is_that_of_the_mean(checkpoint_root):
    first, second = write(checkpoint_root, "first"), write(checkpoint_root, "second", seed=1)
    average.main("mean", ["first", "second"])
    tensors, metadata = checkpoint.read(checkpoint_root / "mean.safetensors")
    for name, mean in tensors.items():
        torch.testing.assert_close(mean.float(), (first[name] + second[name]) / 2, atol=1e-3, rtol=1e-2)
    floors = {name: load(name).familiarity_floor for name in ("first", "second", "mean")}
    assert metadata["familiarity_floor"] == floors["mean"] and len(set(floors.values())) == 3


def test_checkpoints_of_two_architectures_get_a_sentence(checkpoint_root):
    write(checkpoint_root, "first")
    write(checkpoint_root, "wider", latent_size=5)
    with pytest.raises(UserError, match="one architecture"):
        average.main("mean", ["first", "wider"])
