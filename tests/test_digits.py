"""Digits: the networks' conditions, objectives and likelihoods with known answers."""

import math
from dataclasses import replace

import pytest
import torch

from cvae_core.digits import metrics
from cvae_core.digits.data import PIXELS, TASKS, Images, pixel_mask
from cvae_core.digits.inference import complete, estimates, manifold, sheet, style, with_all_labels
from cvae_core.digits.model import build, log_likelihood, log_weights
from cvae_core.digits.task import Batch, multi_sample_nll
from cvae_core.errors import UserError
from cvae_core.latent import kl_between, kl_to_standard, log_mean_exp, log_normal, reparameterize
from tests.tiny import step
from tests.tiny_pictures import DIGITS as CONFIG
from tests.tiny_pictures import LABEL, tiny_digits

RESIDUAL = replace(CONFIG, layers="residual")
VISIBLE = torch.tensor([TASKS["1"], TASKS["2"], TASKS["3"]])


# --- Gaussians ------------------------------------------------------------------------------------------------------


def test_the_kl_between_gaussians_is_torch_s_and_has_its_limits():
    torch.manual_seed(0)
    mu_q, logvar_q, mu_p, logvar_p = torch.randn(4, 5, 3)
    ours = kl_between(mu_q, logvar_q, mu_p, logvar_p)
    q, p = (torch.distributions.Normal(m, (0.5 * v).exp()) for m, v in ((mu_q, logvar_q), (mu_p, logvar_p)))
    torch.testing.assert_close(ours, torch.distributions.kl_divergence(q, p))
    zero = torch.zeros_like(mu_q)
    torch.testing.assert_close(kl_between(mu_q, logvar_q, zero, zero), kl_to_standard(mu_q, logvar_q))
    assert kl_between(mu_q, logvar_q, mu_q, logvar_q).abs().max() < 1e-6
    torch.testing.assert_close(log_normal(mu_p, mu_q, logvar_q), q.log_prob(mu_p).sum(-1))


def test_the_mean_of_exponentials_does_not_overflow():
    assert log_mean_exp(torch.tensor([-1000.0, -1000.0]), 0).item() == pytest.approx(-1000)
    assert log_mean_exp(torch.tensor([0.0, math.log(3.0)]), 0).item() == pytest.approx(math.log(2))


# --- networks -------------------------------------------------------------------------------------------------------


def test_only_the_posterior_depends_on_hidden_pixels():
    model = build(CONFIG)
    pixels = torch.rand(3, PIXELS)
    changed = torch.where(pixel_mask(VISIBLE), pixels, torch.rand(3, PIXELS))
    for one, other in zip(model.condition(pixels, VISIBLE), model.condition(changed, VISIBLE), strict=True):
        torch.testing.assert_close(one, other)
    branch = model.branches["cvae"]
    assert not torch.equal(branch.posterior(pixels, VISIBLE)[0], branch.posterior(changed, VISIBLE)[0])


