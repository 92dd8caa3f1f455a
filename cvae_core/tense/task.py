"""What `fit` trains on for verbs: the loss of a batch, the scores of an epoch, and what its checkpoint holds."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.errors import UserError
from cvae_core.latent import Gaussian, kl_to_standard, reparameterize
from cvae_core.parallel import draw, gather, world
from cvae_core.schedules import highest
from cvae_core.step import Step, generator_at, knots_at
from cvae_core.tense import data, metrics
from cvae_core.tense.batches import Batch, Batches
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.data import EOS, PAD, SOS, Verb, spread
from cvae_core.tense.decoding import greedy, teacher_forced
from cvae_core.tense.familiarity import measure_floor
from cvae_core.tense.inference import Inflector
from cvae_core.tense.information import latent_statistics
from cvae_core.tense.model import Encoded, build
from cvae_core.tense.preview import SHORT_LIST, preview
from cvae_core.tense.prior import DRAWN, PriorMatcher, decode_nll, hardest, replay
from cvae_core.tense.reports import ARCHITECTURES

WORDS_DRAWN = 4  # for each that is trained on, once the encoder is frozen
VALIDATION_VERBS = 200  # scored at each epoch's end
LISTED_VERBS = 50  # of a list of the user's own, and of the verbs rehearsed beside it, that are scored
VALIDATION_SAMPLES = 100  # as many as the course draws
DESCRIBED, SCORED = 1000, 50  # words whose posteriors an epoch's statistics are of, and whose likelihood is estimated


def training_verbs(config: TenseConfig, verbs: Sequence[Verb], data_name: str, old: Sequence[Verb]) -> list[Verb]:
    """The verbs of the config's split. Raises UserError if it is empty, or if `rehearsal` is set and `old` is empty."""
    chosen = data.select_split(verbs, config.train_on)
    if not chosen:
        raise UserError(f"The {config.train_on} split of the {data_name} holds no verbs: use train_on all or add some.")
    if config.rehearsal and not old:
        raise UserError("rehearsal needs the verbs of a checkpoint to start from: give one, or set it to 0.")
    return chosen


