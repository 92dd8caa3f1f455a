from collections import Counter
from dataclasses import fields, replace

import pytest
import torch
import torch.nn.functional as F

from cvae_core.tense.data import EOS, PAD, PAST, SOS, VOCABULARY_SIZE, encode
from cvae_core.tense.model import TenseConfig, build
from cvae_core.tense.session import MODEL_FIELDS
from cvae_core.training import generator_at
from tests.tiny import CONFIG, VERBS, tiny_task

VARIANTS = [
    {}, {"source": "none"}, {"source": "attention"}, {"bidirectional": False}, {"encoder_sos": True},
    {"condition": "one-hot", "condition_into": "hidden"}, {"latents": "hidden+cell", "state_layers": 1},
    {"decoder_state": "hidden", "decoder_activation": "relu"}, {"embedding_size": 0}, {"recon": "mean"},
    {"free_running_loss": "until-eos", "tf_final": 0.0}, {"pairs": "same", "invented": 0.0}, {"length_pool": 2},
    {"decoder_condition": "input", "state_layers": 3, "state_width": 24}, {"prefixed": 0.0},
    {"decoder_condition": "output", "state_shared": True, "state_layers": 2}, {"tense_classifier": True},
    {"tense_classifier": True, "source": "none", "bidirectional": False, "latents": "hidden+cell", "encoder_sos": True},
]  # fmt: skip
each_variant = pytest.mark.parametrize("changes", VARIANTS, ids=lambda c: "-".join(c) or "default")


def letters(words):
    return torch.from_numpy(encode(words)).long()


@each_variant
def test_one_step_changes_every_trained_weight(changes):
    task = tiny_task(replace(CONFIG, **changes))
    batch = next(task.batches(0, generator_at(0, 0, -1)))
    terms = task.loss(batch, 1.0, 0.5, generator_at(0, 0, 0))
    terms["loss"].backward()
    trained = {n: p for n, p in task.model.named_parameters() if p.requires_grad}
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained.values()), changes
    total = terms["recon"] + terms["kl"] + terms.get("tense", 0.0)
    assert terms["kl"] >= 0 and terms["loss"].item() == pytest.approx(total.item(), rel=1e-5)


@each_variant
@torch.no_grad()
def test_padding_changes_nothing(changes):
    model = build(replace(CONFIG, **changes)).eval()
    tense = torch.tensor([0, PAST])
    together = model.encode(letters(["go", "understanding"]), tense)
    alone = model.encode(letters(["go"]), tense[:1])
    assert torch.allclose(together.mu[:1], alone.mu, atol=1e-6)
    shown, shown_alone = model.see_source(together.memory), model.see_source(alone.memory)
    inputs = torch.tensor([[SOS, 5, 6, 7, 8]])
    a = model(inputs.expand(2, -1), together.mu, tense, shown)[:1]
    b = model(inputs, alone.mu, tense[:1], shown_alone)
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
    shown = model.see_source(encoded.memory)
    own, logprobs = model.greedy(encoded.mu, tense, shown, max_length=12)
    logits = model(F.pad(own[:, :-1], (1, 0), value=SOS), encoded.mu, tense, shown)
    logits[..., [PAD, SOS]] = -1e9
    alive = F.pad((own == EOS).cumsum(1)[:, :-1], (1, 0)) == 0
    best, arg = torch.log_softmax(logits, -1).max(-1)
    assert torch.equal(arg[alive], own[alive])
    assert torch.allclose(best[alive], logprobs[alive], atol=1e-5)
    assert (own[~alive] == PAD).all()


@torch.no_grad()
def test_heard_at_the_output_the_tense_leaves_the_state_alone():
    model = build(replace(CONFIG, decoder_condition="output")).eval()
    tense = torch.tensor([0, 1, 2, 3])
    state = model.initial_state(torch.randn(1, model.latent_total), tense)
    logits, after = model.step(torch.tensor([[SOS, 5, 6]] * 4), state, None)
    assert torch.equal(after.h, after.h[:, :1].expand_as(after.h)) and torch.equal(after.c[:, 0], after.c[:, 3])
    assert (logits[0] - logits[1:]).abs().amin(0).max() > 0
    model.gate.bias.fill_(-100.0)  # closed, it lets no tense through
    logits, _ = model.step(torch.tensor([[SOS, 5, 6]] * 4), state, None)
    assert torch.equal(logits, logits[:1].expand_as(logits))


@pytest.mark.parametrize("source", ["aligned", "attention"])
@torch.no_grad()
def test_a_hidden_source_word_leaves_no_trace(source):
    model = build(replace(CONFIG, source=source)).eval()
    z, tense = torch.randn(2, model.latent_total), torch.tensor([0, 3])
    inputs = torch.tensor([[SOS, 5, 6]] * 2)
    memory = model.encode(letters(["walk", "sing"]), tense).memory
    shown = model.see_source(memory, seen=torch.tensor([False, True]))
    seen, unseen = model(inputs, z, tense, shown), model(inputs, z, tense, None)
    assert torch.allclose(seen[0], unseen[0], atol=1e-6)
    assert not torch.allclose(seen[1], unseen[1], atol=1e-3)


