"""Words in groups of like length: the same results, in the same order, as of the whole batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvae_core.tense.config import TenseConfig
from cvae_core.tense.data import EOS, PAD, SOS, VOCABULARY_SIZE
from cvae_core.tense.decoding import teacher_forced
from cvae_core.tense.model import build
from cvae_core.tense.padding import GROUP, in_groups


def words(lengths: list[int], seed: int = 0) -> torch.Tensor:
    """Random letters with their end, and padding: (B, T)."""
    letters = torch.randint(EOS + 1, VOCABULARY_SIZE, (len(lengths), max(lengths)), generator=torch.manual_seed(seed))
    at, end = torch.arange(max(lengths)), torch.tensor(lengths)[:, None] - 1
    return letters.masked_fill(at == end, EOS).masked_fill(at > end, PAD)


@given(st.lists(st.integers(1, 19), min_size=1, max_size=3 * GROUP))
def test_rows_come_back_in_their_order_and_no_letter_is_cut(lengths):
    letters, number = words(lengths), torch.arange(len(lengths))

    def count(some, rows):
        assert len(some) <= GROUP or len(lengths) <= GROUP
        return (some != PAD).sum(1), rows

    found, rows = in_groups(count, torch.tensor(lengths), letters, number)
    assert found.tolist() == lengths
    assert rows.tolist() == number.tolist()


@pytest.fixture(scope="module")
def model():
    return build(TenseConfig(hidden_size=32, embedding_size=8, state_width=32))


@pytest.fixture(scope="module")
def batch():
    lengths = torch.randint(2, 19, (3 * GROUP + 5,), generator=torch.manual_seed(1)).tolist()
    return words(lengths), torch.arange(len(lengths)) % 4


def test_posteriors_and_classes_are_those_of_each_word_alone(model, batch):
    letters, tense = batch
    together, classes = model.encode(letters, tense), model.classify(letters)
    for i in range(0, len(letters), 17):
        alone = model.encode(letters[i : i + 1], tense[i : i + 1])
        for level, single in zip(together, alone, strict=True):
            torch.testing.assert_close(level.mu[i], single.mu[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(level.logvar[i], single.logvar[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(classes[i], model.classify(letters[i : i + 1])[0], rtol=1e-4, atol=1e-5)


def test_logits_and_gradients_are_those_of_the_whole_batch(model, batch):
    letters, tense = batch
    counted = letters != PAD
    inputs = torch.cat([torch.full_like(letters[:, :1], SOS), letters[:, :-1]], 1)
    s = torch.randn(len(letters), model.config.spelling_size, generator=torch.manual_seed(2), requires_grad=True)
    whole, parts = model(inputs, s, tense), teacher_forced(model, inputs, s, tense, counted.sum(1))
    assert parts.shape == whole.shape
    torch.testing.assert_close(parts[counted], whole[counted], rtol=1e-4, atol=1e-5)
    of_whole, of_parts = (torch.autograd.grad(logits[counted].square().mean(), s)[0] for logits in (whole, parts))
    torch.testing.assert_close(of_parts, of_whole, rtol=1e-3, atol=1e-7)
