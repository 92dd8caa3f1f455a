"""Prior matching: who is responsible for a draw, equal shares for all, and exact resume."""

from dataclasses import replace

import torch
from torch import nn

from cvae_core import checkpoint, runs
from cvae_core.tense import prior
from cvae_core.tense.inference import load
from cvae_core.training import fit
from tests.tiny import CONFIG, VERBS, tiny_task

MATCHING = replace(CONFIG, prior_share=1.0, prior_from=0.25)


def bank(n: int = 5, dimensions: int = 3, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    model = nn.Module()
    prior.add_bank(model, n, dimensions)
    model.bank_mu += torch.randn(n, 4, dimensions, generator=generator)
    model.bank_logvar += torch.randn(n, 4, dimensions, generator=generator) - 2
    return model


def test_responsibility_is_the_sum_of_log_densities_but_for_a_constant():
    model, z = bank(), torch.randn(7, 3)
    q = torch.distributions.Normal(model.bank_mu, (0.5 * model.bank_logvar).exp())
    wanted = q.log_prob(z[:, None, None]).sum((2, 3))  # (m, n)
    found = prior.log_responsibility(z, model.bank_mu, model.bank_logvar)
    difference = found - wanted
    torch.testing.assert_close(difference, difference[0, 0].expand_as(difference), atol=1e-3, rtol=1e-4)


def test_a_verb_s_own_place_is_its_own():
    model = bank()
    model.bank_logvar.fill_(-4)
    model.bank_mu.copy_(model.bank_mu.mean(1, keepdim=True).expand_as(model.bank_mu))
    assert prior.responsible(model, model.bank_mu[:, 0]).tolist() == list(range(5))


def test_balance_gives_every_verb_its_share_of_the_prior():
    model = bank(n=8, dimensions=2)
    generator = torch.Generator().manual_seed(1)
    for _ in range(600):
        z = torch.randn(64, 2, generator=generator)
        prior.balance(model, prior.responsible(model, z))
    drawn = prior.responsible(model, torch.randn(20_000, 2, generator=generator))
    shares = torch.bincount(drawn, minlength=8) / len(drawn)
    assert shares.min() > 0.06 and shares.max() < 0.25  # an eighth each, give or take the last steps
    assert abs(model.bank_bias.sum().item()) < 1e-2


def test_draws_are_learned(tmp_path):
    run = runs.create({"system": "tense", "config": vars(MATCHING)}, "tiny", tmp_path)
    task = tiny_task(replace(MATCHING, epochs=30))
    fit(task, run)
    losses = [row["prior"] for row in run.read_metrics() if "prior" in row]
    assert len(losses) == 22  # from a quarter of the epochs on
    assert losses[-1] < 0.7 * losses[0]


def test_a_stopped_run_goes_on_exactly_and_the_checkpoint_holds_weights_alone(tmp_path):
    stopped, whole = (
        runs.create({"system": "tense", "config": vars(MATCHING)}, "tiny", tmp_path) for _ in range(2)
    )  # fmt: skip
    asked = iter(range(10_000))
    steps = tiny_task(MATCHING).steps_per_epoch()
    assert fit(tiny_task(MATCHING), stopped, stopped=lambda: next(asked) > 2 * steps + 40) == "stopped"
    fit(tiny_task(MATCHING), stopped, resume=True)
    fit(tiny_task(MATCHING), whole)
    a, b = (checkpoint.read(run.path / "last.safetensors")[0] for run in (stopped, whole))
    assert "model.bank_mu" in a and all(torch.equal(a[name], b[name]) for name in a)
    kept, _ = checkpoint.read(whole.path / "best.safetensors")
    assert not any(name.startswith("bank_") for name in kept)
    assert len(load(str(whole.path)).verbs) == len(VERBS)
