"""What `fit` trains on for verbs: the loss of a batch, the scores of an epoch, and what its checkpoint holds."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.errors import UserError
from cvae_core.latent import kl_to_standard, reparameterize
from cvae_core.parallel import draw, gather
from cvae_core.step import Step
from cvae_core.tense import data, metrics, prior
from cvae_core.tense.batches import Batch, Batches
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.data import EOS, PAD, SOS, TENSES, Verb
from cvae_core.tense.decoding import greedy
from cvae_core.tense.familiarity import measure_floor
from cvae_core.tense.inference import Inflector
from cvae_core.tense.model import build
from cvae_core.tense.reports import ARCHITECTURES

VALIDATION_VERBS = 200  # scored at each epoch's end
FILLED_AT_ONCE = 1024  # forms
VALIDATION_SAMPLES = 100  # as many as the course draws


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
        model: nn.Module | None = None,
        old: Sequence[Verb] = (),
        temperature: float = 1.0,
    ):
        """`verbs` of the config's split are trained on.

        `old` are those that a checkpoint to start from knows, `temperature` is its own.
        """
        self.config = config
        self.temperature = temperature
        self.data_name = data_name
        self.verbs = training_verbs(config, verbs, data_name, old)
        self.old = list(old) if config.rehearsal else []
        self.validation = data.select_split(verbs, "validation")[:VALIDATION_VERBS]
        self.model = (model or build(config)).to(device)
        self.device = torch.device(device)
        if config.prior_share:
            prior.add_bank(self.model, len(self.verbs) + len(self.old), self.model.latent_total)
            self.model.to(device)
        architecture = ARCHITECTURES.get(config.architecture)
        self._until_eos = architecture is not None and architecture.until_eos
        self.description = f"{len(self.verbs)} verbs"
        self._batches = Batches(config, self.verbs, self.old, self.model.latent_total, self.device)

    @torch.no_grad()
    def fill_bank(self) -> None:
        """Encode every form once, so that prior matching can begin at once with weights that know the verbs."""
        verb = torch.arange(len(self.verbs) + len(self.old), device=self.device).repeat_interleave(4)
        tense = torch.arange(4, device=self.device).repeat(len(verb) // 4)
        for some, of in zip(verb.split(FILLED_AT_ONCE), tense.split(FILLED_AT_ONCE), strict=True):
            encoded = self.model.encode(self._batches.first_spellings(some, of), of)
            prior.update_memory_bank(self.model, some, of, encoded.mu, encoded.logvar)

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

        When the encoder is frozen, the memory bank is filled and the biases are fitted first.
        """
        if self.config.prior_share and step.epoch == self._encoder_epochs():
            self.fill_bank()
            prior.fit_biases(self.model, step.generator)
        matching = step.epoch >= self.config.prior_from * self.config.epochs
        samples = round(self.config.prior_share * self.config.batch_size) if matching else 0
        return self._batches.epoch(step.generator, samples)

    def count(self, batch: Batch) -> int:
        """Words in a batch."""
        return len(batch.source)

    def loss(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Cross entropy of the target's letters and KL(q(z | source) || N(0, I)), in nats, means over the batch.

        With samples from the prior, their mean cross entropy is added as `prior`; a classifier's is added as `tense`.
        """
        config, model, generator = self.config, self.model, step.generator
        real, train_encoder = batch.verb >= 0, self._trains_encoder(step)
        with torch.set_grad_enabled(train_encoder and torch.is_grad_enabled()):
            encoded = model.encode(batch.source, batch.source_tense)
        # With a frozen encoder z is the mean, as in conversion; the samples of the prior cover what lies between.
        z = reparameterize(encoded.mu, encoded.logvar, generator) if train_encoder else encoded.mu
        dropped = draw(torch.rand, z.shape[:1], generator, device=z.device) < config.source_dropout
        source = model.source_features(encoded.outputs, visible=~(dropped & real))
        inputs, mask = self._decoder_inputs(batch, z, source, step)
        logits = model(inputs, z, batch.target_tense, source)
        nll = F.cross_entropy(logits.float().transpose(1, 2), batch.target, reduction="none") * mask
        recon = nll.sum(1) if config.recon == "sum" else nll.sum(1) / mask.sum(1)
        recon = recon.mean()
        kl = kl_to_standard(encoded.mu, encoded.logvar).sum(1).mean()
        terms = {"loss": recon + step.beta * kl, "recon": recon, "kl": kl}
        if config.tense_classifier:
            terms["tense"] = F.cross_entropy(model.classify(batch.source).float(), batch.source_tense)
            terms["loss"] = terms["loss"] + terms["tense"]
        if config.prior_share and train_encoder:
            encodings = gather(batch.verb), gather(batch.source_tense), gather(encoded.mu), gather(encoded.logvar)
            prior.update_memory_bank(model, *(part[encodings[0] >= 0] for part in encodings))
        if len(batch.prior_z):
            two_tenses = config.consistency > 0 and step.epoch >= config.consistency_from * config.epochs
            terms |= prior.terms(
                model, batch.prior_z, self._batches.first_spellings, two_tenses, train_encoder, generator
            )
            terms["loss"] = terms["loss"] + terms["prior"] + config.consistency * terms.get("consistency", 0.0)
        return terms

    def _decoder_inputs(self, batch: Batch, z: Tensor, source: Tensor | None, step: Step) -> tuple[Tensor, Tensor]:
        """The letters that the decoder gets (B, T): the target's, or its own in free running; and which count (B, T).

        The likeliest letter carries no gradient, so that free running is the same call on letters decoded before.
        """
        mask = batch.target != PAD
        inputs = F.pad(batch.target[:, :-1], (1, 0), value=SOS)
        free = draw(torch.rand, z.shape[:1], step.generator, device=z.device) >= step.teacher_forcing
        if bool(free.any()):
            length = batch.target.shape[1]
            own, _ = greedy(
                self.model, z[free], batch.target_tense[free], None if source is None else source[free], length
            )
            own = F.pad(own, (0, length - own.shape[1]), value=PAD)
            inputs[free] = F.pad(own[:, :-1], (1, 0), value=SOS)
            if self._until_eos:
                before_end = (own == EOS).cumsum(1) == 0
                before_end[:, 0] = True  # a word that ends at once still counts for one letter
                mask[free] = mask[free] & before_end
        return inputs, mask

    def evaluate(self) -> dict[str, float]:
        """Official scores on the course's pairs and 100 fixed draws; accuracy on validation verbs where there are any.

        In fine-tuning, accuracy on the new verbs and on old ones, so that forgetting is seen. `score` is what
        `keep = best` compares: accuracy, or, where validation verbs are trained on, the sum of BLEU-4 and Gaussian
        score, the course's own criteria.
        """
        model = Inflector(self.model)
        scores = {"bleu4": metrics.bleu4_of_pairs(model)}
        scores |= metrics.gaussian_scores(model, [*self.verbs, *self.old], VALIDATION_SAMPLES, seed=self.config.seed)
        if self.old:
            scores["accuracy_new"] = metrics.accuracy(model, self.verbs[:VALIDATION_VERBS])["accuracy"]
            every = -(-len(self.old) // VALIDATION_VERBS)
            scores["accuracy_old"] = metrics.accuracy(model, self.old[::every])["accuracy"]
            scores["score"] = (scores["accuracy_new"] + scores["accuracy_old"]) / 2
        elif self.config.train_on == "train" and self.validation:
            scores["accuracy"] = metrics.accuracy(model, self.validation)["accuracy"]
            scores["score"] = scores["accuracy"]
        else:
            scores["score"] = scores["bleu4"] + scores["gaussian"]
        return scores

    def preview(self) -> dict[str, Any]:
        """Conversions of the course's pairs and three generated rows."""
        model = Inflector(self.model)
        self.model.eval()
        words, sources, targets = zip(*[(w, s, t) for w, s, _, t in data.COURSE_PAIRS], strict=True)
        made = model.convert(words, sources, targets)
        rows = model.decode_rows(model.draw(3, seed=self.config.seed))
        self.model.train()
        return {
            "conversions": [
                [w, TENSES[t], p.form, wanted] for (w, _, wanted, t), p in zip(data.COURSE_PAIRS, made, strict=True)
            ],
            "generated": [list(row) for row in rows],
        }

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and metadata: the config, the verbs trained on, temperature and familiarity floor."""
        verbs = [*self.verbs, *self.old]
        rows = None if self.data_name == "lexicon" else [[list(f) for f in v.forms] for v in verbs]
        metadata = {
            "system": self.system, "config": vars(self.config), "data": self.data_name, "rows": rows,
            "temperature": self.temperature, "familiarity_floor": measure_floor(Inflector(self.model, verbs)),
        }  # fmt: skip
        self.model.train()
        return prior.without_bank(self.model.state_dict()), metadata
