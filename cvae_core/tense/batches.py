"""The batches of an epoch of verbs: which forms occur, how often, and what invented verbs stand beside them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.tense import data, lexicon
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.data import PAD, Verb
from cvae_core.tense.invent import invent, irregular_verbs, prefixed, regular_verbs
from cvae_core.tense.padding import cut_padding
from cvae_core.tense.spelling import follows_rules


class Batch(NamedTuple):
    """B words to convert, and samples of the prior beside them."""

    source: Tensor  # (B, T) letters
    source_tense: Tensor  # (B,)
    target: Tensor  # (B, T) letters
    target_tense: Tensor  # (B,)
    verb: Tensor  # (B,) index of the verb, -1 for an invented one
    prior_z: Tensor  # (m, Z) from the prior, beside the words


class Pairs(NamedTuple):
    """A verb, and the rows of the table of words and the tenses of two of its forms, each (n,)."""

    verb: Tensor
    source_row: Tensor
    source_tense: Tensor
    target_row: Tensor
    target_tense: Tensor


class Batches:
    """Verbs as tensors, and the batches drawn from them.

    An epoch has each of a verb's four forms as a source, once or as often as the config says.
    """

    def __init__(
        self, config: TenseConfig, verbs: Sequence[Verb], old: Sequence[Verb], dimensions: int, device: torch.device
    ):
        """`old` are verbs to rehearse, `dimensions` those of z."""
        self.config, self.verbs, self.old, self.dimensions, self.device = config, verbs, old, dimensions, device
        self._regular = regular_verbs(self.verbs) if config.invented else []
        self._irregular = irregular_verbs(self.verbs) if config.invented and config.prefixed else []
        frequent = {v.lemma for v in lexicon.most_frequent()} if config.frequent_repeats > 1 else ()
        often = [
            config.form_repeats
            * (1 if follows_rules(v) else config.irregular_repeats)
            * (config.frequent_repeats if v.lemma in frequent else 1)
            for v in self.verbs
        ]
        # Items of an epoch: 4 verb + tense, for each form and as often as it occurs.
        self._epoch_items = torch.arange(4 * len(self.verbs)).repeat_interleave(
            torch.tensor(often).repeat_interleave(4)
        )
        before_last = (config.min_batches - 1) * self._batch_shares()[0]  # forms in all batches but the last
        self._epoch_items = self._epoch_items.repeat(before_last // len(self._epoch_items) + 1)
        # Every spelling of every form, as one table on the device: (spellings, T).
        verbs = [*self.verbs, *self.old]
        words = [w for verb in verbs for spellings in verb.forms for w in spellings]
        counts = torch.tensor([[len(s) for s in verb.forms] for verb in verbs])  # (n, 4)
        self._letters = torch.from_numpy(data.encode(words)).long().to(self.device)
        self._lengths = torch.tensor([len(w) for w in words])
        self._counts = counts
        self._first = (counts.flatten().cumsum(0) - counts.flatten()).view_as(counts)  # row of each first spelling
        form = torch.arange(4 * len(verbs)).repeat_interleave(counts.flatten()).to(self.device)  # of each row
        self._keys, order = _keys(self._letters, form % 4).sort()
        self._verbs_by_key = form[order] // 4

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._epoch_items) // self._batch_shares()[0])

    def first_spellings(self, verb: Tensor, tense: Tensor) -> Tensor:
        """The commonest spelling of verbs in tenses, (m,) each: letters (m, T), T that of the longest word of all."""
        return self._letters[self._first.to(self.device)[verb, tense]]

    def find(self, letters: Tensor, tense: Tensor) -> Tensor:
        """The verb that has letters (m, T) as a spelling of its form in a tense (m,), -1 where none has: (m,)."""
        keys = _keys(letters, tense)
        at = torch.searchsorted(self._keys, keys).clamp_max(len(self._keys) - 1)
        return torch.where(self._keys[at] == keys, self._verbs_by_key[at], -1)

    def _batch_shares(self) -> tuple[int, int, int]:
        """How many forms of a batch are of the verbs themselves, of old verbs, and of invented ones."""
        size, config = self.config.batch_size, self.config
        invented = round(size * config.invented) if self._regular else 0
        old = round(size * config.rehearsal) if self.old else 0
        own = max(1, size - invented - old)
        return own, min(old, size - own), max(0, size - own - old)

    def epoch(self, generator: torch.Generator, samples: int, drawn: int = 1) -> Iterator[Batch]:
        """The batches of one epoch, with so many samples of the prior beside each.

        With `drawn` a batch has so many times its words, and the epoch each form so many times as often.
        """
        own, old, invented = (drawn * share for share in self._batch_shares())
        order = torch.cat([torch.randperm(len(self._epoch_items), generator=generator) for _ in range(drawn)])
        order, n = self._epoch_items[order], len(order)
        pairs = self._pairs(order // 4, order % 4, generator)
        starts = torch.arange(0, n, own)
        if self.config.length_pool:
            # Each pool of batches sorted by the target's length, then the batches in random order again.
            pool = torch.arange(n) // (own * self.config.length_pool)
            by_length = torch.argsort(pool * 64 + self._lengths[pairs.target_row], stable=True)
            pairs = Pairs(*(column[by_length] for column in pairs))
            starts = starts[torch.randperm(len(starts), generator=generator)]
        for start in starts.tolist():
            part = Pairs(*(column[start : start + own] for column in pairs))
            if old:
                verb = len(self.verbs) + torch.randint(len(self.old), (old,), generator=generator)
                known = self._pairs(verb, torch.randint(4, (old,), generator=generator), generator)
                part = Pairs(*(torch.cat(columns) for columns in zip(part, known, strict=True)))
            source, target = (self._letters[row.to(self.device)] for row in (part.source_row, part.target_row))
            yield self._batch(
                source, part.source_tense, target, part.target_tense, part.verb, invented, samples, generator
            )

    def _pairs(self, verb: Tensor, source_tense: Tensor, generator: torch.Generator) -> Pairs:
        """A target tense and the rows of both words for each verb and source tense.

        The source may be any accepted spelling; the target is the commonest, so that there is one right answer.
        """
        target_tense = self._targets(source_tense, generator)
        spelling = (torch.rand(len(verb), generator=generator) * self._counts[verb, source_tense]).long()
        source_row = self._first[verb, source_tense] + spelling
        target_row = torch.where(source_tense == target_tense, source_row, self._first[verb, target_tense])
        return Pairs(verb, source_row, source_tense, target_row, target_tense)

    def _targets(self, source_tense: Tensor, generator: torch.Generator) -> Tensor:
        if self.config.pairs == "same":
            return source_tense
        return torch.randint(4, source_tense.shape, generator=generator)

    def _batch(self, source, source_tense, target, target_tense, verb, invented, samples, generator) -> Batch:
        if invented:
            verb = F.pad(verb, (0, invented), value=-1)
            irregular = round(invented * self.config.prefixed) if self._irregular else 0
            rows = invent(self.verbs, self._regular, invented - irregular, generator)
            rows += prefixed(self._irregular, irregular, generator)
            tense = torch.randint(4, (invented,), generator=generator)
            other = self._targets(tense, generator)
            words = [row[s] for row, s in zip(rows, tense.tolist(), strict=True)]
            words += [row[t] for row, t in zip(rows, other.tolist(), strict=True)]
            letters = torch.from_numpy(data.encode(words)).long().to(self.device)
            source, target = _stack(source, letters[:invented]), _stack(target, letters[invented:])
            source_tense, target_tense = torch.cat([source_tense, tense]), torch.cat([target_tense, other])
        z = torch.randn(samples, self.dimensions, generator=generator)
        return Batch(
            source, source_tense.to(self.device), cut_padding(target), target_tense.to(self.device),
            verb.to(self.device), z.to(self.device),
        )  # fmt: skip


def _stack(a: Tensor, b: Tensor) -> Tensor:
    """Rows of a, then rows of b, padded to one length."""
    width = max(a.shape[1], b.shape[1])
    return torch.cat([F.pad(x, (0, width - x.shape[1]), value=PAD) for x in (a, b)])


def _keys(letters: Tensor, tense: Tensor) -> Tensor:
    """A hash of letters (m, T) and tense (m,), the same however much padding follows: (m,)."""
    powers = 1_000_003 ** torch.arange(1, letters.shape[1] + 1, device=letters.device)  # modulo 2^64
    return (letters * powers).sum(1) + tense
