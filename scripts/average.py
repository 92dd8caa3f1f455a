"""Average the weights of checkpoints: `python -m scripts.average OUT CHECKPOINT CHECKPOINT …`.

The checkpoints have one architecture and were trained from the same weights, with different seeds, say: a model soup
(Wortsman et al. 2022). Everything but the weights is taken from the first.
"""

import sys

import torch

from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.tense.familiarity import measure_floor
from cvae_core.tense.inference import load


def main(out: str, names: list[str]) -> None:
    states, metadata = zip(*(checkpoint.read(checkpoint.find(name)) for name in names), strict=True)
    if any({n: t.shape for n, t in s.items()} != {n: t.shape for n, t in states[0].items()} for s in states):
        raise UserError("Only checkpoints of one architecture can be averaged.")
    mean = {name: torch.stack([state[name].double() for state in states]).mean(0).half() for name in states[0]}
    checkpoint.write(checkpoint.CHECKPOINTS / f"{out}.safetensors", mean, metadata[0])
    floor = measure_floor(load(out))
    checkpoint.write(checkpoint.CHECKPOINTS / f"{out}.safetensors", mean, metadata[0] | {"familiarity_floor": floor})


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2:])
    except UserError as error:
        sys.exit(str(error))
