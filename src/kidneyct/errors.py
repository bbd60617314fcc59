"""The one exception for what a user can put right, and how names and files are told in its line."""


class InputError(ValueError):
    """A user's mistake or a missing outside resource, told in one line.

    The message says what was expected, what was found, in which file, and what to do. Stages print it
    without a traceback and exit with status 1.
    """


def shown(name, longest=300):
    """A name, path or reason as a line can hold it: escaped where it can't be printed, cut where it is too long."""
    text = str(name)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-longest // 4 :]}"


def missing(path):
    """The InputError for a file of the pipeline that is not there."""
    return InputError(f"{path}: not there; run dvc repro, or dvc pull where it was run before")


def altered(path, expected, found):
    """The InputError for a file of the pipeline that is not as a stage wrote it."""
    return InputError(
        f"{path}: expected {expected}, found {shown(found)}; bring it back with dvc checkout {path}, or make it anew "
        "with dvc repro"
    )
