"""Commands of the digits system: evaluate digits."""

import argparse

from cvae_core.cli import options

DATA = "folder of MNIST's IDX files, or openml to download it; scikit-learn's small digits when not given"


def add_commands(commands, evaluate, predict) -> None:
    """Add the commands to their groups."""
    scores = evaluate.add_parser("digits", help="negative log-likelihood of the hidden quadrants of test images")
    options.evaluation_options(scores, DATA)
    options.model_options(scores, run_evaluate, "digits")


def run_evaluate(args: argparse.Namespace) -> None:
    """Print every score of a checkpoint on test images."""
    from cvae_core.digits import data
    from cvae_core.digits.family import as_table, evaluate, load

    options.set_threads(args.threads)
    scores = evaluate(load(args.checkpoint), data.load(args.data), args.seed)
    options.print_json(scores) if args.json else print(as_table(scores))
