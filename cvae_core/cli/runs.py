"""`runs`: list training runs."""

import argparse

from cvae_core.cli import options
from cvae_core.errors import UserError


def add_command(commands) -> None:
    """Add `runs` to the commands."""
    runs = commands.add_parser("runs", help="list training runs")
    runs.add_argument("--json", action="store_true")
    runs.set_defaults(run=run_runs)


def run_runs(args: argparse.Namespace) -> None:
    """Print a line or a JSON object for every run."""
    from cvae_core import runs

    rows: list[dict] = []
    for run in runs.list_runs():
        try:
            config, status = run.read_config(), run.read_status()
        except UserError as error:
            rows.append({"run": run.id, "state": "damaged", "error": str(error)})
            continue
        row = {"run": run.id, "system": config.get("system"), "preset": config.get("preset")}
        rows.append(row | {"state": status.get("state"), "epoch": status.get("epoch"), "error": status.get("error")})
    if args.json:
        options.print_json(rows)
    elif not rows:
        print("No runs yet: python -m cvae_core train tense starts one.")
    else:
        for row in rows:
            print("  ".join(str(v) for v in row.values() if v is not None))
