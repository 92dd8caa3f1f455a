import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from cvae_core.latent import kl_to_standard, lerp, product_of_experts, reparameterize, slerp

numbers = st.floats(-5, 5)


@given(numbers, numbers)
def test_kl_is_that_of_torch_and_never_negative(mu, logvar):
    mu, logvar = torch.tensor(mu, dtype=torch.double), torch.tensor(logvar, dtype=torch.double)
    expected = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(mu * 0, torch.ones_like(mu)))
    assert kl_to_standard(mu, logvar).item() == pytest.approx(expected.item(), abs=1e-9)
    assert kl_to_standard(mu, logvar).item() >= -1e-12


def test_reparameterize_has_the_moments_and_repeats_by_seed():
    mu, logvar = torch.full((100_000,), 2.0), torch.full((100_000,), math.log(9.0))
    z = reparameterize(mu, logvar, torch.Generator().manual_seed(0))
    assert z.mean().item() == pytest.approx(2.0, abs=0.05)
    assert z.std().item() == pytest.approx(3.0, abs=0.05)
    assert torch.equal(z, reparameterize(mu, logvar, torch.Generator().manual_seed(0)))


def test_product_of_experts_is_the_normalized_product_of_densities():
    mu, logvar = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([0.0, 1.0, -0.5])
    x = torch.linspace(-12, 12, 20_001, dtype=torch.double)
    density = torch.stack([Normal(m, (0.5 * v).exp()).log_prob(x) for m, v in zip(mu, logvar, strict=True)]).sum(0)
    density = density.softmax(0)
    mean = (x * density).sum()
    variance = ((x - mean) ** 2 * density).sum()
    got_mean, got_logvar = product_of_experts(mu, logvar, 0)
    assert got_mean.item() == pytest.approx(mean.item(), abs=1e-5)
    assert got_logvar.exp().item() == pytest.approx(variance.item(), abs=1e-5)


@pytest.mark.parametrize("path", [lerp, slerp])
def test_paths_start_and_end_at_their_ends(path):
    a, b = torch.randn(2, 32, generator=torch.Generator().manual_seed(1))
    z = path(a, b, torch.linspace(0, 1, 7))
    assert torch.allclose(z[0], a, atol=1e-5) and torch.allclose(z[-1], b, atol=1e-5)


def test_slerp_keeps_the_norm_where_lerp_dips():
    a, b = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    half = torch.tensor([0.5])
    assert slerp(a, b, half).norm().item() == pytest.approx(3.0)
    assert lerp(a, b, half).norm().item() == pytest.approx(3.0 / math.sqrt(2))


@pytest.mark.parametrize("b", [[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_slerp_is_a_line_where_no_arc_is_defined(b):
    a, b = torch.tensor([1.0, 0.0]), torch.tensor(b)
    t = torch.linspace(0, 1, 5)
    assert torch.allclose(slerp(a, b, t), lerp(a, b, t))
