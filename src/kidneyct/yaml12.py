"""YAML as DVC reads and writes it: PyYAML, taught the scalars of YAML 1.2's core schema.

Plain PyYAML follows YAML 1.1, where `1e-05`, as DVC writes a small number, is text, and `no` is false.
"""

import re
from typing import ClassVar

import yaml

from kidneyct.errors import InputError

TAG = "tag:yaml.org,2002:"
# Pattern and first characters; YAML 1.2.2, section 10.3.2. The merge key is YAML 1.1's, which DVC reads too.
SCALARS = {
    "null": (r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    "merge": (r"<<", ["<"]),
}
DIGITS = 250  # of a whole number; any shorter one, hexadecimal too, fits into a float

Error = yaml.YAMLError


class Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's scalars; a key that stands twice in a mapping is an error."""

    yaml_implicit_resolvers: ClassVar = {}

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        keys = set()  # looked at here, before those that are merged in, and that a mapping's own override, come along
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            value = key.value if key.tag == f"{TAG}merge" else self.construct_object(key)
            if value in keys:
                raise yaml.constructor.ConstructorError(None, None, f"found the key {value!r} twice", key.start_mark)
            keys.add(value)
        return node


def _int(loader, node):
    text = loader.construct_scalar(node)
    if len(text) > DIGITS:
        raise yaml.constructor.ConstructorError(None, None, f"found {len(text)} digits in a number", node.start_mark)
    if text.startswith(("0o", "0x")):
        return int(text[2:], 8 if text[1] == "o" else 16)
    return int(text)


def _float(loader, node):
    text = loader.construct_scalar(node).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


for _name, (_pattern, _first) in SCALARS.items():
    Loader.add_implicit_resolver(TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)
Loader.add_constructor(f"{TAG}int", _int)
Loader.add_constructor(f"{TAG}float", _float)


def load(text):
    """The document in a text, bytes or an open file, as dictionaries, lists, text and numbers.

    `Error` where it is no YAML, has a key twice in one mapping, or is nested too deeply.
    """
    try:
        return yaml.load(text, Loader)
    except RecursionError:
        raise Error("found brackets nested too deeply") from None
    except (ValueError, KeyError, AttributeError):  # such as `!!bool maybe`
        raise Error("found a value that its tag does not allow") from None


def read(path):
    """The document in a file; InputError, naming the place, where it is no YAML."""
    with open(path, "rb") as file:
        try:
            return load(file)
        except Error as error:
            raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
