"""Prior matching: train the decoder so that every z ~ N(0, I) decodes to one of the training verbs.

A z from the prior mostly falls between the posteriors of the training verbs, where the decoder is not trained. It is
paired with the verb whose posterior is most responsible for it (the E-step of a mixture with a component a verb), and
the decoder is trained to decode that verb there. A bias for each verb, raised where it is assigned too seldom, gives
all verbs equal shares of the prior (the semi-discrete optimal transport of Genevay et al. 2016).
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.parallel import draw, gather
from cvae_core.tense.batches import cut_padding
from cvae_core.tense.data import PAD, SOS

BALANCE = 0.5  # how much a verb's bias, in nats, falls when it is assigned once more than its share
ROUNDS, SAMPLES, STEP_DECAY = 600, 2048, 0.99  # of fitting the biases


def add_bank(model: nn.Module, verbs: int, dimensions: int) -> None:
    """Give the model the posteriors of all training forms, as last seen (Wu et al. 2018), and the verbs' biases.

    They are buffers, so that the resumable state contains them; checkpoints leave them out.
    """
    model.register_buffer("bank_mu", torch.zeros(verbs, 4, dimensions))
    model.register_buffer("bank_logvar", torch.zeros(verbs, 4, dimensions))
    model.register_buffer("bank_bias", torch.zeros(verbs))


def without_bank(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights alone."""
    return {name: tensor for name, tensor in state.items() if not name.startswith("bank_")}


@torch.no_grad()
def update_memory_bank(model: nn.Module, verb: Tensor, tense: Tensor, mu: Tensor, logvar: Tensor) -> None:
    """Write posteriors (B, Z) of forms, named by verb and tense (B,), into the bank."""
    model.bank_mu[verb, tense] = mu.detach().to(model.bank_mu.dtype)
    model.bank_logvar[verb, tense] = logvar.detach().to(model.bank_mu.dtype)


def log_responsibility(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Sum over the tenses of log q(z | form, tense), but for a constant: (m, Z), (n, 4, Z), (n, 4, Z) -> (m, n)."""
    return _scores(z, *_products(mu, logvar))


def _products(mu: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """What the density of each verb's four posteriors takes of z² and z, (2Z, n), and what of neither, (n,)."""
    precision = torch.exp(-logvar)
    weights = torch.cat([-0.5 * precision.sum(1), (precision * mu).sum(1)], 1)  # -Σ z²/2σ² + Σ zμ/σ²
    return weights.T, -0.5 * (precision * mu.square() + logvar).sum((1, 2))


def _scores(z: Tensor, weights: Tensor, constant: Tensor) -> Tensor:
    return torch.cat([z.square(), z], 1) @ weights + constant


@torch.no_grad()
def assign_verbs(model: nn.Module, z: Tensor) -> Tensor:
    """The verb that each z is assigned to, all verbs in equal shares: (m, Z) -> (m,)."""
    scores = log_responsibility(z, model.bank_mu, model.bank_logvar) + model.bank_bias
    return scores.argmax(1)


def disagreement(logits: Tensor, other_logits: Tensor, target: Tensor, other_target: Tensor) -> Tensor:
    """How the next letters of one verb differ in two tenses, summed over the letters that both begin with: (m,).

    Logits are (m, T, V), targets (m, T). Between two verbs a decoder may decode one of them in one tense and the other
    in the next; the mean of both Kullback-Leibler divergences (as in R-Drop, Liang et al. 2021) trains it to decode the
    same verb wherever the forms of both tenses begin alike.
    """
    shared = ((target == other_target) & (target != PAD)).cumprod(1)  # where both have been the same so far
    a, b = torch.log_softmax(logits, -1), torch.log_softmax(other_logits, -1)
    return (0.5 * ((a.exp() - b.exp()) * (a - b)).sum(-1) * shared).sum(1)


def terms(
    model: nn.Module,
    z: Tensor,
    targets: Callable[[Tensor, Tensor], Tensor],
    two_tenses: bool,
    update_biases: bool,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """`prior`: mean cross entropy, in nats, of the verbs that z (m, Z) are assigned to, in one or two random tenses.

    With two, `consistency` is the mean `disagreement` between them. `targets(verb, tense)` gives letters (m, T).
    """
    tense = draw(partial(torch.randint, 4), z.shape[:1], generator, device=z.device)
    verb = assign_verbs(model, z)
    if update_biases:
        balance(model, gather(verb))
    if two_tenses:
        other = (tense + draw(partial(torch.randint, 1, 4), z.shape[:1], generator, device=z.device)) % 4
        z, verb, tense = torch.cat([z, z]), torch.cat([verb, verb]), torch.cat([tense, other])
    target = cut_padding(targets(verb, tense))
    logits = model(F.pad(target[:, :-1], (1, 0), value=SOS), z, tense).float()
    nll = F.cross_entropy(logits.transpose(1, 2), target, reduction="none")
    found = {"prior": (nll * (target != PAD)).sum(1).mean()}
    if two_tenses:
        found["consistency"] = disagreement(*logits.chunk(2), *target.chunk(2)).mean()
    return found


@torch.no_grad()
def balance(model: nn.Module, chosen: Tensor, step: float = BALANCE) -> None:
    """Move the biases against the shares of the verbs chosen for some draws: (m,)."""
    verbs = len(model.bank_bias)
    drawn = torch.bincount(chosen, minlength=verbs).to(model.bank_bias.dtype)
    model.bank_bias -= step * (drawn - len(chosen) / verbs)


@torch.no_grad()
def fit_biases(model: nn.Module, generator: torch.Generator) -> None:
    """Fit the biases to the posteriors of a frozen encoder, from zeros with ever smaller steps."""
    model.bank_bias.zero_()
    step = BALANCE / max(1, SAMPLES / len(model.bank_bias))  # few verbs are each drawn many times a round
    products = _products(model.bank_mu, model.bank_logvar)
    for i in range(ROUNDS):
        z = torch.randn(SAMPLES, model.bank_mu.shape[-1], generator=generator).to(model.bank_mu.device)
        balance(model, (_scores(z, *products) + model.bank_bias).argmax(1), step * STEP_DECAY**i)
