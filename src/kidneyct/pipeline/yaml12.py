"""YAML as DVC reads and writes it: PyYAML with the numbers and booleans of YAML 1.2.

Plain PyYAML follows YAML 1.1, where `1e-05`, as DVC writes a small number, is text, and `no` is false.
"""

import re
from pathlib import Path
from typing import ClassVar

import yaml

from kidneyct.pipeline.errors import InputError, no_file, shown

TAG = "tag:yaml.org,2002:"
# YAML 1.2.2, section 10.3.2; longer whole numbers are floats. The merge key is YAML 1.1's, which DVC reads too.
SCALARS = {
    "null": r"null|Null|NULL|~|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]{1,250}|0o[0-7]{1,250}|0x[0-9a-fA-F]{1,200}",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "merge": r"<<",
}

Error = yaml.YAMLError


class Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's scalars; a key that stands twice in a mapping is an error."""

    yaml_implicit_resolvers: ClassVar = {}

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        keys = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                value = key.value if key.tag == f"{TAG}merge" else self.construct_object(key)
                if value in keys:
                    problem = f"found the key {shown(repr(value), 100)} twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                keys.add(value)
        return node


def _int(loader, node):
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


for _name, _pattern in SCALARS.items():
    Loader.add_implicit_resolver(TAG + _name, re.compile(f"^(?:{_pattern})$"), None)
Loader.add_constructor(f"{TAG}int", _int)


def load(text):
    """The document in a text; `Error`, of one line that says where, if it is no YAML or has a key twice."""
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = " ".join(str(error.problem or error.context).split())
        raise Error(f"{problem[:200]}{where}") from None
    except RecursionError:
        raise Error("nested too deeply") from None
    except (Error, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:  # as of `!!bool maybe`
        raise Error(" ".join(str(error).split())[:200]) from None


def read(path):
    """The document in a file; InputError, naming the place, where it is no YAML."""
    if kind := no_file(Path(path).stat().st_mode):
        raise InputError(f"{path}: expected a file of YAML, found {kind}")
    return parse(Path(path).read_bytes(), path)


def parse(content, source):
    """The document in a file's bytes; InputError, naming the source and the place, where they are no YAML."""
    try:
        return load(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        told = f"expected text in UTF-8, found other bytes, line {line}; save it as UTF-8"
        raise InputError(f"{source}: {told}") from None
    except Error as error:
        raise InputError(f"{source}: not valid YAML: {error}") from None
