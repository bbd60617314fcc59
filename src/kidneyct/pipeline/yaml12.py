"""YAML as DVC reads it, version 1.2: `1e-05`, as DVC writes a small number, is a number, and `no` is text."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from kidneyct.pipeline.errors import InputError, shown


def read(path):
    """The document in a file; InputError, naming the place, where it is no YAML or has a key twice."""
    return parse(Path(path).read_bytes(), path)


def parse(content, source):
    """The document in a file's bytes; InputError, naming the source and the place, where they are no YAML."""
    try:
        return YAML(typ="safe").load(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"other bytes, line {line}"
        raise InputError(f"{source}: expected text in UTF-8, found {found}; save it as UTF-8") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or error.context
    except Exception as error:  # of any kind, as of `!!bool maybe`
        where, problem = "", error
    raise InputError(f"{source}: not valid YAML: {shown(' '.join(str(problem).split()), 200)}{where}")
