"""`settings`: list the settings that the environment gives."""

import argparse

from cvae_core.cli import options


def add_command(commands) -> None:
    """Add `settings` to the commands."""
    settings = commands.add_parser("settings", help="list the settings from the environment, passwords masked")
    settings.add_argument("--json", action="store_true")
    settings.set_defaults(run=run_settings)


def run_settings(args: argparse.Namespace) -> None:
    """Print a line or a JSON object for every setting."""
    from cvae_core.settings import table

    rows = table()
    if args.json:
        return options.print_json([row._asdict() for row in rows])
    for row in rows:
        print(f"{row.name}={row.value}  # {row.meaning}{'' if row.is_set else ' (default)'}")
    return None
