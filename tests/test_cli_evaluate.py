"""The command `evaluate tense`: every score, as JSON and as a table, and what it says of weights that know nothing."""

import json

import pytest
import torch

from cvae_core import checkpoint
from cvae_core.tense import evaluate
from cvae_core.tense.data import DIRECTIONS, TENSES, select_split
from cvae_core.tense.lexicon import load_lexicon
from tests.helpers import ROOT

SHARES = {
    "bleu4", "gaussian", "distinct", "gaussian_refined", "distinct_refined", "distinct_share", "distinct_share_refined",
}  # fmt: skip
SCORES = SHARES | {"checkpoint", "trained_on", "split", "spread", "unseen", "own", "latents", "junk_auroc"}
OWN = {"verbs", "accuracy", "irregular", "frequent", "z_alone", "tense"}
UNSEEN = {
    "verbs", "accuracy", "by_direction", "reconstruction", "from_present", "no_known_stem", "z_alone", "calibration",
    "tense",
}  # fmt: skip


@pytest.fixture
def some_verbs(tmp_path, checkpoint_root):
    """60 test verbs as a file, one of them with a variant that counts as right."""
    verbs = select_split(load_lexicon().verbs, "test")[::11][:60]
    (tmp_path / "some.txt").write_text("\n".join(" ".join("/".join(f) for f in v.forms) for v in verbs))
    return tmp_path / "some.txt"


def test_evaluate_json(cli, some_verbs, monkeypatch):
    monkeypatch.setattr(evaluate, "LATENT_VERBS", 100)
    monkeypatch.setattr(checkpoint, "CHECKPOINTS", ROOT / "checkpoints")
    options = ("--checkpoint", "tense-heldout", "--lexicon", some_verbs, "--samples", 50, "--seed", 4, "--seeds", 2)
    scores = json.loads(cli("evaluate", "tense", *options, "--own", 120, "--compare", "--json"))
    assert set(scores) == SCORES | {"baselines", "sources"}
    assert set(scores["own"]) == OWN and set(scores["unseen"]) == UNSEEN
    for level in (scores["latents"][space] for space in ("z", "s")):
        assert set(level) == {"kl", "mutual_information", "active_units", "nll"}
        assert 0 < level["mutual_information"] <= level["kl"] + 0.5 and level["active_units"] > 5 and level["nll"] > 0
    unseen = scores["unseen"]
    assert unseen["verbs"] == 60 and set(unseen["by_direction"]) == {f"{TENSES[s]}>{TENSES[t]}" for s, t in DIRECTIONS}
    assert unseen["accuracy"] == pytest.approx(sum(unseen["by_direction"].values()) / 12)
    assert unseen["accuracy"] > 0.85 and scores["bleu4"] >= 0.95 and scores["gaussian_refined"] > scores["gaussian"]
    assert len(scores["baselines"]) == 4
    assert set(scores["sources"]) == {"source-000", "source-001", "source-002"}
    assert scores["sources"]["source-002"]["bleu4"] > 0.85 > scores["sources"]["source-000"]["bleu4"]
    assert scores["baselines"]["copy"]["accuracy"] < 0.05 < scores["baselines"]["spelling rules"]["accuracy"]
    monkeypatch.setattr(evaluate, "evaluate", lambda *args, **options: scores)  # not computed again
    table = cli("evaluate", "tense", *options, "--own", 120)
    shown = {name for part in ("own", "unseen") for name, value in scores[part].items() if isinstance(value, float)}
    assert {"accuracy", "z_alone", "tense"} <= shown and all(name in table for name in SHARES | shown)
    assert f"{unseen['accuracy']:.4f}" in table and "past>present" in table


def test_evaluate_takes_pairs(cli, some_verbs, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINTS", ROOT / "checkpoints")
    monkeypatch.setattr(evaluate, "LATENT_VERBS", 20)
    options = ("--lexicon", some_verbs, "--samples", 1, "--seeds", 1, "--own", 20, "--json")
    wrong = some_verbs.with_name("pairs.txt")
    wrong.write_text("walk present qqqqq past\n")
    assert json.loads(cli("evaluate", "tense", *options, "--pairs", wrong))["bleu4"] < 0.1


@pytest.mark.slow
def test_shuffled_weights_know_nothing(cli, some_verbs):
    """Nothing but the network answers. It is made to give words back, by fitting s, but then knows no other form."""
    tensors, metadata = checkpoint.read(ROOT / "checkpoints" / "tense-heldout.safetensors")
    generator = torch.Generator().manual_seed(0)
    shuffled = {n: t.flatten()[torch.randperm(t.numel(), generator=generator)].view_as(t) for n, t in tensors.items()}
    checkpoint.write(checkpoint.CHECKPOINTS / "shuffled.safetensors", shuffled, metadata)
    options = ("--checkpoint", "shuffled", "--lexicon", some_verbs, "--samples", 50, "--own", 120, "--json")
    scores = json.loads(cli("evaluate", "tense", *options))
    assert all(scores[name] < 0.05 for name in SHARES - {"bleu4"})
    assert scores["bleu4"] < 0.2 and scores["unseen"]["reconstruction"] < 0.3  # of letters that the words share
    shares = {"accuracy", "z_alone", "irregular", "from_present", "no_known_stem"}
    found = [value for part in ("own", "unseen") for name, value in scores[part].items() if name in shares]
    found = [value for value in found if value is not None]  # no irregular verb among the few, say
    assert len(found) >= 5 and all(value < 0.05 for value in found)
