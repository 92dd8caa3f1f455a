"""Encode all verbs of the shipped checkpoint `tense` and compute their t-SNE map, for the Latent space page.

python -m scripts.verb_map      # writes assets/verb_map.safetensors; after every change of checkpoints/tense
"""

from cvae_core import checkpoint
from cvae_core.tense import explore, verb_map
from cvae_core.tense.inference import load


def main() -> None:
    """Encode the verbs of `tense` and write their map."""
    model = load("tense")
    mu = verb_map.means(model, model.verbs)
    places = explore.project(mu, "t-SNE").places
    verb_map.save(model.verbs, mu, places, checkpoint.find("tense"))
    print(f"{len(places):,} verbs: {verb_map.FILE}")


if __name__ == "__main__":
    main()
