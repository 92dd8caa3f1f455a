"""The command line: `python -m cvae_core COMMAND`; `--help` lists the commands."""

import io
import os
import sys

from cvae_core import settings
from cvae_core.cli import build_parser
from cvae_core.errors import UserError


def main(argv: list[str] | None = None) -> int:
    """Run one command, and return its exit status; what the user got wrong is one sentence on stderr and status 2."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name or a ✓ that a terminal cannot show is no error
            stream.reconfigure(errors="backslashreplace")
    os.environ.setdefault("HOME", str(settings.home()))  # without one NLTK cannot be imported under some user ids
    try:
        args = build_parser(argv).parse_args(argv)
        status = args.run(args)
        sys.stdout.flush()
        return status or 0
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:  # of an extra of the package
        print(f"{error.name} is not installed: pip install 'cvae-core[all]' brings every extra.", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has left: say nothing more
    except OSError as error:
        print(f"Cannot use {error.filename or 'a file'}: {error.strerror or error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
