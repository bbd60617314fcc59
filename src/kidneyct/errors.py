"""The one exception for what a user can put right."""

LONGEST = 100  # characters of a value that a line shows


class InputError(ValueError):
    """A user's mistake or a missing outside resource, told in one line.

    The message says what was expected, what was found, in which file, and what to do. Stages print it
    without a traceback and exit with status 1.
    """


def shown(value):
    """A value as a line shows it: what can't be printed is escaped, a long one ends in "…"."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
