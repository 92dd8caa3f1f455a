"""Prior matching: train the decoder so that every z ~ N(0, I) decodes to one of the training verbs.

A z from the prior mostly falls between the posteriors of the training verbs, where the decoder is not trained. It is
paired with the verb whose posterior is most responsible for it (the E-step of a mixture with a component a verb), and
the decoder is trained to decode that verb there. A bias for each verb, raised where it is assigned too seldom, gives
all verbs equal shares of the prior (the semi-discrete optimal transport of Genevay et al. 2016).

Once the encoder is frozen, log p(verb | z) counts too, as in the E-step of the whole model. A z that already decodes to
a verb is assigned to it, unless another one is far more responsible. A z that decodes to none is assigned to the
likeliest of the most responsible verbs.

In fine-tuning, the target is what the model before fine-tuning decodes z to: see `replay`.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.latent import Gaussian
from cvae_core.parallel import draw, gather, world
from cvae_core.tense.batches import Batches
from cvae_core.tense.data import PAD, SOS
from cvae_core.tense.decoding import greedy, teacher_forced
from cvae_core.tense.padding import cut_padding, lengths_of

BALANCE = 0.5  # how much a verb's bias, in nats, falls when it is assigned once more than its share
BALANCE_FROZEN = 0.03  # the same once the encoder is frozen, by what z decodes to
TOLERANCE = 5.0  # nats that the score of a verb that z decodes to may be below the highest
CANDIDATES = 6  # verbs whose likelihood is compared where z decodes to none
DRAWN = 2  # samples drawn for each that is trained on, once the encoder is frozen
ROUNDS, SAMPLES, STEP_DECAY = 600, 2048, 0.99  # of fitting the biases
FITTED_AT_ONCE = 64  # samples


class PriorMatcher(nn.Module):
    """A memory bank of the posteriors of all training forms, as last encoded (Wu et al. 2018), and the verbs' biases.

    They are buffers, so that the resumable state contains them; checkpoints leave them out.
    """

    def __init__(self, verbs: int, dimensions: int):
        super().__init__()
        self.register_buffer("mu", torch.zeros(verbs, 4, dimensions))
        self.register_buffer("logvar", torch.zeros(verbs, 4, dimensions))
        self.register_buffer("bias", torch.zeros(verbs))

    @torch.no_grad()
    def update(self, verb: Tensor, tense: Tensor, posterior: Gaussian) -> None:
        """Write posteriors (B, Z) of forms, named by verb and tense (B,), into the bank."""
        self.mu[verb, tense] = posterior.mu.detach().to(self.mu.dtype)
        self.logvar[verb, tense] = posterior.logvar.detach().to(self.mu.dtype)

    @torch.no_grad()
    def assign(self, z: Tensor) -> Tensor:
        """The most responsible verb for each z, all verbs in equal shares: (m, Z) -> (m,)."""
        return self._scores(z).argmax(1)

    @torch.no_grad()
    def assign_by_decoder(
        self, model: nn.Module, z: Tensor, tense: Tensor, forms: Batches, drawn: int
    ) -> tuple[Tensor, Tensor]:
        """Of samples z (m, Z), the m / drawn that decode least surely to a verb, and the verb assigned to each.

        A z keeps the verb that it decodes to in its tense (m,), unless the score of that is TOLERANCE below the
        highest. Other z get the verb with the highest score + log p(verb | z) among those CANDIDATES whose scores are
        the highest. -> indices (n,) and verbs (n,).
        """
        scores, s = self._scores(z), model.spelling(z)
        letters, logprobs = greedy(model, s, tense)
        decoded = forms.find(letters, tense)
        every = gather(decoded)
        self.balance(every[every >= 0], BALANCE_FROZEN)
        hard = hardest(-logprobs.sum(1).exp() * (decoded >= 0), drawn)
        scores, s, tense, verb = scores[hard], s[hard], tense[hard], decoded[hard]
        own = scores.gather(1, verb[:, None].clamp_min(0))[:, 0].masked_fill(verb < 0, -torch.inf)
        (open_rows,) = (own + TOLERANCE < scores.amax(1)).nonzero(as_tuple=True)  # not assigned to what they decode to
        if len(open_rows):
            scores, candidates = scores[open_rows].topk(min(CANDIDATES, scores.shape[1]), 1)  # (r, c)
            c = candidates.shape[1]
            s_of_each, tense_of_each = (part[open_rows].repeat_interleave(c, 0) for part in (s, tense))
            target = forms.first_spellings(candidates.flatten(), tense_of_each)
            nll, *_ = decode_nll(model, s_of_each, tense_of_each, target)
            verb[open_rows] = candidates.gather(1, (scores - nll.view(-1, c)).argmax(1, keepdim=True))[:, 0]
        return hard, verb

    @torch.no_grad()
    def balance(self, assigned: Tensor, step: float = BALANCE) -> None:
        """Move the biases against the shares of the verbs that some samples were assigned to: (m,)."""
        verbs = len(self.bias)
        counts = torch.bincount(assigned, minlength=verbs).to(self.bias.dtype)
        self.bias -= step * (counts - len(assigned) / verbs)

    @torch.no_grad()
    def fit_biases(self, generator: torch.Generator) -> None:
        """Fit the biases to the posteriors of a frozen encoder, from zeros with ever smaller steps.

        Each process assigns its share of the samples, FITTED_AT_ONCE at a time: their scores stay in a core's cache.
        """
        self.bias.zero_()
        step = BALANCE / max(1, SAMPLES / len(self.bias))  # few verbs are each assigned many times a round
        weights, constant = _products(self.mu, self.logvar)
        for i in range(ROUNDS):
            z = draw(torch.randn, (SAMPLES // world(), self.mu.shape[-1]), generator).to(self.mu.device)
            scores = (_log_densities(part, weights, constant + self.bias) for part in z.split(FITTED_AT_ONCE))
            self.balance(gather(torch.cat([score.argmax(1) for score in scores])), step * STEP_DECAY**i)

    def _scores(self, z: Tensor) -> Tensor:
        """Log responsibilities, with the verbs' biases, in nats a form: (m, Z) -> (m, n)."""
        weights, constant = _products(self.mu, self.logvar)
        return _log_densities(z, weights / 4, (constant + self.bias) / 4)

    def terms(
        self, model: nn.Module, z: Tensor, forms: Batches, two_tenses: bool, frozen: bool, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """`prior`: mean cross entropy, in nats, of the verbs that z (m, Z) are assigned to, in one or two tenses.

        The tenses are random. With two, `consistency` is the mean `disagreement` between them. While the encoder
        trains, the biases follow the posteriors; once it is `frozen`, only the DRAWN-th part of z is trained on that
        decodes least surely to a verb.
        """
        tense = draw(partial(torch.randint, 4), z.shape[:1], generator, device=z.device)
        if frozen:
            hard, verb = self.assign_by_decoder(model, z, tense, forms, DRAWN)
            z, tense = z[hard], tense[hard]
        else:
            verb = self.assign(z)
            self.balance(gather(verb))
        s = model.spelling(z)
        if two_tenses:
            other = (tense + draw(partial(torch.randint, 1, 4), z.shape[:1], generator, device=z.device)) % 4
            s, verb, tense = torch.cat([s, s]), torch.cat([verb, verb]), torch.cat([tense, other])
        nll, logits, target = decode_nll(model, s, tense, forms.first_spellings(verb, tense))
        terms = {"prior": nll.mean()}
        if two_tenses:
            terms["consistency"] = disagreement(*logits.chunk(2), *target.chunk(2)).mean()
        return terms


def replay(before: nn.Module, model: nn.Module, z: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """`prior`: mean KL(before || after), in nats, of words decoded from z (m, Z), over their letters.

    `before` is the model before fine-tuning, which decodes z in random tenses (generative replay, Shin et al. 2017);
    at each letter the model is trained on its probabilities (distillation, Hinton et al. 2015). Unlike cross entropy,
    this has no gradient as long as nothing has changed.
    """
    tense = draw(partial(torch.randint, 4), z.shape[:1], generator, device=z.device)
    with torch.no_grad():
        s = before.spelling(z)
        letters, _ = greedy(before, s, tense)
        _, wanted, target = decode_nll(before, s, tense, letters)
    _, logits, _ = decode_nll(model, model.spelling(z), tense, letters)
    each = F.kl_div(logits.log_softmax(-1), wanted.log_softmax(-1), reduction="none", log_target=True).sum(-1)
    return {"prior": (each * (target != PAD)).sum(1).mean()}


def hardest(losses: Tensor, drawn: int) -> Tensor:
    """The row of the highest loss in every `drawn` rows i, i + m, i + 2m, …: (n,) -> (m,), m = n / drawn rounded up.

    Online hard example mining (Shrivastava et al. 2016). Such rows are in one process (`parallel.share`), so that
    several processes choose as one does.
    """
    m = -(-len(losses) // drawn)
    groups = F.pad(losses, (0, drawn * m - len(losses)), value=-torch.inf).view(drawn, m)
    return groups.argmax(0) * m + torch.arange(m, device=losses.device)


def decode_nll(model: nn.Module, s: Tensor, tense: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross entropy of words, in nats, from s (m, S), tense (m,) and letters (m, T).

    -> (m,), the logits (m, T, V), and the letters without the columns that are padding alone.
    """
    target = cut_padding(target)
    inputs = F.pad(target[:, :-1], (1, 0), value=SOS)
    logits = teacher_forced(model, inputs, s, tense, lengths_of(target)).float()
    nll = F.cross_entropy(logits.transpose(1, 2), target, reduction="none", ignore_index=PAD)
    return nll.sum(1), logits, target


def log_responsibility(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Sum over a verb's forms of log q(z | form, tense), but for a constant: (m, Z), twice (n, forms, Z) -> (m, n)."""
    return _log_densities(z, *_products(mu, logvar))


def _products(mu: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
    """What the density of each verb's four posteriors takes of z² and z, (2Z, n), and what of neither, (n,)."""
    precision = torch.exp(-logvar)
    weights = torch.cat([-0.5 * precision.sum(1), (precision * mu).sum(1)], 1)  # -Σ z²/2σ² + Σ zμ/σ²
    return weights.T, -0.5 * (precision * mu.square() + logvar).sum((1, 2))


def _log_densities(z: Tensor, weights: Tensor, constant: Tensor) -> Tensor:
    with torch.autocast(z.device.type, enabled=False):  # bfloat16 would be off by up to a nat
        return torch.cat([z.square(), z], 1) @ weights + constant


def disagreement(logits: Tensor, other_logits: Tensor, target: Tensor, other_target: Tensor) -> Tensor:
    """How the next letters of one verb differ in two tenses, summed over the letters that both begin with: (m,).

    Logits are (m, T, V), targets (m, T). Between two verbs a decoder may decode one of them in one tense and the other
    in the next; the mean of both Kullback-Leibler divergences (as in R-Drop, Liang et al. 2021) trains it to decode the
    same verb wherever the forms of both tenses begin alike.
    """
    shared = ((target == other_target) & (target != PAD)).cumprod(1)  # where both have been the same so far
    a, b = torch.log_softmax(logits, -1), torch.log_softmax(other_logits, -1)
    return (0.5 * ((a.exp() - b.exp()) * (a - b)).sum(-1) * shared).sum(1)
