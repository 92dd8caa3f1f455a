"""What `fit` trains on for verbs: batches of (source form, target form), the loss, and the scores of an epoch."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.errors import UserError
from cvae_core.latent import kl_to_standard, reparameterize
from cvae_core.tense import data, metrics
from cvae_core.tense.data import EOS, PAD, SOS, TENSES, Verb
from cvae_core.tense.inference import Tense
from cvae_core.tense.invent import invent, regular_verbs
from cvae_core.tense.model import TenseConfig, TenseCVAE, build

VALIDATION_VERBS = 200  # scored at each epoch's end
VALIDATION_SAMPLES = 100  # as many as the course draws


class Batch(NamedTuple):
    source: Tensor  # (B, T) letters
    source_tense: Tensor  # (B,)
    target: Tensor  # (B, T) letters
    target_tense: Tensor  # (B,)
    real: Tensor  # (B,) bool: not an invented verb


class TenseTask:
    """See `training.Task`. An epoch shows each of a verb's four forms once as a source."""

    system = "tense"
    unit = "words"

    def __init__(
        self,
        config: TenseConfig,
        verbs: Sequence[Verb],
        device: torch.device | str = "cpu",
        data_name: str = "lexicon",
        model: TenseCVAE | None = None,
    ):
        self.config = config
        self.data_name = data_name
        self.verbs = data.select_split(verbs, config.train_on)
        if not self.verbs:
            raise UserError(
                f"The {config.train_on} split of the {data_name} holds no verbs: use train_on all or add some."
            )
        self.validation = data.select_split(verbs, "validation")[:VALIDATION_VERBS]
        self.model = (model or build(config)).to(device)
        self.device = torch.device(device)
        self._regular = regular_verbs(self.verbs) if config.invented else []
        # Every spelling of every form, as one table on the device: (spellings, T).
        words = [w for verb in self.verbs for spellings in verb.forms for w in spellings]
        counts = torch.tensor([[len(s) for s in verb.forms] for verb in self.verbs])  # (n, 4)
        self._letters = torch.from_numpy(data.encode(words)).long().to(self.device)
        self._lengths = torch.tensor([len(w) for w in words])
        self._counts = counts
        self._first = (counts.flatten().cumsum(0) - counts.flatten()).view_as(counts)  # row of each first spelling

    def steps_per_epoch(self) -> int:
        real, invented = self._batch_shares()
        return -(-4 * len(self.verbs) // real)

    def _batch_shares(self) -> tuple[int, int]:
        invented = round(self.config.batch_size * self.config.invented) if self._regular else 0
        invented = min(invented, self.config.batch_size - 1)
        return self.config.batch_size - invented, invented

    def batches(self, epoch: int, generator: torch.Generator) -> Iterator[Batch]:
        real, invented = self._batch_shares()
        n = 4 * len(self.verbs)
        order = torch.randperm(n, generator=generator)
        verb, source_tense = order // 4, order % 4
        target_tense = self._targets(source_tense, generator)
        # The source may be any accepted spelling; the target is the commonest, so that there is one right answer.
        spelling = (torch.rand(n, generator=generator) * self._counts[verb, source_tense]).long()
        source_row = self._first[verb, source_tense] + spelling
        target_row = torch.where(source_tense == target_tense, source_row, self._first[verb, target_tense])
        starts = torch.arange(0, n, real)
        if self.config.length_pool:
            # Each pool of batches sorted by the target's length, then the batches in random order again.
            pool = torch.arange(n) // (real * self.config.length_pool)
            by_length = torch.argsort(pool * 64 + self._lengths[target_row], stable=True)
            source_tense, target_tense = source_tense[by_length], target_tense[by_length]
            source_row, target_row = source_row[by_length], target_row[by_length]
            starts = starts[torch.randperm(len(starts), generator=generator)]
        for start in starts.tolist():
            part = slice(start, start + real)
            yield self._batch(
                self._letters[source_row[part].to(self.device)], source_tense[part],
                self._letters[target_row[part].to(self.device)], target_tense[part], invented, generator,
            )  # fmt: skip

    def _targets(self, source_tense: Tensor, generator: torch.Generator) -> Tensor:
        if self.config.pairs == "same":
            return source_tense
        return torch.randint(4, source_tense.shape, generator=generator)

    def _batch(self, source, source_tense, target, target_tense, invented, generator) -> Batch:
        real = torch.ones(len(source) + invented, dtype=torch.bool)
        if invented:
            real[len(source) :] = False
            rows = invent(self.verbs, self._regular, invented, generator)
            tense = torch.randint(4, (invented,), generator=generator)
            other = self._targets(tense, generator)
            words = [row[s] for row, s in zip(rows, tense.tolist(), strict=True)]
            words += [row[t] for row, t in zip(rows, other.tolist(), strict=True)]
            letters = torch.from_numpy(data.encode(words)).long().to(self.device)
            source, target = _stack(source, letters[:invented]), _stack(target, letters[invented:])
            source_tense, target_tense = torch.cat([source_tense, tense]), torch.cat([target_tense, other])
        return Batch(
            source, source_tense.to(self.device), _cut(target), target_tense.to(self.device), real.to(self.device)
        )

    def count(self, batch: Batch) -> int:
        return len(batch.source)

    def loss(self, batch: Batch, beta: float, teacher_forcing: float, generator: torch.Generator) -> dict[str, Tensor]:
        """Cross entropy of the target's letters and KL(q(z | source) || N(0, I)), in nats, means over the batch."""
        config, model = self.config, self.model
        encoded = model.encode(batch.source, batch.source_tense)
        z = reparameterize(encoded.mu, encoded.logvar, generator)
        hidden = torch.rand(len(z), generator=generator, device=z.device) < config.source_dropout
        shown = model.see_source(encoded.memory, seen=~(hidden & batch.real))
        mask = batch.target != PAD
        inputs = F.pad(batch.target[:, :-1], (1, 0), value=SOS)
        free = torch.rand(len(z), generator=generator, device=z.device) >= teacher_forcing
        if bool(free.any()):
            # The likeliest letter carries no gradient, so free running is the same call on letters decoded first.
            own, _ = model.greedy(
                z[free], batch.target_tense[free], None if shown is None else shown[free], batch.target.shape[1]
            )
            own = F.pad(own, (0, batch.target.shape[1] - own.shape[1]), value=PAD)
            inputs[free] = F.pad(own[:, :-1], (1, 0), value=SOS)
            if config.free_running_loss == "until-eos":
                before_end = (own == EOS).cumsum(1) == 0
                before_end[:, 0] = True  # a word that ends at once still counts for one letter
                mask[free] = mask[free] & before_end
        logits = model(inputs, z, batch.target_tense, shown)
        nll = F.cross_entropy(logits.float().transpose(1, 2), batch.target, reduction="none") * mask
        recon = nll.sum(1) if config.recon == "sum" else nll.sum(1) / mask.sum(1)
        recon = recon.mean()
        kl = kl_to_standard(encoded.mu, encoded.logvar).sum(1).mean()
        return {"loss": recon + beta * kl, "recon": recon, "kl": kl}

    def evaluate(self) -> dict[str, float]:
        """Official scores on the course's pairs and 100 fixed draws; accuracy on validation verbs where there are any.

        `score` is what `keep = best` compares: validation accuracy, or, trained on all verbs as the reports do, the
        sum of BLEU-4 and Gaussian score, the course's own criteria.
        """
        tense = Tense(self.model)
        scores = {"bleu4": metrics.bleu4_of_pairs(tense)}
        scores |= metrics.gaussian_scores(tense, self.verbs, VALIDATION_SAMPLES, seed=self.config.seed)
        if self.config.train_on == "train" and self.validation:
            scores["accuracy"] = metrics.accuracy(tense, self.validation)["accuracy"]
            scores["score"] = scores["accuracy"]
        else:
            scores["score"] = scores["bleu4"] + scores["gaussian"]
        return scores

    def samples(self) -> dict[str, Any]:
        """Conversions of the course's pairs and three generated rows."""
        tense = Tense(self.model)
        self.model.eval()
        words, sources, targets = zip(*[(w, s, t) for w, s, _, t in data.COURSE_PAIRS], strict=True)
        made = tense.convert(words, sources, targets)
        rows = tense.decode_rows(tense.draw(3, seed=self.config.seed))
        self.model.train()
        return {
            "conversions": [
                [w, TENSES[t], p.form, wanted] for (w, _, wanted, t), p in zip(data.COURSE_PAIRS, made, strict=True)
            ],
            "generated": [list(row) for row in rows],
        }

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        rows = None if self.data_name == "lexicon" else [[list(f) for f in v.forms] for v in self.verbs]
        metadata = {"system": self.system, "config": vars(self.config), "data": self.data_name, "rows": rows}
        return self.model.state_dict(), metadata


def _cut(letters: Tensor) -> Tensor:
    """Without the columns that are padding in every row."""
    return letters[:, : int((letters != PAD).sum(1).max())]


def _stack(a: Tensor, b: Tensor) -> Tensor:
    """Rows of a, then rows of b, padded to one length."""
    width = max(a.shape[1], b.shape[1])
    return torch.cat([F.pad(x, (0, width - x.shape[1]), value=PAD) for x in (a, b)])
