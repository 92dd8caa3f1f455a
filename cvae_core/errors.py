"""The one exception for what a user can get wrong."""


class UserError(Exception):
    """What was wrong and what would be right, in one sentence; pages and the command line show it as it is."""
