"""A disk on which no file can grow beyond some bytes: `python -m tests.full_disk BYTES COMMAND …` runs a command there.

Several commands, each with its limit, are separated by `--`. Prints exit status and stderr of each.
"""

import contextlib
import io
import itertools
import json
import resource
import sys

from cvae_core.__main__ import main


def limited(size: int, command: list[str]) -> tuple[int, str]:
    """A write past the limit is an OSError: Python ignores the signal that would end the process."""
    errors = io.StringIO()
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        status = main(command)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return status, errors.getvalue()


if __name__ == "__main__":
    parts = [list(part) for cut, part in itertools.groupby(sys.argv[1:], lambda word: word == "--") if not cut]
    print(json.dumps([limited(int(size), command) for size, *command in parts]))
