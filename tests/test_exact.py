"""Exact inference on a grid: known posteriors, bounds in their order, gaps that add up."""

import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import MultivariateNormal

from cvae_core.digits import exact
from cvae_core.digits.data import LABELS, PIXELS
from cvae_core.digits.model import LabelCVAE, build, pixel_log_likelihood
from cvae_core.errors import UserError
from cvae_core.latent import Gaussian
from tests.tiny_pictures import LABEL

STANDARD = Gaussian(torch.zeros(2), torch.zeros(2))


def model_with_style() -> LabelCVAE:
    """Random weights, large enough for z to matter."""
    model = build(replace(LABEL, seed=1))
    with torch.no_grad():
        model.decoder[0].weight.mul_(4)
    return model


def correlated(rho: float) -> torch.Tensor:
    """log p(x, z | c) (N,) with p(x | c) = 1; the posterior is a Gaussian whose coordinates correlate."""
    sigma = torch.tensor([0.4, 0.2])
    covariance = torch.outer(sigma, sigma) * torch.tensor([[1, rho], [rho, 1]])
    joint = MultivariateNormal(torch.tensor([0.5, -0.3]), covariance).log_prob(exact.cells())
    return joint + 2 * math.log(2 * exact.LIMIT / (exact.SIDE - 1))


def test_the_first_coordinate_goes_to_the_right_and_the_second_upwards():
    cells = exact.cells(5).view(5, 5, 2)
    assert cells[0, 0].tolist() == [-4, 4] and cells[0, 4].tolist() == [4, 4] and cells[4, 0].tolist() == [-4, -4]


def test_a_decoder_that_ignores_z_has_the_prior_as_its_posterior_and_no_gap():
    model = build(LABEL)
    with torch.no_grad():
        model.decoder[0].weight[:, :2] = 0
    pixels, labels = torch.rand(2, PIXELS), torch.tensor([3, 7])
    joint = exact.log_joint(model, pixels, labels)
    expected = pixel_log_likelihood(model.likelihood(torch.zeros(2, 2), labels), pixels).sum(1)
    torch.testing.assert_close(torch.logsumexp(joint, 1), expected.detach(), atol=2e-3, rtol=0)
    torch.testing.assert_close(torch.softmax(joint[0], 0), exact.log_masses(STANDARD).exp(), atol=1e-7, rtol=1e-3)
    assert exact.gap(joint[0], [STANDARD]).elbo == pytest.approx(torch.logsumexp(joint[0], 0).item(), abs=1e-3)


def test_a_finer_grid_finds_the_same_likelihood_whatever_pictures_stand_beside_it():
    model, pixels = model_with_style(), torch.rand(3, PIXELS)
    labels = torch.tensor([4, 1, 4])
    coarse, fine = (torch.logsumexp(exact.log_joint(model, pixels, labels, side), 1) for side in (161, 241))
    torch.testing.assert_close(coarse, fine, atol=5e-3, rtol=0)
    alone = torch.logsumexp(exact.log_joint(model, pixels[1:2], labels[1:2]), 1)
    torch.testing.assert_close(alone, coarse[1:2])


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_the_best_diagonal_gaussian_and_its_gap_are_those_of_mean_field_theory(rho):
    """Bishop 2006, section 10.1.2: the means of the posterior and its conditional variances, sigma²(1 - rho²)."""
    joint = correlated(rho)
    path = exact.optimise(joint, STANDARD)
    torch.testing.assert_close(path[-1].mu, torch.tensor([0.5, -0.3]), atol=2e-3, rtol=0)
    expected = torch.tensor([0.16, 0.04]) * (1 - rho**2)
    torch.testing.assert_close(path[-1].logvar.exp(), expected, atol=0, rtol=0.02)
    gap = exact.gap(joint, path)
    assert gap.log_p == pytest.approx(0, abs=1e-4)
    assert gap.approximation == pytest.approx(-0.5 * math.log(1 - rho**2), abs=2e-3)
    assert gap.approximation + gap.amortisation == pytest.approx(gap.log_p - gap.elbo)


def test_each_step_raises_the_elbo():
    joint = correlated(0.5)
    values = [exact.elbo(joint, q).item() for q in exact.optimise(joint, STANDARD)]
    assert len(values) > 3 and all(a <= b for a, b in zip(values, values[1:], strict=False))


def test_importance_weighted_bounds_rise_from_the_elbo_to_the_likelihood():
    model, pixels = model_with_style(), torch.rand(PIXELS)
    (joint,) = exact.log_joint(model, pixels[None], torch.tensor([2]))
    bounds = exact.importance_bounds(joint, STANDARD, torch.Generator().manual_seed(0))
    gap = exact.gap(joint, exact.optimise(joint, STANDARD))
    rising = [gap.elbo, *bounds.values()]
    assert list(bounds) == [5, 10, 50, 100, 500] and all(a <= b for a, b in zip(rising, rising[1:], strict=False))
    assert bounds[500] == pytest.approx(gap.log_p, abs=0.05) and gap.log_p - gap.elbo > 0.1
    assert gap.elbo <= gap.best <= gap.log_p


def test_mean_gaps_add_up():
    model, pixels = model_with_style(), torch.rand(3, PIXELS)
    mean = exact.mean_gap(model, pixels, torch.tensor([0, 5, 0]))
    assert mean["log_p"] - mean["elbo"] == pytest.approx(mean["approximation"] + mean["amortisation"], abs=1e-3)
    assert mean["approximation"] >= 0 and mean["amortisation"] > 0


def test_the_label_whose_pictures_are_alike_is_the_likeliest():
    model = model_with_style()
    pixels = torch.sigmoid(model.likelihood(torch.tensor([[0.2, -0.5]]), torch.tensor([6])))[0].detach()
    probabilities = exact.label_probabilities(model, pixels.round())
    assert probabilities.shape == (LABELS,) and probabilities.sum().item() == pytest.approx(1)
    assert probabilities.argmax() == 6


def test_three_dimensions_are_refused():
    with pytest.raises(UserError, match="needs 2"):
        exact.log_joint(build(replace(LABEL, latent_size=3)), torch.rand(1, PIXELS), torch.tensor([0]))
