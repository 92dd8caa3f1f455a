"""Scores of objects in predicted clips, of open outcomes and of sharpness."""

import pytest
import torch

from cvae_core.video import metrics, objects
from cvae_core.video.simulator import is_open, rollout

CARRYING, PAST = 1_000_003, 2  # seed of a scene in which an object is carried


@pytest.fixture(scope="module")
def scenes():
    return [rollout(CARRYING + i) for i in range(4)]


def test_moved_objects_are_found_where_they_are_and_not_where_they_were(scenes):
    true, last = (torch.stack([scene.clip.frames[i] for scene in scenes]).float() / 255 for i in (-1, PAST - 1))
    here, there = objects.found(true, scenes, PAST), objects.found(last, scenes, PAST)
    assert len(here) == len(there) > 0
    assert here.all() and there.float().mean() < 0.5
    assert not objects.found(torch.full_like(true, 0.5), scenes, PAST).any()


def test_the_outcome_is_open_only_where_something_is_touched():
    found = [rollout(seed) for seed in range(12)]
    opened = [is_open(scene) for scene in found]
    assert 0 < sum(opened) < 12
    assert all(scene.touched for scene, is_ in zip(found, opened, strict=True) if is_)


def test_sharpness_falls_when_a_picture_is_blurred():
    true, last = torch.rand(2, 3, 32, 32), torch.zeros(2, 3, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(true, 3, 1, 1)
    assert metrics.sharpness(true, true, last).tolist() == pytest.approx([1.0, 1.0])
    assert metrics.sharpness(blurred, true, last).max() < 0.5
