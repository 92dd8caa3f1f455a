"""Settings of hypothesis, a limit on processor time, and what counts as a refusal."""

import time
from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from cvae_core.errors import UserError

# Processor time, which does not depend on other processes. A correct answer takes tenths of a second, the faults that
# this limit detects minutes (quadratic in 10 MB) or years (backtracking).
PROCESSOR_SECONDS = 10.0

settings.register_profile(
    "hostile",
    deadline=None,  # it measures wall-clock time, `limited_time` processor time
    database=None,  # it would be a folder in the project
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # one `nothing_written` for all examples
)
few = settings(settings.get_profile("hostile"), max_examples=150)
many = settings(few, max_examples=5000)

TEXT = st.text(st.characters(exclude_categories=()), max_size=60)  # all of Unicode, with lone surrogates


@contextmanager
def limited_time():
    """The block takes at most PROCESSOR_SECONDS."""
    began = time.process_time()
    yield
    assert time.process_time() - began < PROCESSOR_SECONDS


def answer(parse, *args):
    """What `parse` returns, or None if it raises a UserError, whose message must not be longer than 1,000 letters."""
    with limited_time():
        try:
            return parse(*args)
        except UserError as error:
            assert 10 < len(str(error)) < 1000
            return None
