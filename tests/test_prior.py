"""Prior matching: who is responsible for a draw, equal shares for all, and exact resume."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from cvae_core import checkpoint, runs
from cvae_core.step import generator_at
from cvae_core.tense import prior
from cvae_core.tense.inference import Inflector, load
from cvae_core.training import fit
from tests.tiny import CONFIG, VERBS, step, tiny_task

MATCHING = replace(
    CONFIG, prior_share=1.0, prior_from=0.25, consistency=1.0, consistency_from=0.5, decoder_condition="input"
)


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
    assert prior.assign_verbs(model, model.bank_mu[:, 0]).tolist() == list(range(5))


def test_balance_gives_every_verb_its_share_of_the_prior():
    model = bank(n=8, dimensions=2)
    generator = torch.Generator().manual_seed(1)
    for _ in range(600):
        z = torch.randn(64, 2, generator=generator)
        prior.balance(model, prior.assign_verbs(model, z))
    drawn = prior.assign_verbs(model, torch.randn(20_000, 2, generator=generator))
    shares = torch.bincount(drawn, minlength=8) / len(drawn)
    assert shares.min() > 0.06 and shares.max() < 0.25  # an eighth each, give or take the last steps
    assert abs(model.bank_bias.sum().item()) < 1e-2


def test_disagreement_counts_only_what_both_tenses_share():
    target = torch.tensor([[5, 6, 7, 2, 0]])
    other = torch.tensor([[5, 6, 8, 9, 2]])  # the first two letters are shared
    logits = torch.randn(1, 5, 12)
    assert prior.disagreement(logits, logits, target, other).item() == 0
    changed = logits.clone()
    changed[:, 2:] += torch.randn(1, 3, 12)
    assert prior.disagreement(logits, changed, target, other).item() == 0
    changed[:, 1] += torch.randn(12)
    p, q = (torch.distributions.Categorical(logits=x[:, 1]) for x in (logits, changed))
    both = torch.distributions.kl_divergence(p, q) + torch.distributions.kl_divergence(q, p)
    torch.testing.assert_close(prior.disagreement(logits, changed, target, other), both / 2)
    padded = torch.tensor([[5, 2, 0, 0, 0]])  # padding after the end is not shared
    torch.testing.assert_close(prior.disagreement(logits, changed + 1.0, padded, padded), both / 2)


def test_draws_agree_better_when_they_are_asked_to(tmp_path):
    found = {}
    for weight in (1e-9, 10.0):
        run = runs.create({"system": "tense"}, "tiny", tmp_path)
        fit(tiny_task(replace(MATCHING, epochs=30, consistency=weight)), run)
        rows = run.read_metrics()
        assert [("consistency" in row) for row in rows] == [row["epoch"] > 15 for row in rows]
        found[weight] = rows[-1]["consistency"]
    assert found[10.0] < 0.5 * found[1e-9]


def test_draws_are_learned(tmp_path):
    run = runs.create({"system": "tense", "config": vars(MATCHING)}, "tiny", tmp_path)
    task = tiny_task(replace(MATCHING, epochs=30))
    fit(task, run)
    losses = [row["prior"] for row in run.read_metrics() if "prior" in row]
    assert len(losses) == 22  # from a quarter of the epochs on
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("encoder_until", [1.0, 0.5])
def test_a_stopped_run_goes_on_exactly_and_the_checkpoint_holds_weights_alone(encoder_until, tmp_path):
    config = replace(MATCHING, encoder_until=encoder_until)
    stopped, whole = (runs.create({"system": "tense", "config": vars(config)}, "tiny", tmp_path) for _ in range(2))
    at = {}
    in_the_third = lambda: at.get("epoch") == 2 and at["batch"] >= 2  # noqa: E731
    assert fit(tiny_task(config), stopped, stopped=in_the_third, on_event=at.update) == "stopped"
    fit(tiny_task(config), stopped)
    fit(tiny_task(config), whole)
    a, b = (checkpoint.read(run.path / "last.safetensors")[0] for run in (stopped, whole))
    assert "model.bank_mu" in a and all(torch.equal(a[name], b[name]) for name in a)
    kept, _ = checkpoint.read(whole.path / "weights.safetensors")
    assert not any(name.startswith("bank_") for name in kept)
    assert len(load(str(whole.path)).verbs) == len(VERBS)


def test_a_filled_bank_holds_what_the_model_says_of_every_form():
    task = tiny_task(MATCHING)
    task.fill_bank()
    model = Inflector(task.model, task.verbs)
    for number, verb in enumerate(task.verbs):
        mu, logvar = model.posterior(verb.row, range(4))
        torch.testing.assert_close(task.model.bank_mu[number], mu, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(task.model.bank_logvar[number], logvar, atol=1e-5, rtol=1e-4)


def test_a_frozen_encoder_leaves_posteriors_and_shares_as_they_are(tmp_path):
    run = runs.create({"system": "tense"}, "tiny", tmp_path)
    task, banks = tiny_task(replace(MATCHING, epochs=6, encoder_until=0.5)), []
    moving = [name for name, _ in task.model.named_parameters() if name.startswith(("encoder", "to_mu", "to_logvar"))]

    def look(event):
        if event["kind"] == "epoch":
            banks.append({name: value.clone() for name, value in task.model.state_dict().items()})

    fit(task, run, on_event=look)
    for name in [*moving, "bank_mu", "bank_logvar", "bank_bias"]:
        assert not torch.equal(banks[0][name], banks[2][name]), name
        assert torch.equal(banks[3][name], banks[5][name]), name
    assert not torch.equal(banks[3]["decoder.weight_hh_l0"], banks[5]["decoder.weight_hh_l0"])


def test_words_are_encoded_without_noise_once_the_encoder_is_frozen():
    task = tiny_task(replace(CONFIG, source_dropout=0.0, encoder_until=0.5))
    batch = next(iter(task.batches(step(0))))
    for epoch, is_trained in ((0, True), (2, False)):
        a, b = (task.loss(batch, step(epoch)._replace(generator=generator_at(0, 0, i)))["recon"].item() for i in (1, 2))
        assert (a != b) == is_trained


def test_fitted_biases_give_equal_shares():
    task, generator = tiny_task(MATCHING), torch.Generator().manual_seed(0)
    prior.add_bank(task.model, 40, 4)
    task.model.bank_mu.normal_(generator=generator)
    task.model.bank_bias.normal_(generator=generator)
    prior.fit_biases(task.model, generator)
    shares = torch.bincount(prior.assign_verbs(task.model, torch.randn(40_000, 4, generator=generator)), minlength=40)
    assert shares.min() > 800 and shares.max() < 1200  # of 1,000 each
