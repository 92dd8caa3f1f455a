"""Two latent levels: s spells any word, z identifies a verb, and the decoder gets s and the tense alone."""

import json
import math
import random
import subprocess
import sys

import pytest
import torch

from cvae_core import checkpoint
from cvae_core.__main__ import main
from cvae_core.latent import Gaussian
from cvae_core.tense import information
from cvae_core.tense.data import PRESENT, TENSES
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.lexicon import lookup
from cvae_core.tense.spelling import SPELLING_RULES
from tests.helpers import ROOT
from tests.tiny import VERBS, tiny_task

ONSETS = [
    "b", "bl", "br", "c", "ch", "cl", "cr", "d", "dr", "f", "fl", "fr", "g", "gl", "gr", "h", "j", "l", "m", "n",
    "p", "pl", "pr", "r", "s", "sc", "sh", "sk", "sl", "sm", "sn", "sp", "st", "str", "t", "th", "tr", "v", "w",
]  # fmt: skip
VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ee", "oa", "oo", "ou"]
CODAS = [
    "b", "ck", "d", "ft", "g", "ld", "lk", "ll", "lp", "lt", "m", "mp", "nd", "ng", "nk", "nt", "p", "rb", "rd",
    "rk", "rm", "rn", "rt", "sh", "sk", "sp", "ss", "st", "t", "tch", "th", "ze", "ne", "te", "le",
]  # fmt: skip
ENDINGS = ("", "", "", "ify", "ate", "ise", "en", "er")


def invented_words(count: int, seed: int) -> list[tuple[str, int]]:
    """Words that no dictionary has, by the spelling rules: one or two syllables in a random tense."""
    rng, words = random.Random(seed), []
    while len(words) < count:
        lemma = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(rng.choice((1, 1, 2))))
        lemma += rng.choice(CODAS)
        ending = rng.choice(ENDINGS)
        lemma = lemma.removesuffix("e") + ending if ending else lemma
        tense = rng.randrange(len(TENSES))
        word = SPELLING_RULES[tense](lemma)
        if not lookup(lemma) and not lookup(word):
            words.append((word, tense))
    return words


@pytest.mark.parametrize("name", ["tense", "tense-heldout"])
def test_invented_words_come_back_from_s(name):
    model = load(name)
    words, tenses = zip(*invented_words(100, seed=7), strict=True)
    made = [c.form for c in model.convert(words, tenses, tenses)]
    assert sum(m == w for m, w in zip(made, words, strict=True)) >= 95, [
        pair for pair in zip(words, made, strict=True) if pair[0] != pair[1]
    ]


