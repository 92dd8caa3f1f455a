"""The command line. Building the parser imports no torch, except for `train` and `sweep`, whose flags are fields."""

from cvae_core.cli import runs, settings, sweep, train
from cvae_core.cli.options import Parser, field_options
from cvae_core.systems import SYSTEMS, cli

DESCRIPTION = "Conditional variational autoencoders: verb tenses, digits and video."


def build_parser(argv: list[str]) -> Parser:
    """The parser of all commands; the system in `argv` determines the fields that become flags."""
    parser = Parser(prog="python -m cvae_core", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="command")
    evaluate = commands.add_parser("evaluate", help="every score of a checkpoint").add_subparsers(
        required=True, metavar="system"
    )
    predict = commands.add_parser("predict", help="the frames that follow two given ones").add_subparsers(
        required=True, metavar="system"
    )
    for system in SYSTEMS:
        cli(system).add_commands(commands, evaluate, predict)
    fields = {"train": train.add_command(commands), "sweep": sweep.add_command(commands)}
    if len(argv) > 1 and argv[0] in fields and argv[1] in SYSTEMS:
        field_options(fields[argv[0]], argv[1])
    runs.add_command(commands)
    settings.add_command(commands)
    return parser
