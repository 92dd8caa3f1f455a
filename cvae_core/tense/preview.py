"""What a model in training makes of a few inputs, after every epoch: conversions, random z, and a map of verbs."""

from collections.abc import Sequence
from typing import Any

from cvae_core.tense import data, explore, metrics, verb_map
from cvae_core.tense.data import PAST, PRESENT, PROGRESSIVE, TENSES, THIRD, Verb, spread
from cvae_core.tense.inference import Inflector
from cvae_core.tense.spelling import is_irregular
from cvae_core.tense.wug import logged_pasts

SHORT_LIST = 200  # verbs up to which a list's own verbs are converted instead of the course's pairs
CONVERSIONS, SAMPLES, MAPPED = 12, 8, 60  # conversions, random z, and verbs on the map
NEW = "new"  # kind of a verb on the map that is fine-tuned on


def preview(model: Inflector, verbs: Sequence[Verb], old: Sequence[Verb], own: bool, seed: int) -> dict[str, Any]:
    """JSON values about a model that is trained on `verbs` and rehearses `old` ones.

    `conversions`: [word, tense, answer, expected] of the verbs if they are the user's `own`, else of the course's
    pairs; `generated`: random z in four tenses, and in `known` whether each is a verb trained on; `map`: [verb, kind,
    x, y] of some verbs, by their z if that has two dimensions, else by two principal components (`projected`);
    `pasts`, unless the verbs are the user's own: see `wug.logged_pasts`.
    """
    rows = model.decode_rows(model.draw(SAMPLES, seed))
    shown = {
        "conversions": _conversions(model, verbs if own else None),
        "generated": [list(row) for row in rows],
        "known": [verb is not None for verb in metrics.matches(rows, [*verbs, *old])],
        "projected": model.model.latent_total != 2,
        "map": _map(model, verbs, old),
    }
    return shown if own else shown | {"pasts": logged_pasts(model)}


def _conversions(model: Inflector, verbs: Sequence[Verb] | None) -> list[list[str]]:
    """Of few verbs every conversion from the present, of more one each; without verbs the course's pairs."""
    if verbs is None:
        tasks = [(w, s, t, (wanted,)) for w, s, wanted, t in data.COURSE_PAIRS]
    else:
        targets = (PAST, PROGRESSIVE, THIRD)
        if len(targets) * len(verbs) <= CONVERSIONS:
            pairs = [(verb, t) for verb in verbs for t in targets]
        else:  # no rule gives the past of an irregular verb
            chosen = enumerate(spread(verbs, CONVERSIONS))
            pairs = [(verb, PAST if is_irregular(verb) else targets[i % len(targets)]) for i, verb in chosen]
        tasks = [(verb.lemma, PRESENT, t, verb.forms[t]) for verb, t in pairs]
    words, sources, wanted_tenses, accepted = zip(*tasks, strict=True)
    answers = [candidate.form for candidate in model.convert(words, sources, wanted_tenses)]
    return [
        [word, TENSES[t], answer, answer if answer in forms else forms[0]]
        for word, t, answer, forms in zip(words, wanted_tenses, answers, accepted, strict=True)
    ]


def _map(model: Inflector, verbs: Sequence[Verb], old: Sequence[Verb]) -> list[list[Any]]:
    """Verbs that are trained on, and beside new ones some that are rehearsed."""
    new = spread(verbs, MAPPED // 2 if old else MAPPED)
    shown = [*new, *spread(old, MAPPED - len(new))]
    kinds = [NEW if old and i < len(new) else explore.verb_class(verb) for i, verb in enumerate(shown)]
    mu = verb_map.means(model, shown)
    places = (mu if mu.shape[1] == 2 else explore.project(mu).positions).round(3).tolist()
    return [[verb.lemma, kind, *place] for verb, kind, place in zip(shown, kinds, places, strict=True)]
