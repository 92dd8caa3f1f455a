"""Fine-tuning: new verbs are learned, old ones kept, and random z still decode to verbs."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Categorical, kl_divergence

from cvae_core import checkpoint, runs, session
from cvae_core.schedules import constant
from cvae_core.tense import metrics, prior
from cvae_core.tense.data import EOS, SOS, Verb, verbs_from_rows
from cvae_core.tense.decoding import greedy
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.model import build
from cvae_core.tense.task import TenseTask
from cvae_core.tense.verb_file import parse_verbs
from cvae_core.training import fit
from tests.tiny import CONFIG, VERBS, step

TUNING = replace(CONFIG, rehearsal=0.4, invented=0.1, prior_share=constant())
# The last two are irregular as no verb of the dictionary is: only training tells their pasts.
FOUR = (
    "googol googols googoling googoled\nzoomle zoomles zoomling zoomled\n"
    "sprink sprinks sprinking sprank\nskrill skrills skrilling skrelt"
)


def tuning_task(config=TUNING) -> TenseTask:
    """Two new verbs on an untrained model that is said to know four."""
    return TenseTask(config, VERBS[:2], data_name="tiny", start=Inflector(build(replace(CONFIG, seed=1)), VERBS[2:]))


def test_a_verb_that_the_list_changes_is_not_rehearsed():
    start = Inflector(build(replace(CONFIG, seed=1)), VERBS)
    changed = Verb((*VERBS[0].forms[:3], ("wolked",)))
    task = TenseTask(TUNING, [changed], data_name="tiny", start=start)
    assert task.old == VERBS[1:]
    assert verbs_from_rows(task.checkpoint()[1]["rows"]) == [changed, *VERBS[1:]]
    alone = TenseTask(TUNING, VERBS, data_name="tiny", start=start)  # all of them: nothing is left to rehearse
    assert alone.old == [] and all((batch.verb < len(VERBS)).all() for batch in alone.batches(step()))


def test_replay_is_the_divergence_of_the_words_that_the_old_model_decodes():
    task = tuning_task()
    z, random = torch.randn(5, task.model.latent_total), step().generator
    assert prior.replay(task.before, task.model, z, random)["prior"].item() == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        task.model.out.bias[EOS] += 1.0
    found = prior.replay(task.before, task.model, z, random)["prior"]
    found.backward()
    assert task.model.out.bias.grad[EOS] > 0 and task.before.out.bias.grad is None
    tense = torch.randint(4, (5,), generator=random.manual_seed(0))
    wanted = 0.0
    for row, t in zip(z.split(1), tense.split(1), strict=True):  # word by word, so that there is no padding
        s = task.before.spelling(row)
        letters, _ = greedy(task.before, s, t)
        inputs = F.pad(letters[:, :-1], (1, 0), value=SOS)
        before, after = (Categorical(logits=model(inputs, s, t)) for model in (task.before, task.model))
        wanted += kl_divergence(before, after).sum() / 5
    torch.testing.assert_close(prior.replay(task.before, task.model, z, random.manual_seed(0))["prior"], wanted)


def test_the_old_model_stays_as_it_was_and_a_stopped_run_goes_on_exactly(tmp_path):
    stopped, whole = (runs.create({"system": "tense", "config": vars(TUNING)}, "tiny", tmp_path) for _ in range(2))
    at = {}
    in_the_third = lambda: at.get("epoch") == 2 and at["batch"] >= 1  # noqa: E731
    assert fit(tuning_task(), stopped, stopped=in_the_third, on_event=at.update) == "stopped"
    fit(tuning_task(), stopped)
    task = tuning_task()
    old = {name: weight.clone() for name, weight in task.before.state_dict().items()}
    fit(task, whole)
    assert all(torch.equal(old[name], weight) for name, weight in task.before.state_dict().items())
    assert not torch.equal(old["out.weight"], task.model.out.weight)
    a, b = (checkpoint.read(run.path / "last.safetensors")[0] for run in (stopped, whole))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not any(name.startswith(("matcher", "before")) for name in a)


@pytest.mark.parametrize("least, repeats", [(1, 1), (3, 1), (4, 2), (7, 3)])
def test_a_short_list_occurs_so_often_that_an_epoch_has_its_batches(least, repeats):
    task = tuning_task(replace(TUNING, min_batches=least))  # of three new words each
    batches = list(task.batches(step()))
    assert least <= len(batches) == task.steps_per_epoch()
    shown = Counter(
        (verb, tense) for b in batches for verb, tense in zip(b.verb.tolist(), b.source_tense.tolist(), strict=True)
    )
    assert [shown[verb, tense] for verb in (0, 1) for tense in range(4)] == [repeats] * 8


@pytest.mark.slow
def test_four_verbs_are_learned_and_random_z_are_verbs_as_often_as_before(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    new, before = parse_verbs(FOUR, "typed").verbs, load("tense")
    task, run = session.prepare("tense", "fine-tune", {}, ("4 verbs", new), "cpu", "tense")
    assert fit(task, run) == "finished"
    after, row = load(str(run.path)), run.read_metrics()[-1]
    assert row["accuracy_new"] == 1
    assert row["accuracy_old"] > 0.98
    assert metrics.accuracy(after, new, "z")["accuracy"] > 0.75  # walks through z come to them too
    scores = [metrics.gaussian_scores(of, of.verbs, 500, seed=1)["gaussian"] for of in (before, after)]
    assert scores[1] > scores[0] - 0.05
