"""Prior matching: who is responsible for a draw, equal shares for all, and exact resume."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cvae_core import checkpoint, runs
from cvae_core.device import autocast
from cvae_core.schedules import begins
from cvae_core.step import generator_at
from cvae_core.tense import prior
from cvae_core.tense.batches import Batches
from cvae_core.tense.data import EOS, encode
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.model import build
from cvae_core.tense.task import WORDS_DRAWN
from cvae_core.training import fit
from tests.tiny import CONFIG, VERBS, step, tiny_task

MATCHING = replace(CONFIG, prior_share=begins(0.25, 1.0), consistency=begins(0.5, 1.0), decoder_condition="input")


def random_matcher(n: int = 5, dimensions: int = 3, seed: int = 0) -> prior.PriorMatcher:
    generator = torch.Generator().manual_seed(seed)
    matcher = prior.PriorMatcher(n, dimensions)
    matcher.mu += torch.randn(n, 4, dimensions, generator=generator)
    matcher.logvar += torch.randn(n, 4, dimensions, generator=generator) - 2
    return matcher


def test_responsibility_is_the_sum_of_log_densities_but_for_a_constant():
    matcher, z = random_matcher(), torch.randn(7, 3)
    q = torch.distributions.Normal(matcher.mu, (0.5 * matcher.logvar).exp())
    wanted = q.log_prob(z[:, None, None]).sum((2, 3))  # (m, n)
    found = prior.log_responsibility(z, matcher.mu, matcher.logvar)
    difference = found - wanted
    torch.testing.assert_close(difference, difference[0, 0].expand_as(difference), atol=1e-3, rtol=1e-4)


def test_a_verb_s_own_place_is_its_own():
    matcher = random_matcher()
    matcher.logvar.fill_(-4)
    matcher.mu.copy_(matcher.mu.mean(1, keepdim=True).expand_as(matcher.mu))
    assert matcher.assign(matcher.mu[:, 0]).tolist() == list(range(5))


def test_balance_gives_every_verb_its_share_of_the_prior():
    matcher = random_matcher(n=8, dimensions=2)
    generator = torch.Generator().manual_seed(1)
    for _ in range(600):
        z = torch.randn(64, 2, generator=generator)
        matcher.balance(matcher.assign(z))
    assigned = matcher.assign(torch.randn(20_000, 2, generator=generator))
    shares = torch.bincount(assigned, minlength=8) / len(assigned)
    assert shares.min() > 0.06 and shares.max() < 0.25  # an eighth each, give or take the last steps
    assert abs(matcher.bias.sum().item()) < 1e-2


def test_a_sample_keeps_the_verb_that_it_decodes_to_unless_that_is_far_away(monkeypatch):
    task = tiny_task(MATCHING)
    forms, tense = task._batches, torch.tensor([0, 1, 2, 3])
    task.matcher.mu.fill_(9.0)
    task.matcher.mu[0], task.matcher.mu[1] = 0.0, 0.5
    task.matcher.logvar.zero_()
    z = torch.zeros(4, task.model.latent_total)
    scores = -0.5 * task.matcher.mu[:, 0].square().sum(1)  # of each verb: 0, within the tolerance, and far below it
    decoded = torch.tensor([0, 1, 2, -1])
    letters = forms.first_spellings(decoded.clamp_min(0), tense)
    letters[3] = EOS
    logprobs = torch.zeros(letters.shape)
    logprobs[:, 0] = torch.tensor([-0.1, -0.2, -0.3, -0.01])
    monkeypatch.setattr(prior, "greedy", lambda *args: (letters, logprobs))
    hard, verb = task.matcher.assign_by_decoder(task.model, z, tense, forms, 1)
    assert hard.tolist() == [0, 1, 2, 3]

    def likeliest(row: int) -> int:
        """The verb with the highest score + log p(verb | z)."""
        every, tenses = torch.arange(len(VERBS)), tense[row].repeat(len(VERBS))
        s = task.model.spelling(z[:1]).expand(len(VERBS), -1)
        return int((scores - prior.decode_nll(task.model, s, tenses, forms.first_spellings(every, tenses))[0]).argmax())

    assert verb.tolist() == [0, 1, likeliest(2), likeliest(3)]
    # Of rows 0 and 2 the less probable verb, of 1 and 3 the one that is no verb.
    assert task.matcher.assign_by_decoder(task.model, z, tense, forms, 2)[0].tolist() == [2, 3]


def test_a_form_is_found_in_its_tense_alone_with_any_padding():
    batches = Batches(CONFIG, VERBS, [], 4, torch.device("cpu"))
    verb, tense = torch.arange(len(VERBS)).repeat_interleave(4), torch.arange(4).repeat(len(VERBS))
    letters = batches.first_spellings(verb, tense)
    found = batches.find(F.pad(letters, (0, 5)), tense)
    assert torch.equal(batches.first_spellings(found, tense), letters)
    wrong = torch.from_numpy(encode(["gooses", "g", ""])).long()
    assert batches.find(wrong, torch.tensor([1, 0, 3])).tolist() == [-1, -1, -1]
    assert batches.find(letters[:4], (tense[:4] + 1) % 4).tolist() == [-1] * 4


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


@pytest.mark.slow
def test_draws_agree_better_when_they_are_asked_to(tmp_path):
    found = {}
    for weight in (1e-9, 10.0):
        run = runs.create({"system": "tense"}, "tiny", tmp_path)
        fit(tiny_task(replace(MATCHING, epochs=30, consistency=begins(0.5, weight))), run)
        rows = run.read_metrics()
        assert [("consistency" in row) for row in rows] == [row["epoch"] > 15 for row in rows]
        found[weight] = rows[-1]["consistency"]
    assert found[10.0] < 0.5 * found[1e-9]


def test_draws_are_learned(tmp_path):
    run = runs.create({"system": "tense", "config": vars(MATCHING)}, "tiny", tmp_path)
    task = tiny_task(replace(MATCHING, epochs=30))
    task.evaluate, task.statistics, task.preview = dict, dict, dict  # they take most of the time
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
    assert "matcher.mu" in a and all(torch.equal(a[name], b[name]) for name in a)
    kept, _ = checkpoint.read(whole.path / "weights.safetensors")
    assert kept.keys() == tiny_task(config).model.state_dict().keys()
    assert len(load(str(whole.path)).verbs) == len(VERBS)


def test_posteriors_and_responsibilities_stay_float32_under_autocast():
    task, tense = tiny_task(MATCHING), torch.arange(2)
    with autocast(torch.device("cpu"), True):
        for model in (task.model, build(replace(MATCHING, architecture="report-002", spelling_size=0))):
            encoded = model.encode(torch.from_numpy(encode(["walk", "sings"])).long(), tense)
            assert {part.dtype for level in encoded for part in level} == {torch.float32}
        z, mu, logvar = torch.randn(5, 3), torch.randn(7, 4, 3), torch.randn(7, 4, 3)
        found = prior.log_responsibility(z, mu, logvar)
    torch.testing.assert_close(found, prior.log_responsibility(z, mu, logvar))


def test_a_resumed_epoch_keeps_the_biases_that_it_has_moved():
    task = tiny_task(replace(MATCHING, encoder_until=0.5))
    task.batches(step(2))
    fitted = task.matcher.bias.clone()
    task.matcher.bias += 1.0
    task.batches(step(2)._replace(resumed=True))
    assert torch.equal(task.matcher.bias, fitted + 1.0)
    task.batches(step(2))
    assert torch.equal(task.matcher.bias, fitted)


def test_matching_may_end_before_the_training(tmp_path):
    run = runs.create({"system": "tense"}, "tiny", tmp_path)
    config = replace(MATCHING, prior_share=((0.0, 1.0), (0.5, 1.0), (0.5, 0.0)))
    assert fit(tiny_task(config), run) == "finished"
    assert ["prior" in row for row in run.read_metrics()] == [True, True, False, False]


def test_a_filled_bank_holds_what_the_model_says_of_every_form():
    task = tiny_task(MATCHING)
    task.fill_bank()
    model = Inflector(task.model, task.verbs)
    for number, verb in enumerate(task.verbs):
        mu, logvar = model.posterior(verb.row, range(4))
        torch.testing.assert_close(task.matcher.mu[number], mu, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(task.matcher.logvar[number], logvar, atol=1e-5, rtol=1e-4)


def test_a_frozen_encoder_leaves_posteriors_as_they_are(tmp_path):
    run = runs.create({"system": "tense"}, "tiny", tmp_path)
    task, banks = tiny_task(replace(MATCHING, epochs=6, encoder_until=0.5)), []
    encoder = ("model.encoder", "model.to_mu.0", "model.to_logvar.0")
    moving = [name for name, _ in task.state.named_parameters() if name.startswith(encoder)]

    def look(event):
        if event["kind"] == "epoch":
            banks.append({name: value.clone() for name, value in task.state.state_dict().items()})

    fit(task, run, on_event=look)
    for name in [*moving, "matcher.mu", "matcher.logvar"]:
        assert not torch.equal(banks[0][name], banks[2][name]), name
        assert torch.equal(banks[3][name], banks[5][name]), name
    for name in ("model.decoder.weight_hh_l0", "model.to_mu.1.weight"):  # the layers that give s go on
        assert not torch.equal(banks[3][name], banks[5][name]), name


def test_the_words_decoded_worst_are_trained_on_once_the_encoder_is_frozen():
    task = tiny_task(replace(MATCHING, encoder_until=0.5))
    training, frozen = (list(task.batches(step(epoch))) for epoch in (0, 2))
    assert len(training) == len(frozen) == task.steps_per_epoch()
    assert len(frozen[0].source) == WORDS_DRAWN * len(training[0].source)
    with torch.no_grad():
        loss = task.loss(frozen[0], step(2))
    assert loss["recon"] > task.loss(frozen[0], step(0))["recon"]


def test_the_hardest_rows_are_chosen_as_one_process_would():
    losses = torch.rand(24, generator=torch.Generator().manual_seed(0))
    rows = prior.hardest(losses, 4)
    assert [row % 6 for row in rows.tolist()] == list(range(6))
    assert torch.equal(losses[rows], losses.view(4, 6).amax(0))
    for rank in (0, 1):  # of two processes
        mine = torch.arange(24)[rank::2]
        assert torch.equal(mine[prior.hardest(losses[mine], 4)], rows[rank::2])
    assert prior.hardest(losses[:5], 4).max() < 5 and len(prior.hardest(losses[:5], 4)) == 2


def test_words_are_encoded_without_noise_once_the_encoder_is_frozen():
    task = tiny_task(replace(CONFIG, z_share=1.0, invented=0.0, encoder_until=0.5))
    batch = next(iter(task.batches(step(0))))
    for epoch, is_trained in ((0, True), (2, False)):
        a, b = (task.loss(batch, step(epoch)._replace(generator=generator_at(0, 0, i)))["recon"].item() for i in (1, 2))
        assert (a != b) == is_trained


def test_fitted_biases_give_equal_shares():
    matcher, generator = prior.PriorMatcher(40, 4), torch.Generator().manual_seed(0)
    matcher.mu.normal_(generator=generator)
    matcher.bias.normal_(generator=generator)
    matcher.fit_biases(generator)
    shares = torch.bincount(matcher.assign(torch.randn(40_000, 4, generator=generator)), minlength=40)
    assert shares.min() > 800 and shares.max() < 1200  # of 1,000 each
