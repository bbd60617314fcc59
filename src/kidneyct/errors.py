"""The one exception for what a user can put right."""


class InputError(ValueError):
    """A user's mistake or a missing outside resource, told in one line.

    The message says what was expected, what was found, in which file, and what to do. Stages print it
    without a traceback and exit with status 1.
    """
