"""How much each latent holds: KL, mutual information, active units and importance-weighted likelihood."""

import torch
from torch import Tensor

from cvae_core.latent import Gaussian, kl_to_standard, log_mean_exp, log_normal, reparameterize
from cvae_core.tense import data
from cvae_core.tense.prior import decode_nll, log_responsibility

ACTIVE = 0.01  # variance of the posterior mean over words above which a unit is active (Burda et al. 2016)
SCORED, SAMPLES = 200, 50  # words whose likelihood is estimated, importance samples of each
AT_ONCE = 2000  # sequences scored in one call


@torch.inference_mode()
def latent_statistics(
    model, words: list[str], tenses: list[int], space: str, scored: int = SCORED, seed: int = 0
) -> dict[str, float]:
    """`kl`, `mutual_information` and `nll` in nats a word, and the number of `active_units`, of z or of s.

    `nll` is the importance-weighted bound on -log p(word | tense) with 50 samples (Burda et al. 2016), at temperature
    1, of at most `scored` of the words; for s it is that of the model of spellings, p(s) = N(0, I).
    """
    generator = torch.Generator().manual_seed(seed)
    posterior = model.posterior(words, tenses, space)
    rows = torch.arange(0, len(words), -(-len(words) // scored))
    return {
        "kl": kl_to_standard(*posterior).sum(1).mean().item(),
        "mutual_information": mutual_information(posterior, generator),
        "active_units": active_units(posterior),
        "nll": -_log_likelihoods(model, words, tenses, posterior, rows, space, generator).mean().item(),
    }


def active_units(posterior: Gaussian) -> int:
    """How many dimensions have a posterior mean that varies over words (Burda et al. 2016)."""
    return int((posterior.mu.var(0, correction=0) > ACTIVE).sum())


def mutual_information(posterior: Gaussian, generator: torch.Generator) -> float:
    """I(word; z) under the posteriors (n, d) of n words, in nats: at most ln n.

    E[log q(z | word) - log q(z)] with one sample a word and the mean of all posteriors as q(z) (Hoffman and Johnson
    2016, as estimated by He et al. 2019).
    """
    mu, logvar = (part.cpu() for part in posterior)
    z = reparameterize(mu, logvar, generator)
    scores = log_responsibility(z, mu[:, None], logvar[:, None])  # log q(z_i | word_j) but for its constant: (n, n)
    return (scores.diagonal() - log_mean_exp(scores, 1)).mean().item()


def _log_likelihoods(
    model, words: list[str], tenses: list[int], posterior: Gaussian, scored: Tensor, space: str, generator
) -> Tensor:
    """The importance-weighted estimate of log p(word | tense) of the scored words, by index: (m,)."""
    letters, tense = torch.from_numpy(data.encode(words)).long(), torch.tensor(tenses)
    found = []
    for rows in scored.split(AT_ONCE // SAMPLES):
        mu, logvar = (part[rows].cpu().repeat_interleave(SAMPLES, 0) for part in posterior)
        z = reparameterize(mu, logvar, generator)
        target, target_tense = letters[rows].repeat_interleave(SAMPLES, 0), tense[rows].repeat_interleave(SAMPLES)
        s = model.spelled(z.to(model.device), space)
        nll, *_ = decode_nll(model.model, s, target_tense.to(model.device), target.to(model.device))
        weights = log_normal(z, torch.zeros(()), torch.zeros(())) - log_normal(z, mu, logvar) - nll.cpu()
        found.append(log_mean_exp(weights.view(-1, SAMPLES), 1))
    return torch.cat(found)