class TenseTask:
    """See `task.Task`."""

    system = "tense"
    unit = "words"

    def __init__(
        self,
        config: TenseConfig,
        verbs: Sequence[Verb],
        device: torch.device | str = "cpu",
        data_name: str = "lexicon",
        start: Inflector | None = None,
    ):
        """`verbs` of the config's split are trained on, from the weights and temperature of `start`, if given.

        With `rehearsal` its verbs are trained on too, and samples of the prior are replayed by its model.
        """
        self.config = config
        self.temperature = start.temperature if start else 1.0
        self.data_name = data_name
        self.verbs = training_verbs(config, verbs, data_name, start.verbs if start else ())
        trained = {verb.lemma for verb in self.verbs}  # a verb that the list has is not rehearsed in its old forms
        self.old = [verb for verb in start.verbs if verb.lemma not in trained] if start and config.rehearsal else []
        self.validation = data.select_split(verbs, "validation")
        self.model = build(config).to(device)
        if start:
            self.model.load_state_dict(start.model.state_dict())
        self.before = start.model.to(device) if start and config.rehearsal else None
        self.device = torch.device(device)
        self.state = nn.ModuleDict({"model": self.model})
        self.matcher: Any = None
        if highest(config.prior_share) and self.before is None:
            self.matcher = PriorMatcher(len(self.verbs) + len(self.old), self.model.latent_total).to(device)
            self.state["matcher"] = self.matcher
        architecture = ARCHITECTURES.get(config.architecture)
        self._until_eos = architecture is not None and architecture.until_eos
        self.description = f"{len(self.verbs)} verbs"
        self.short_list = data_name != "lexicon" and len(self.verbs) <= SHORT_LIST
        self._batches = Batches(config, self.verbs, self.old, self.model.latent_total, self.device)

    @torch.no_grad()
    def fill_bank(self) -> None:
        """Encode every form once, so that prior matching can begin at once with weights that know the verbs."""
        verb = torch.arange(len(self.verbs) + len(self.old), device=self.device).repeat_interleave(4)
        tense = torch.arange(4, device=self.device).repeat(len(verb) // 4)
        encoded = self.model.encode(self._batches.first_spellings(verb, tense), tense)
        self.matcher.update(verb, tense, encoded.z)

    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return len(self._batches)

    def _encoder_epochs(self) -> int:
        """How many epochs the encoder is trained in."""
        return math.ceil(self.config.encoder_until * self.config.epochs)

    def _trains_encoder(self, step: Step) -> bool:
        return step.epoch < self._encoder_epochs()

    def batches(self, step: Step) -> Iterator[Batch]:
        """The batches of an epoch, with samples of the prior once matching has begun.

        When the encoder is frozen, the memory bank is filled and the biases are fitted first; a resumed epoch has both.
        """
        if not self._trains_encoder(step):
            self.model.freeze_encoder()
        if self.matcher is not None and step.epoch == self._encoder_epochs() and not step.resumed:
            self.fill_bank()
            # Not with the generator of the epoch's order: a resumed epoch skips this and has to draw the same order.
            self.matcher.fit_biases(generator_at(self.config.seed, step.epoch, -1))
        samples = round(knots_at("prior_share", self.config, step.epoch) * self.config.batch_size)
        if self._trains_encoder(step):
            return self._batches.epoch(step.generator, samples)
        return self._batches.epoch(step.generator, DRAWN * samples, WORDS_DRAWN)

    def count(self, batch: Batch) -> int:
        """Words in a batch."""
        return len(batch.source)

    def loss(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Cross entropy of the target's letters and KL of both levels to N(0, I), in nats, means over the batch.

        Once the encoder is frozen, means are over the batch's `hardest` words. Some real words are decoded from z by
        way of the map, all others from s, and each word has the KL of that level alone: the model of verbs and the
        model of spellings have a bound each. With samples from the prior, their mean cross entropy is added as `prior`,
        with `rehearsal` the divergence of `replay` instead; a classifier's cross entropy as `classifier`.
        """
        config, model, generator = self.config, self.model, step.generator
        real, train_encoder = batch.verb >= 0, self._trains_encoder(step)
        encoded = model.encode(batch.source, batch.source_tense)
        s, by_z = self._decoded_latent(encoded, real, train_encoder, generator)
        if not train_encoder:
            with torch.no_grad():  # most words are soon decoded almost surely and have next to no gradient
                rows = hardest(decode_nll(model, s, batch.target_tense, batch.target)[0], WORDS_DRAWN)
            batch = Batch._make([*(part[rows] for part in batch[:-1]), batch.prior_z])
            encoded = Encoded(*(Gaussian(level.mu[rows], level.logvar[rows]) for level in encoded))
            s, by_z = s[rows], by_z[rows]
        inputs, mask = self._decoder_inputs(batch, s, step)
        logits = teacher_forced(model, inputs, s, batch.target_tense, mask.sum(1))
        nll = F.cross_entropy(logits.float().transpose(1, 2), batch.target, reduction="none") * mask
        recon = nll.sum(1) if config.recon == "sum" else nll.sum(1) / mask.sum(1)
        kl = kl_to_standard(*encoded.z).sum(1)
        terms = {"recon": recon.mean(), "kl": _mean(kl, by_z)}
        loss = recon.mean() + step.beta * (kl * by_z).mean()
        if config.spelling_size:
            kl = kl_to_standard(*encoded.s).sum(1)
            terms["kl_s"] = _mean(kl, ~by_z)
            loss = loss + config.spelling_kl * (kl * ~by_z).mean()
        if config.tense_classifier:
            terms["classifier"] = F.cross_entropy(model.classify(batch.source).float(), batch.source_tense)
            loss = loss + terms["classifier"]
        if not train_encoder:
            loss = loss * DRAWN / WORDS_DRAWN  # in proportion to the samples of the prior, the hardest of DRAWN
        if self.matcher is not None and train_encoder:
            verb, tense, mu, logvar = (gather(part) for part in (batch.verb, batch.source_tense, *encoded.z))
            known = verb >= 0
            self.matcher.update(verb[known], tense[known], Gaussian(mu[known], logvar[known]))
        if len(batch.prior_z) and self.before is not None:
            terms |= replay(self.before, model, batch.prior_z, generator)
            loss = loss + terms["prior"]
        elif len(batch.prior_z):
            weight = knots_at("consistency", config, step.epoch)
            terms |= self.matcher.terms(model, batch.prior_z, self._batches, weight > 0, not train_encoder, generator)
            loss = loss + terms["prior"] + weight * terms.get("consistency", 0.0)
        return {"loss": loss} | terms

    def _decoded_latent(
        self, encoded: Encoded, real: Tensor, train_encoder: bool, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """What the decoder gets of each word, (B, S), and which of the words, (B,), go by z.

        With a frozen encoder z is the mean, as in conversion; the samples of the prior cover what lies between.
        """
        z = reparameterize(*encoded.z, generator) if train_encoder else encoded.z.mu
        by_z = real & (draw(torch.rand, real.shape, generator, device=z.device) < self.config.z_share)
        if not self.config.spelling_size:
            return z, torch.ones_like(real)
        s = reparameterize(*encoded.s, generator)
        return s.masked_scatter(by_z[:, None], self.model.spelling(z[by_z]).to(s.dtype)), by_z

    def _decoder_inputs(self, batch: Batch, s: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """The letters that the decoder gets (B, T): the target's, or its own in free running; and which count (B, T).

        The likeliest letter carries no gradient, so that free running is the same call on letters decoded before.
        """
        mask = batch.target != PAD
        inputs = F.pad(batch.target[:, :-1], (1, 0), value=SOS)
        free = draw(torch.rand, s.shape[:1], step.generator, device=s.device) >= step.teacher_forcing
        if bool(free.any()):
            length = batch.target.shape[1]
            own, _ = greedy(self.model, s[free], batch.target_tense[free], length)
            own = F.pad(own, (0, length - own.shape[1]), value=PAD)
            inputs[free] = F.pad(own[:, :-1], (1, 0), value=SOS)
            if self._until_eos:
                before_end = (own == EOS).cumsum(1) == 0
                before_end[:, 0] = True  # a word that ends at once still counts for one letter
                mask[free] = mask[free] & before_end
        return inputs, mask

    def evaluate(self) -> dict[str, float]:
        """Official scores on the course's pairs and 100 fixed draws; accuracy on validation verbs where there are any.

        Of a list of the user's own, accuracy on its verbs; in fine-tuning also on old ones, so that forgetting is seen.
        `score` is what `keep = best` compares: accuracy, or, where validation verbs are trained on, the sum of BLEU-4
        and Gaussian score, the course's own criteria.
        """
        model = Inflector(self.model)
        scores = {"bleu4": metrics.bleu4_of_pairs(model)}
        scores |= metrics.gaussian_scores(model, [*self.verbs, *self.old], VALIDATION_SAMPLES, seed=self.config.seed)
        if self.old or self.short_list:
            scores["accuracy_new"] = metrics.accuracy(model, spread(self.verbs, LISTED_VERBS))["accuracy"]
        if self.old:
            scores["accuracy_old"] = metrics.accuracy(model, spread(self.old, LISTED_VERBS))["accuracy"]
            scores["score"] = (scores["accuracy_new"] + scores["accuracy_old"]) / 2
        elif self.config.train_on == "train" and self.validation:
            scores["accuracy"] = metrics.accuracy(model, spread(self.validation, VALIDATION_VERBS))["accuracy"]
            scores["score"] = scores["accuracy"]
        else:
            scores["score"] = scores["bleu4"] + scores["gaussian"]
        return scores

    def statistics(self) -> dict[str, float]:
        """`information.latent_statistics` of each level on present forms, `validation_nll_z` and so on.

        They are those of validation verbs; where there are none, or they are trained on, of a fixed sample of training
        verbs, and the names begin with `training_`.
        """
        held_out = self.config.train_on == "train" and self.validation
        verbs = self.validation if held_out else self.verbs
        words = [verb.lemma for verb in spread(verbs, DESCRIBED)]
        model, scores = Inflector(self.model), {}
        for space in ("z", "s") if self.config.spelling_size else ("z",):
            found = latent_statistics(model, words, [data.PRESENT] * len(words), space, SCORED)
            scores |= {f"{'validation' if held_out else 'training'}_{name}_{space}": v for name, v in found.items()}
        return scores

    def preview(self) -> dict[str, Any]:
        """See `preview.preview`."""
        self.model.eval()
        shown = preview(Inflector(self.model), self.verbs, self.old, self.short_list, self.config.seed)
        self.model.train()
        return shown

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and metadata: the config, the verbs trained on, temperature and familiarity floor."""
        verbs = [*self.verbs, *self.old]
        rows = None if self.data_name == "lexicon" and not self.old else [[list(f) for f in v.forms] for v in verbs]
        metadata = {
            "system": self.system, "config": vars(self.config), "data": self.data_name, "rows": rows,
            "temperature": self.temperature, "familiarity_floor": measure_floor(Inflector(self.model, verbs)),
        }  # fmt: skip
        self.model.train()
        return self.model.state_dict(), metadata


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of those values that are chosen, (B,) each; 0 of none. Of several processes, the joint batch's."""
    return (values * chosen).sum() * world() / gather(chosen).sum().clamp_min(1)
