"""Inference with a trained model: conversion, beam search, tense inference, prior samples, refinement, paths.

Every answer is the network's own, the inferred tense included: no dictionary is looked up.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.latent import PATHS, Gaussian, kl_to_standard, product_of_experts
from cvae_core.load import load_model
from cvae_core.tense import data, lexicon
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.data import EOS, FIRST_LETTER, SOS, TENSES, Verb
from cvae_core.tense.decoding import beam_search, fit_s, greedy, log_probabilities, log_probability, sample
from cvae_core.tense.model import Encoded, create

CHUNK = 512  # words decoded at once


@dataclass(frozen=True)
class Candidate:
    """A decoded form."""

    form: str
    probability: float  # product of its letters' probabilities, the end included


class Score(NamedTuple):
    """The log-probability of a form, in nats."""

    log_probability: float  # at temperature 1
    log_probability_temperature: float  # at the checkpoint's


class Inflector:
    """A model with the rows it was trained on. Tenses are indices into `data.TENSES`."""

    def __init__(
        self,
        model: nn.Module,
        verbs: Sequence[Verb] = (),
        name: str = "",
        temperature: float = 1.0,
        familiarity_floor: float | None = None,
    ):
        """`temperature` (softmax) and `familiarity_floor` are what the checkpoint's metadata hold."""
        self.model = model.eval()
        self.verbs = list(verbs)
        self.name = name
        self.temperature = temperature
        self.familiarity_floor = familiarity_floor

    @property
    def config(self) -> TenseConfig:
        """The model's."""
        return self.model.config

    @property
    def device(self) -> torch.device:
        """Of the weights."""
        return self.model.out.weight.device

    def _letters(self, words: Sequence[str]) -> Tensor:
        return torch.from_numpy(data.encode(words)).long().to(self.device)

    def _tenses(self, tenses: Sequence[int]) -> Tensor:
        return torch.tensor(list(tenses), device=self.device)

    # --- conversion ---------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def encode(self, words: Sequence[str], sources: Sequence[int]) -> Encoded:
        """Both posteriors of words in their tenses. Raises UserError for what is no word."""
        return self._encode(_valid(words), sources)

    def _encode(self, words: Sequence[str], sources: Sequence[int]) -> Encoded:
        return self.model.encode(self._letters(words), self._tenses(sources))

    @torch.inference_mode()
    def infer(self, words: Sequence[str], sources: Sequence[int], space: str = "s") -> Tensor:
        """The point of each word: the mean of its z, (n, Z), or the s that spells it, (n, S).

        `fit_s` begins at the mean of q(s | word, tense) and changes it until it decodes to the word. Raises UserError
        for what is no word.
        """
        words = _valid(words)
        encoded = self._encode(words, sources)
        if space == "z" or not self.config.spelling_size:
            return encoded.z.mu
        with torch.inference_mode(False):
            return fit_s(self.model, self._letters(words), encoded.s.mu.clone(), self._tenses(sources))

    @torch.inference_mode()
    def answer(self, s: Tensor, targets: Sequence[int]) -> list[Candidate]:
        """The greedy answers from s, (n, S); from (1, S), one word may be asked for several tenses at once."""
        letters, logprobs = greedy(self.model, s, self._tenses(targets), temperature=self.temperature)
        probabilities = logprobs.sum(1).exp().tolist()
        return [Candidate(f, p) for f, p in zip(data.decode(letters.cpu()), probabilities, strict=True)]

    def convert(
        self, words: Sequence[str], sources: Sequence[int], targets: Sequence[int], space: str = "s"
    ) -> list[Candidate]:
        """The greedy answer for each word from the s that spells it, or from the mean of its z by way of the map.

        Raises UserError for what is no word.
        """
        words = _valid(words)
        answers: dict[int, Candidate] = {}
        for part in _by_length(words):  # a word that is asked for in several tenses is encoded once
            distinct: dict[tuple[str, int], int] = {}
            rows = [distinct.setdefault((words[i], sources[i]), len(distinct)) for i in part]
            s = self.spelled(self.infer(*zip(*distinct, strict=True), space), space)
            s = s if len(distinct) == 1 else s[rows]
            for i, candidate in zip(part, self.answer(s, [targets[i] for i in part]), strict=True):
                answers[i] = candidate
        return [answers[i] for i in range(len(words))]

    @torch.inference_mode()
    def spelled(self, latent: Tensor, space: str) -> Tensor:
        """The s of points of either space."""
        return self.model.spelling(latent) if space == "z" else latent

    @torch.inference_mode()
    def alternatives(self, s: Tensor, target: int, greedy: Candidate, width: int = 5) -> list[Candidate]:
        """The `width` likeliest forms of one word that beam search finds, best first, the greedy answer among them."""
        tense = self._tenses([target])
        finished = beam_search(self.model, s, tense, width, self.temperature)
        found = {data.decode([ids])[0]: float(np.exp(score)) for score, ids in finished}
        found.setdefault(greedy.form, greedy.probability)
        ranked = sorted((Candidate(f, p) for f, p in found.items()), key=lambda c: -c.probability)
        if greedy.form not in [c.form for c in ranked[:width]]:
            ranked[width - 1] = greedy
        return ranked[:width]

    def sample(self, s: Tensor, target: int, count: int, temperature: float, seed: int) -> list[tuple[str, int]]:
        """Forms drawn from the decoder at a temperature, each with how often, the most frequent first; s is (1, S)."""
        generator = torch.Generator().manual_seed(seed)
        letters = sample(self.model, s, self._tenses([target]), count, temperature, generator)
        return Counter(data.decode(letters.cpu())).most_common()

    @torch.inference_mode()
    def score(
        self, words: Sequence[str], sources: Sequence[int], targets: Sequence[int], forms: Sequence[str]
    ) -> list[Score]:
        """log p(form | word), from the s that spells the word. Raises UserError for what is no word."""
        words, forms = _valid(words), _valid(forms)
        scores = np.zeros((len(words), 2))
        for rows in _by_length(forms):
            letters, tense = self._letters([forms[i] for i in rows]), self._tenses([targets[i] for i in rows])
            s = self.infer([words[i] for i in rows], [sources[i] for i in rows])
            for column, temperature in enumerate((1.0, self.temperature)):
                scores[rows, column] = log_probability(self.model, letters, s, tense, temperature).cpu()
        return [Score(*row) for row in scores.tolist()]

    @torch.inference_mode()
    def letter_probabilities(self, s: Tensor, target: int, form: str) -> tuple[list[str], np.ndarray]:
        """Letters of a form of one word, `⏎` for its end, and the distribution at each: (T, 27), a to z, then end."""
        letters = self._letters([form])
        inputs = F.pad(letters[:, :-1], (1, 0), value=SOS)
        logits = self.model(inputs, s, self._tenses([target]))
        probs = log_probabilities(logits, self.temperature)[0].exp().cpu().numpy()
        return [*form, "⏎"], np.concatenate([probs[:, FIRST_LETTER:], probs[:, EOS : EOS + 1]], 1)

    @torch.inference_mode()
    def posterior(self, words: Sequence[str], tenses: Sequence[int], space: str = "z") -> Gaussian:
        """q(z | word, tense), or that of s: (n, Z) or (n, S). Raises UserError for what is no word."""
        return getattr(self._encode(_valid(words), tenses), space)

    @torch.inference_mode()
    def tense_scores(self, words: Sequence[str]) -> np.ndarray:
        """A score of each tense for each word: (n, 4); the largest is the inferred tense.

        The classifier's log q(tense | word); of models without one, the ELBO of the word in that tense.
        """
        words = _valid(words)
        if self.model.config.tense_classifier:
            return self.model.classify(self._letters(words)).log_softmax(1).cpu().numpy()
        pairs = [(word, tense) for word in words for tense in range(len(TENSES))]
        return self.elbo_at_mean(*zip(*pairs, strict=True)).reshape(len(words), len(TENSES))

    @torch.inference_mode()
    def elbo_at_mean(self, words: Sequence[str], tenses: Sequence[int]) -> np.ndarray:
        """The ELBO of each word in its tense, of the model of verbs, in nats: (n,).

        z = mu in place of a sample, hence no bound; at temperature 1. Raises UserError for what is no word.
        """
        words = _valid(words)
        elbo = torch.zeros(len(words), device=self.device)
        for rows in _by_length(words):
            letters, tense = self._letters([words[i] for i in rows]), self._tenses([tenses[i] for i in rows])
            encoded = self.model.encode(letters, tense)
            recon = log_probability(self.model, letters, self.model.spelling(encoded.z.mu), tense)
            elbo[rows] = recon - kl_to_standard(*encoded.z).sum(1)
        return elbo.cpu().numpy()

    def familiarity(self, words: Sequence[str], tenses: Sequence[int]) -> np.ndarray:
        """`elbo_at_mean` per letter, the end counted as one: (n,), higher for words that the model knows.

        Unlike the probability of an answer, which is high for any letters that a decoder can copy, it separates verbs
        from random strings.
        """
        words = _valid(words)
        return self.elbo_at_mean(words, tenses) / np.array([len(word) + 1 for word in words])

    def are_familiar(self, words: Sequence[str], tenses: Sequence[int]) -> list[bool | None]:
        """Whether each word reaches the checkpoint's familiarity floor; None where the checkpoint has none."""
        if self.familiarity_floor is None:
            return [None] * len(words)
        return [self.reaches_floor(familiarity) for familiarity in self.familiarity(words, tenses).tolist()]

    def reaches_floor(self, familiarity: float) -> bool | None:
        """Whether a word of this familiarity counts as known; None where the checkpoint has no floor."""
        return None if self.familiarity_floor is None else bool(familiarity >= self.familiarity_floor)

    def infer_tense(self, word: str) -> int:
        """`infer_tenses` of one word."""
        return self.infer_tenses([word])[0]

    def infer_tenses(self, words: Sequence[str]) -> list[int]:
        """The tense that the model takes each word for: the largest of its `tense_scores`."""
        return self.tense_scores(words).argmax(1).tolist() if words else []

    # --- latent space -------------------------------------------------------------------------------------------

    def draw(self, n: int, seed: int) -> Tensor:
        """n samples of N(0, I): (n, Z), the same on every device."""
        return torch.randn(n, self.model.latent_total, generator=torch.Generator().manual_seed(seed)).to(self.device)

    @torch.inference_mode()
    def decode(self, latent: Tensor, tense: int, space: str = "z") -> list[Candidate]:
        """Each point of either space in one tense."""
        s = self.spelled(latent, space)
        return [form for part in s.split(CHUNK) for form in self.answer(part, [tense] * len(part))]

    def decode_rows(self, latent: Tensor, space: str = "z") -> list[tuple[str, ...]]:
        """Each point in the four tenses."""
        forms = [[c.form for c in self.decode(latent, tense, space)] for tense in range(len(TENSES))]
        return list(zip(*forms, strict=True))

    def refine(self, z: Tensor, rounds: int) -> Tensor:
        """Read the four decoded forms as four views of one verb: multiply their posteriors, take the mean, again."""
        for _ in range(rounds):
            z = self.reread(self.decode_rows(z))
        return z

    @torch.inference_mode()
    def reread(self, rows: Sequence[tuple[str, ...]]) -> Tensor:
        """One round of refinement from n rows of four forms: the mean of the product of their posteriors, (n, Z)."""
        views = [self._encode(forms, [t] * len(rows)).z for t, forms in enumerate(zip(*rows, strict=True))]
        mu, logvar = (torch.stack(parts) for parts in zip(*views, strict=True))
        return product_of_experts(mu, logvar, 0)[0]

    def path(self, a: Tensor, b: Tensor, steps: int, method: str = "lerp") -> Tensor:
        """`steps` points from a to b, both included: (Z,), (Z,) -> (steps, Z)."""
        if method not in PATHS:
            raise UserError(f"{method!r} is not a way between two points: expected {' or '.join(PATHS)}.")
        return PATHS[method](a, b, torch.linspace(0, 1, steps, device=a.device))


def _valid(words: Sequence[str]) -> list[str]:
    """The words as the models read them, in lower case; UserError for what is none."""
    return [data.parse_word(word) for word in words]


def _by_length(words: Sequence[str]) -> Iterator[list[int]]:
    """Indices of the words, `CHUNK` at a time, those of like length together: little of a chunk is padding."""
    order = sorted(range(len(words)), key=lambda i: (len(words[i]), words[i]))
    return (order[start : start + CHUNK] for start in range(0, len(words), CHUNK))


def load(name_or_path: str, device: torch.device | str = "cpu") -> Inflector:
    """A shipped checkpoint by name, a run's by its id, or any file of this program by path, ready to use."""
    model, metadata, path = load_model(name_or_path, "tense", TenseConfig, create, device)
    name = path.parent.name if path.name in checkpoint.RUN_WEIGHTS else path.stem
    if metadata.get("rows") is None:
        verbs = data.select_split(lexicon.load_lexicon().verbs, model.config.train_on)
    else:
        verbs = data.verbs_from_rows(metadata["rows"], path.name)
    return Inflector(model, verbs, name, metadata.get("temperature", 1.0), metadata.get("familiarity_floor"))