def test_one_hot_tenses_stay_one_hot():
    model = build(replace(CONFIG, condition="one-hot"))
    assert torch.equal(model.tense_embedding.weight, torch.eye(4)) and not model.tense_embedding.weight.requires_grad


def test_weights_come_from_the_seed_and_leave_the_global_generator_alone():
    state = torch.random.get_rng_state()
    a, b, c = (build(replace(CONFIG, seed=s)).out.weight for s in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_tiny_batch_is_learned_by_heart():
    from cvae_core.tense.inference import Tense
    from cvae_core.tense.metrics import accuracy

    sizes = {"hidden_size": 64, "embedding_size": 32, "latent_size": 8}
    config = replace(CONFIG, **sizes, epochs=120, kl_max=0.0, invented=0.0, tf_final=1.0)
    task = tiny_task(config)
    optimizer = torch.optim.Adam(task.model.parameters(), 5e-3)
    for epoch in range(config.epochs):
        for index, batch in enumerate(task.batches(epoch, generator_at(0, epoch, -1))):
            optimizer.zero_grad()
            task.loss(batch, 0.0, 1.0, generator_at(0, epoch, index))["loss"].backward()
            optimizer.step()
    assert accuracy(Tense(task.model), VERBS)["accuracy"] == 1.0


def test_latents_of_hidden_and_cell_stand_side_by_side():
    assert build(CONFIG).latent_total == 4
    assert build(replace(CONFIG, latents="hidden+cell")).latent_total == 8


def test_both_ways_of_reading_a_word_agree():
    """Packed, for a latent of the cell, and not packed, they reach the same hidden state."""
    model = build(replace(CONFIG, latents="hidden+cell"))
    words = letters(["go", "understand", "walk"])
    h0 = torch.randn(1, 3, CONFIG.hidden_size)
    lengths = (words != PAD).sum(1)
    packed = model._read_one_way(model.encoder, words, lengths, h0, h0)
    model.latent_count = 1
    padded = model._read_one_way(model.encoder, words, lengths, h0, h0)
    torch.testing.assert_close(packed[1], padded[1])
    for row, length in enumerate(lengths):
        torch.testing.assert_close(packed[0][row, :length], padded[0][row, :length])


def test_both_directions_end_at_the_word_s_own_letters():
    """A bidirectional encoder reads a palindrome alike both ways when both directions share their weights."""
    model = build(CONFIG)
    model.encoder_back.load_state_dict(model.encoder.state_dict())
    words = letters(["noon", "understand"])[:, :-1]
    words = torch.where(words == EOS, PAD, words)  # without the end, which would break the palindrome
    memory = model.encode(words, torch.tensor([0, 0])).memory[0, :4]
    forward, back = memory.chunk(2, 1)
    torch.testing.assert_close(forward, back.flip(0))


def test_an_epoch_shows_each_form_as_often_as_the_config_says():
    task = tiny_task(replace(CONFIG, invented=0.0, repeats=2, irregular_repeats=3))
    batches = list(task.batches(0, generator_at(0, 0, -1)))
    assert len(batches) == task.steps_per_epoch()
    shown = Counter(
        (verb, tense) for b in batches for verb, tense in zip(b.verb.tolist(), b.source_tense.tolist(), strict=True)
    )
    sing = next(i for i, verb in enumerate(VERBS) if verb.lemma == "sing")
    assert shown == {(verb, tense): 6 if verb == sing else 2 for verb in range(len(VERBS)) for tense in range(4)}


def test_what_decides_the_shapes_of_weights_comes_with_a_checkpoint():
    def shapes(config):
        return {name: tensor.shape for name, tensor in build(config).state_dict().items()}

    base = replace(CONFIG, condition="embedding", source="aligned", decoder_state="hidden+cell")
    for f in fields(TenseConfig):
        value = getattr(base, f.name)
        others = f.metadata["choices"] or ([not value] if isinstance(value, bool) else [])
        if not others and isinstance(value, int):
            others = [value + 8]
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
def test_temperature_changes_how_sure_answers_are_and_not_the_answers():
    models = [build(replace(CONFIG, temperature=t)) for t in (1.0, 3.0)]  # the same weights: one seed
    z, tense = torch.randn(5, CONFIG.latent_size), torch.tensor([0, 1, 2, 3, 0])
    (answers, sure), (same, less) = (m.greedy(z, tense) for m in models)
    assert torch.equal(answers, same) and (less.sum(1) < sure.sum(1)).all()
    logits = torch.randn(2, 3, VOCABULARY_SIZE)
    for model in models:
        told = model.log_probabilities(logits)
        assert torch.allclose(told.exp().sum(-1), torch.ones(2, 3)) and told[..., [PAD, SOS]].exp().sum() == 0
        expected = logits[..., 5] - logits[..., 9]
        torch.testing.assert_close(told[..., 5] - told[..., 9], expected / model.config.temperature)
