from collections import Counter
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F

from cvae_core.tense.config import MODEL_FIELDS, TenseConfig
from cvae_core.tense.data import EOS, PAD, PAST, SOS, VOCABULARY_SIZE, encode
from cvae_core.tense.decoding import State, greedy, log_probabilities
from cvae_core.tense.model import build
from tests.tiny import CONFIG, VERBS, step, tiny_task

REPORT = {"state_layers": 1, "tense_classifier": False, "spelling_size": 0}
VARIANTS = [
    {}, {"spelling_size": 0}, {"embedding_size": 0}, {"recon": "mean"}, {"pairs": "same", "invented": 0.0},
    {"length_pool": 2}, {"state_layers": 3, "state_width": 24}, {"prefixed": 0.0}, {"state_layers": 1},
    {"decoder_condition": "output"}, {"tense_classifier": True},
    *({"architecture": f"report-{n}"} | REPORT for n in ("000", "001", "002")),
]  # fmt: skip
each_variant = pytest.mark.parametrize(
    "changes", VARIANTS, ids=lambda c: c.get("architecture") or "-".join(c) or "default"
)


def letters(words):
    return torch.from_numpy(encode(words)).long()


@each_variant
def test_one_step_changes_every_trained_weight(changes):
    task = tiny_task(replace(CONFIG, **changes))
    batch = next(task.batches(step(0)))
    terms = task.loss(batch, step(0, 0, 1.0, 0.5))
    terms["loss"].backward()
    trained = {n: p for n, p in task.model.named_parameters() if p.requires_grad}
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained.values()), changes
    assert terms["kl"] >= 0 and terms.get("kl_s", 0) >= 0
    if not task.config.spelling_size:
        total = terms["recon"] + terms["kl"] + terms.get("classifier", 0.0)
        assert terms["loss"].item() == pytest.approx(total.item(), rel=1e-5)


@torch.no_grad()
def test_each_word_has_the_kl_of_its_own_level_alone():
    """With all words through one level, the loss is that level's bound at its weight."""
    batch = next(tiny_task(replace(CONFIG, invented=0.0)).batches(step(0)))
    terms = [
        tiny_task(replace(CONFIG, invented=0.0, z_share=share, spelling_kl=0.1)).loss(batch, step(beta=0.3))
        for share in (1.0, 0.0)
    ]
    for of, weight, level in ((terms[0], 0.3, "kl"), (terms[1], 0.1, "kl_s")):
        assert of["loss"].item() == pytest.approx((of["recon"] + weight * of[level]).item(), rel=1e-5)
    assert terms[0]["kl_s"] == 0 and terms[1]["kl"] == 0


@each_variant
@torch.no_grad()
def test_padding_changes_nothing(changes):
    model = build(replace(CONFIG, **changes)).eval()
    tense = torch.tensor([0, PAST])
    together = model.encode(letters(["go", "understanding"]), tense)
    alone = model.encode(letters(["go"]), tense[:1])
    for level in ("z", "s"):
        assert torch.allclose(getattr(together, level).mu[:1], getattr(alone, level).mu, atol=1e-6)
    inputs = torch.tensor([[SOS, 5, 6, 7, 8]])
    a = model(inputs.expand(2, -1), together.s.mu, tense)[:1]
    b = model(inputs, alone.s.mu, tense[:1])
    assert torch.allclose(a, b, atol=1e-5)
    if model.config.tense_classifier:
        together, alone = (model.classify(letters(words)) for words in (["go", "understanding"], ["go"]))
        assert torch.allclose(together[:1], alone, atol=1e-6)


