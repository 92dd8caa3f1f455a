"""The one exception for what a user can get wrong, and how its sentence shows what was given."""


class UserError(Exception):
    """What was wrong and what would be right, in one sentence; pages and the command line show it as it is."""


def shown(text: str) -> str:
    """What a user gave, quoted for a sentence and cut where it is long: a line may have millions of letters."""
    return repr(text if len(text) <= 40 else text[:40] + "…")