def test_a_walk_between_invented_words_begins_and_ends_at_them(capsys):
    assert main(["interpolate", "grattle", "vashify", "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)
    assert [set(step) for step in steps] == [{"step", "norm", "row"}] * 9
    assert steps[0]["row"][PRESENT] == "grattle" and steps[-1]["row"][PRESENT] == "vashify"
    rows = {tuple(step["row"]) for step in steps}
    assert len(rows) > 2  # it passes others between


def test_between_words_the_space_is_s_and_between_samples_it_is_z(capsys):
    def rows(*arguments: str) -> str:
        assert main(["interpolate", *arguments, "--json"]) == 0
        return capsys.readouterr().out

    words, samples = ("grattle", "walk"), ("--seed", "1", "2")
    assert rows(*words) == rows(*words, "--space", "s") != rows(*words, "--space", "z")
    assert rows(*samples) == rows(*samples, "--space", "z") != rows(*samples, "--space", "s")
    ends = [json.loads(rows(*samples, "--space", space))[0]["row"] for space in ("z", "s")]
    assert ends[0] == ends[1]  # the same sample, by way of the map


def test_nothing_typed_is_copied_to_the_end_of_a_walk(monkeypatch, tmp_path, capsys):
    """With the decoder's weights shuffled the words do not come back."""
    tensors, metadata = checkpoint.read(checkpoint.find("tense"))
    generator = torch.Generator().manual_seed(0)
    for name, tensor in tensors.items():
        if name.startswith(("decoder", "positions", "to_hidden", "out")):
            tensors[name] = tensor.flatten()[torch.randperm(tensor.numel(), generator=generator)].view_as(tensor)
    checkpoint.write(tmp_path / "shuffled.safetensors", tensors, metadata)
    path = str(tmp_path / "shuffled.safetensors")
    assert main(["interpolate", "grattle", "vashify", "--checkpoint", path, "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)
    assert "grattle" not in steps[0]["row"] and "vashify" not in steps[-1]["row"]


def test_conversion_is_decoding_the_mean_of_the_latent_and_nothing_else():
    model = Inflector(tiny_task().model, VERBS)
    words, tenses = ["walk", "sings", "carried"], [0, 1, 3]
    for space in ("s", "z"):
        mu = model.infer(words, tenses, space)
        assert model.convert(words, tenses, [2] * 3, space) == model.decode(mu, 2, space)
    s = model.spelled(model.posterior(words, tenses).mu, "z")
    assert model.decode(s, 2, "s") == model.convert(words, tenses, [2] * 3, "z")


# --- how much a level holds -----------------------------------------------------------------------------------------


def test_mutual_information_lies_between_nothing_and_which_word_it_is():
    generator = torch.Generator().manual_seed(0)
    mu = torch.randn(50, 8, generator=generator)
    same = Gaussian(torch.zeros(50, 8), torch.zeros(50, 8))
    apart = Gaussian(mu, torch.full((50, 8), -12.0))
    assert information.mutual_information(same, generator) == pytest.approx(0, abs=1e-4)
    assert information.mutual_information(apart, generator) == pytest.approx(math.log(50), abs=1e-3)
    twice = Gaussian(*(torch.cat([part, part]) for part in apart))
    assert information.mutual_information(twice, generator) == pytest.approx(math.log(50), abs=1e-3)


def test_active_units_are_dimensions_whose_mean_varies():
    mu = torch.zeros(20, 5)
    mu[:, 1], mu[:, 3] = torch.linspace(-1, 1, 20), torch.linspace(0, 0.1, 20)  # the latter too little
    assert information.active_units(Gaussian(mu, torch.zeros(20, 5))) == 1


@pytest.mark.parametrize("space", ["z", "s"])
def test_more_importance_samples_give_a_tighter_bound(space, monkeypatch):
    model = Inflector(tiny_task().model, VERBS)
    words, tenses = zip(*[(word, t) for verb in VERBS for t, word in enumerate(verb.row)], strict=True)
    found = {}
    for samples in (1, 50, 500):
        monkeypatch.setattr(information, "SAMPLES", samples)
        found[samples] = information.latent_statistics(model, words, tenses, space)["nll"]
    assert found[500] <= found[50] + 0.02 and found[50] <= found[1] + 0.02
    assert 0 < found[500] < 40


def test_s_is_fitted_where_the_decoder_does_not_give_the_word_back_and_only_there():
    model = load("tense")
    words, tenses = ["walk", "xqzjkvbwx", "tbrfl"], [PRESENT] * 3
    before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    encoded, fitted = model.encode(words, tenses).s.mu, model.infer(words, tenses)
    changed = (encoded != fitted).any(1).tolist()
    assert changed == [False, True, True]
    decoded = [[c.form for c in model.answer(s, tenses)] for s in (encoded, fitted)]
    assert decoded[0] != words and decoded[1][0] == "walk"
    assert sum(a == b for a, b in zip(decoded[1], words, strict=True)) > sum(
        a == b for a, b in zip(decoded[0], words, strict=True)
    )
    assert all(torch.equal(before[name], tensor) for name, tensor in model.model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.model.parameters())
    alone = torch.cat([model.infer([word], [PRESENT]) for word in words])
    torch.testing.assert_close(alone, fitted, atol=1e-4, rtol=1e-4)


def test_neither_the_first_conversion_nor_a_training_waits_for_imports_that_it_does_not_need():
    """torch.optim imports torch._dynamo when it is first used: two seconds for whoever types an invented verb first."""
    code = (
        "import sys, cvae_core.worker, cvae_core.tense.task; from cvae_core.tense.inference import load; "
        "load('tense').convert(['flarnk'], [0], [3]); sys.exit(bool({'torch._dynamo', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