@each_variant
@torch.no_grad()
def test_free_running_is_teacher_forcing_on_its_own_letters(changes):
    model = build(replace(CONFIG, **changes)).eval()
    tense = torch.tensor([0, 1, 2])
    encoded = model.encode(letters(["walk", "sings", "carrying"]), tense)
    own, logprobs = greedy(model, encoded.s.mu, tense, max_length=12)
    logits = model(F.pad(own[:, :-1], (1, 0), value=SOS), encoded.s.mu, tense)
    logits[..., [PAD, SOS]] = -1e9
    alive = F.pad((own == EOS).cumsum(1)[:, :-1], (1, 0)) == 0
    best, arg = torch.log_softmax(logits, -1).max(-1)
    assert torch.equal(arg[alive], own[alive])
    assert torch.allclose(best[alive], logprobs[alive], atol=1e-5)
    assert (own[~alive] == PAD).all()


@torch.no_grad()
def test_a_tense_that_conditions_the_output_layer_leaves_the_state_alone():
    model = build(replace(CONFIG, decoder_condition="output")).eval()
    tense = torch.tensor([0, 1, 2, 3])
    state = model.initial_state(torch.randn(1, CONFIG.spelling_size), tense)
    logits, after = model.step(torch.tensor([[SOS, 5, 6]] * 4), state)
    assert torch.equal(after.h, after.h[:, :1].expand_as(after.h)) and torch.equal(after.c[:, 0], after.c[:, 3])
    assert (logits[0] - logits[1:]).abs().amin(0).max() > 0
    model.gate.bias.fill_(-100.0)  # closed, it lets no tense through
    logits, _ = model.step(torch.tensor([[SOS, 5, 6]] * 4), state)
    assert torch.equal(logits, logits[:1].expand_as(logits))


@torch.no_grad()
def test_decoding_letter_by_letter_is_decoding_at_once_wherever_it_begins():
    model = build(CONFIG).eval()
    s, tense = torch.randn(2, CONFIG.spelling_size), torch.tensor([0, 3])
    inputs = torch.tensor([[SOS, 5, 6, 7]] * 2)
    state, steps = model.initial_state(s, tense), []
    for position in range(4):
        logits, state = model.step(inputs[:, position : position + 1], state, position)
        steps.append(logits)
    torch.testing.assert_close(torch.cat(steps, 1), model(inputs, s, tense))


def test_one_hot_tenses_stay_one_hot():
    model = build(replace(CONFIG, architecture="report-001", **REPORT))
    assert torch.equal(model.tense_embedding.weight, torch.eye(4)) and not model.tense_embedding.weight.requires_grad