def test_a_visible_pixel_costs_nothing():
    task = tiny_digits()
    batch = Batch(torch.rand(3, PIXELS), torch.zeros(3, dtype=torch.long), VISIBLE)
    with torch.no_grad():
        task.model.condition.baseline[-1].weight.zero_()
        task.model.condition.baseline[-1].bias.zero_()  # logits 0: ln 2 a pixel
    loss = task.loss(batch, step(0, 0, 0.0, 1.0))
    assert loss["baseline"].item() == pytest.approx(math.log(2) * (588 + 392 + 196) / 3, rel=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        RESIDUAL,
        replace(CONFIG, objective="gsnn"),
        replace(CONFIG, prior_samples=3),
        LABEL,
        replace(LABEL, conditional=False),
    ],
)
def test_one_step_reaches_every_weight(config):
    task = tiny_digits(config)
    batch = next(task.batches(step(0)))
    task.loss(batch, step(0, 0, 1.0, 1.0))["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in task.model.parameters())


@pytest.mark.parametrize(("alpha", "like"), [(1.0, "cvae"), (0.0, "gsnn")])
def test_the_hybrid_s_ends_are_the_cvae_and_the_gsnn(alpha, like):
    """With the same weights and no noise."""
    task = tiny_digits(replace(CONFIG, alpha=alpha))
    task.model.branches[like].load_state_dict(task.model.branches["hybrid"].state_dict(), strict=False)
    batch = next(task.batches(step(0)))
    for branch in task.model.branches.values():
        for net in filter(None, (branch.prior, branch.recognition)):
            with torch.no_grad():
                net[-1].bias[CONFIG.latent_size :] = -40.0  # sigma 0
    loss = task.loss(batch, step(0, 0, 0.0, 1.0))
    assert loss["hybrid"].item() == pytest.approx(loss[like].item(), rel=1e-5)


def test_the_loss_of_several_samples_is_minus_the_log_of_their_mean_likelihood_and_its_gradient_unbiased():
    mu, logvar = torch.tensor([[0.3, -0.2]]), torch.tensor([[-1.0, 0.5]])
    weight = torch.tensor([1.5, -0.7], requires_grad=True)

    def log_p(z):
        return -(z @ weight - 1.0).square()

    errors = []
    for seed in range(1000):
        nll = multi_sample_nll(log_p, mu, logvar, 4, torch.Generator().manual_seed(seed))
        z = reparameterize(*(p.expand(1, 4, -1) for p in (mu, logvar)), torch.Generator().manual_seed(seed))
        exact = -log_mean_exp(log_p(z), 1).mean()
        assert nll.item() == pytest.approx(exact.item(), rel=1e-5)
        errors.append(torch.autograd.grad(nll, weight)[0] - torch.autograd.grad(exact, weight)[0])
    error = torch.stack(errors)
    assert (error.mean(0).abs() < 4 * error.std(0) / len(errors) ** 0.5).all()


def test_a_heavier_kl_weighs_the_kl_alone():
    task = tiny_digits(replace(CONFIG, objective="cvae"))
    batch = next(task.batches(step(0)))
    one, two = (task.loss(batch, step(0, 0, beta, 1.0)) for beta in (1.0, 2.0))
    assert (two["loss"] - one["loss"]).item() == pytest.approx(one["kl"].item(), rel=1e-3)


@pytest.mark.parametrize("layers", ["relu", "residual"])
def test_likelihoods_agree_with_quadrature(layers):
    """One latent dimension moves all hidden pixels' logits: the integral over z is done on a grid instead."""
    model = build(replace(CONFIG, objective="cvae", latent_size=1, hidden_size=8, layers=layers))
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.branches.parameters():
            p.add_(0.2 * torch.randn_like(p))
        model.branches["cvae"].generation[-1].weight.mul_(0.1)
        model.branches["cvae"].recognition[-1].weight.mul_(0.1)
    pixels = torch.rand(3, PIXELS)
    branch = model.branches["cvae"]
    guess, condition = model.condition(pixels, VISIBLE)
    mu, logvar = branch.prior(condition)
    grid = torch.linspace(-8, 8, 4001)
    z = mu + torch.exp(0.5 * logvar) * grid[:, None, None]  # (4001, 3, 1)
    logits = branch.likelihood(z, condition, guess)
    per_pixel = pixels * logits - torch.nn.functional.softplus(logits)
    log_weight = (per_pixel * ~pixel_mask(VISIBLE)).sum(-1) - 0.5 * grid[:, None] ** 2 - 0.5 * math.log(2 * math.pi)
    exact = torch.logsumexp(log_weight, 0) + math.log(16 / 4000)
    generator = torch.Generator().manual_seed(0)
    by_prior = log_likelihood(model, "cvae", pixels[None], VISIBLE, 40_000, generator, importance=False)[0]
    by_importance = log_likelihood(model, "cvae", pixels[None], VISIBLE, 40_000, generator)[0]
    torch.testing.assert_close(by_prior, exact.detach(), atol=0.05, rtol=0)
    torch.testing.assert_close(by_importance, exact.detach(), atol=0.05, rtol=0)


def test_more_samples_give_a_tighter_bound():
    """In expectation the estimate rises with the number of samples, from the bound to the likelihood."""
    task = tiny_digits()
    pixels = task.digits.test.pixels[:100].float() / 255
    visible = torch.tensor(TASKS["1"]).expand(100, 4)
    with torch.no_grad():
        task.model.branches["cvae"].generation[-1].weight.mul_(20)  # so that z matters
    means = [
        log_likelihood(task.model, "cvae", pixels[None], visible, n, torch.Generator().manual_seed(1)).mean()
        for n in (1, 10, 200)
    ]
    assert means[0] < means[1] < means[2]
    bound = metrics.negative_elbo(task.model, "cvae", pixels[None], visible, torch.Generator().manual_seed(1))
    assert -bound.item() == pytest.approx(means[0].item(), abs=3.0)


@pytest.mark.parametrize("importance", [True, False])
def test_running_estimates_end_at_the_likelihood_and_begin_with_one_sample(importance):
    model, pixels = build(CONFIG), torch.rand(PIXELS)
    running = estimates(model, pixels, TASKS["2"], 7, seed=1, times=2, importance=importance)
    pictures, visible = pixels.expand(1, 2, -1), torch.tensor(TASKS["2"]).expand(2, -1)
    generator = torch.Generator().manual_seed(1)
    whole = log_likelihood(model, "cvae", pictures, visible, 7, generator, importance)[0]
    torch.testing.assert_close(running[:, -1], whole)
    first = log_weights(model, "cvae", pictures, visible, 7, torch.Generator().manual_seed(1), importance)[0, 0]
    torch.testing.assert_close(running[:, 0], first)


def test_pixels_are_read_in_three_ways():
    pixels = torch.rand(50, PIXELS)
    grey, thresholded, binarised = metrics.readings(pixels, seed=3)
    assert torch.equal(grey, pixels) and torch.equal(thresholded, (pixels > 0.5).float())
    assert set(binarised.unique().tolist()) == {0, 1} and binarised.mean().item() == pytest.approx(0.5, abs=0.02)
    assert (binarised - pixels).mean().abs() < 0.01 and torch.equal(binarised, metrics.readings(pixels, seed=3)[2])
    assert not torch.equal(binarised, metrics.readings(pixels, seed=4)[2])


@pytest.mark.parametrize("importance", [True, False])
def test_each_reading_has_the_likelihood_that_it_has_alone(importance):
    """With black and white pictures every reading is the same; of grey ones the first is the model's own estimate."""
    model, visible = build(CONFIG), torch.tensor(TASKS["2"]).expand(4, -1)
    for pixels in (torch.rand(4, PIXELS).round(), torch.rand(4, PIXELS)):
        expected = log_likelihood(
            model, "cvae", pixels[None], visible, 9, torch.Generator().manual_seed(1), importance
        )[0]
        read, generator = metrics.readings(pixels, 0), torch.Generator().manual_seed(1)
        found = log_likelihood(model, "cvae", read, visible, 9, generator, importance)
        torch.testing.assert_close(found[0], expected)
        assert torch.equal(found[0], found[2]) == torch.equal(pixels, pixels.round())
        assert not torch.equal(read[0], read[1]) or torch.equal(found[0], found[1])


def test_the_gap_of_a_label_model_is_reported():
    task = tiny_digits(LABEL)
    few = task.digits._replace(test=Images(*(part[:2] for part in task.digits.test)))
    scores = metrics.evaluate(task.model, few)
    assert set(scores["gap"]) == {"log_p", "elbo", "approximation", "amortisation"}
    assert -scores["nll"] == pytest.approx(scores["gap"]["elbo"], abs=2)  # one z a picture, and the exact mean
    assert "amortisation" in metrics.as_table(scores)
    assert "gap" not in metrics.evaluate(build(replace(LABEL, latent_size=3)), few)


def test_a_picture_is_likeliest_under_its_own_probabilities():
    samples = torch.rand(6, PIXELS).clamp(0.01, 0.99)
    hidden = ~pixel_mask(torch.tensor(TASKS["1"]))
    log_p = metrics.picture_log_likelihood(samples, samples[2], hidden)
    assert log_p.shape == (6,) and log_p.argmax() == 2
    logits = torch.logit(samples)
    expected = (samples[2] * logits - torch.nn.functional.softplus(logits))[:, hidden].sum(1)
    torch.testing.assert_close(log_p, expected, rtol=1e-4, atol=1e-2)


def test_a_gsnn_has_no_importance_sampling():
    model = build(replace(CONFIG, objective="gsnn"))
    with pytest.raises(UserError, match="no recognition network"):
        log_likelihood(model, "gsnn", torch.rand(1, 3, PIXELS), VISIBLE, 2, torch.Generator())


def test_completions_keep_visible_pixels_and_repeat():
    model = build(CONFIG)
    pixels = torch.rand(PIXELS)
    guess, samples = complete(model, pixels, TASKS["2"], 5, seed=3)
    mask = pixel_mask(torch.tensor(TASKS["2"]))
    assert samples.shape == (5, PIXELS) and torch.equal(samples[:, mask], pixels[mask].expand(5, -1))
    assert torch.equal(guess[mask], pixels[mask]) and samples[:, ~mask].std(0).max() > 0
    assert torch.equal(samples, complete(model, pixels, TASKS["2"], 5, seed=3)[1])


def test_the_manifold_goes_right_and_up():
    model = build(LABEL)
    with torch.no_grad():  # only z_0 has an effect
        model.decoder[0].weight[:, 1] = 0
    rows = manifold(model, 4, 5)
    assert rows.shape == (5, 5, PIXELS)
    torch.testing.assert_close(rows[0], rows[4])  # nothing changes upwards
    assert not torch.allclose(rows[0, 0], rows[0, 4])
    with pytest.raises(UserError, match="needs 2"):
        manifold(build(replace(LABEL, latent_size=3)), 0, 5)


def test_a_sheet_has_a_row_a_label_and_a_column_a_z():
    conditional = build(LABEL)
    with torch.no_grad():
        conditional.decoder[0].weight[:, LABEL.latent_size :] = 0  # no effect of the label
    rows = sheet(conditional, 3, seed=0)
    assert rows.shape == (10, 3, PIXELS)
    torch.testing.assert_close(rows, rows[:1].expand_as(rows))  # one z a column
    assert not torch.allclose(rows[0, 0], rows[0, 1])
    plain = sheet(build(replace(LABEL, conditional=False)), 3, seed=0)
    assert len({tuple(picture.tolist()) for picture in plain.flatten(0, 1)}) == 30


def test_a_style_is_the_posterior_mean_and_goes_with_every_label():
    model, pixels = build(LABEL), torch.rand(PIXELS)
    z = style(model, pixels, 4)
    torch.testing.assert_close(z, model.posterior(pixels[None], torch.tensor([4]))[0][0].detach())
    pictures = with_all_labels(model, torch.stack([z, z + 1]))
    assert pictures.shape == (10, 2, PIXELS)
    expected = torch.sigmoid(model.likelihood(z[None], torch.tensor([7])))[0]
    torch.testing.assert_close(pictures[7, 0], expected.detach())