def test_weights_come_from_the_seed_and_leave_the_global_generator_alone():
    state = torch.random.get_rng_state()
    a, b, c = (build(replace(CONFIG, seed=s)).out.weight for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_tiny_batch_is_overfitted():
    from cvae_core.tense.inference import Inflector
    from cvae_core.tense.metrics import accuracy

    sizes = {"hidden_size": 64, "embedding_size": 32, "latent_size": 8, "spelling_size": 16, "spelling_kl": 0.0}
    config = replace(CONFIG, **sizes, epochs=120, kl_max=0.0, invented=0.0, teacher_forcing=((0.0, 1.0),))
    task = tiny_task(config)
    optimizer = torch.optim.Adam(task.model.parameters(), 5e-3)
    for epoch in range(config.epochs):
        for index, batch in enumerate(task.batches(step(epoch))):
            optimizer.zero_grad()
            task.loss(batch, step(epoch, index, 0.0, 1.0))["loss"].backward()
            optimizer.step()
    assert accuracy(Inflector(task.model), VERBS)["accuracy"] == 1.0


def test_latents_of_hidden_and_cell_stand_side_by_side():
    assert build(CONFIG).latent_total == 4
    assert build(replace(CONFIG, architecture="report-002", **REPORT)).latent_total == 8


def test_both_directions_end_at_the_word_s_own_letters():
    """A bidirectional encoder reads a palindrome alike both ways when both directions share their weights."""
    model = build(CONFIG)
    model.encoder_back.load_state_dict(model.encoder.state_dict())
    words = letters(["noon", "understand"])[:, :-1]
    words = torch.where(words == EOS, PAD, words)  # without the end, which would break the palindrome
    outputs = model._read(words, torch.zeros(1, 2, 16), True)[0][0, :4]
    forward, back = outputs.chunk(2, 1)
    torch.testing.assert_close(forward, back.flip(0))


def test_an_epoch_shows_each_form_as_often_as_the_config_says():
    task = tiny_task(replace(CONFIG, invented=0.0, form_repeats=2, irregular_repeats=3))
    batches = list(task.batches(step(0)))
    assert len(batches) == task.steps_per_epoch()
    shown = Counter(
        (verb, tense) for b in batches for verb, tense in zip(b.verb.tolist(), b.source_tense.tolist(), strict=True)
    )
    sing = next(i for i, verb in enumerate(VERBS) if verb.lemma == "sing")
    assert shown == {(verb, tense): 6 if verb == sing else 2 for verb in range(len(VERBS)) for tense in range(4)}


def test_what_decides_the_shapes_of_weights_comes_with_a_checkpoint():
    def shapes(config):
        return {name: tensor.shape for name, tensor in build(config).state_dict().items()}

    base = CONFIG
    for f in fields(TenseConfig):
        if f.name == "architecture":
            continue
        value = getattr(base, f.name)
        others = f.metadata["choices"] or ([not value] if isinstance(value, bool) else [])
        if not others and isinstance(value, int):
            others = [min(value + 8, f.metadata["high"])]
        for other in others:
            if shapes(replace(base, **{f.name: other})) != shapes(base):
                assert f.name in MODEL_FIELDS


def test_the_classifier_does_not_teach_the_encoder():
    model = build(replace(CONFIG, tense_classifier=True))
    F.cross_entropy(model.classify(letters(["walks"])), torch.tensor([1])).backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == {
        "classify_letter.weight", "classify_letter.bias", "classify_word.weight", "classify_word.bias",
    }  # fmt: skip


@torch.no_grad()
def test_temperature_changes_confidence_and_not_the_answers():
    model = build(CONFIG)
    s, tense = torch.randn(5, CONFIG.spelling_size), torch.tensor([0, 1, 2, 3, 0])
    (answers, sharp), (same, soft) = (greedy(model, s, tense, temperature=t) for t in (1.0, 3.0))
    assert torch.equal(answers, same) and (soft.sum(1) < sharp.sum(1)).all()
    logits = torch.randn(2, 3, VOCABULARY_SIZE)
    for temperature in (1.0, 3.0):
        logprobs = log_probabilities(logits, temperature)
        assert torch.allclose(logprobs.exp().sum(-1), torch.ones(2, 3)) and logprobs[..., [PAD, SOS]].exp().sum() == 0
        expected = logits[..., 5] - logits[..., 9]
        torch.testing.assert_close(logprobs[..., 5] - logprobs[..., 9], expected / temperature)


class EndsAt:
    """A decoder that writes `a` until each word's own last position, kept in the state, and then EOS."""

    def __init__(self, lengths: torch.Tensor):
        self.lengths = lengths

    def initial_state(self, s, tense):
        return State(self.lengths[None, :, None].float(), torch.zeros(1, len(tense), 1))

    def step(self, letter, state, position):
        logits = torch.zeros(len(letter), 1, VOCABULARY_SIZE)
        logits[..., letters(["a"])[0, 0]] = 1.0
        logits[:, 0, EOS] = 2.0 * (state.h[0, :, 0] <= position)
        return logits, state


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_words_that_end_at_any_position_are_cut_there(first):
    lengths = torch.tensor([first] * 60 + [9] * 40)
    found, logprobs = greedy(EndsAt(lengths), torch.zeros(100, 1), torch.zeros(100, dtype=torch.long), max_length=4)
    assert ((found[:60] == EOS).nonzero()[:, 1] == first).all()
    assert (logprobs[:60, first + 1 :] == 0).all() and not (found[60:] == EOS).any()
