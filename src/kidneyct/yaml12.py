"""YAML as DVC reads and writes it: PyYAML, taught the scalars of YAML 1.2's core schema.

Plain PyYAML follows YAML 1.1, where `1e-05`, as DVC writes a small number, is text, and `no` is false.
"""

import math
import re

import yaml

SCALARS = {  # YAML 1.2.2, section 10.3.2
    "null": (r"null|Null|NULL|~|", "~nN\0"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}


class Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's scalars; a key that stands twice in a mapping is an error."""

    yaml_implicit_resolvers: dict = {"<": [("tag:yaml.org,2002:merge", re.compile(r"^<<$"))]}

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"found the key {key.value!r} twice", key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _number(loader, node):
    text = node.value
    if text.startswith(("0o", "0x")):
        return int(text[2:], 8 if text[1] == "o" else 16)
    return int(text)


def _float(loader, node):
    text = node.value.lower()
    return math.nan if text == ".nan" else float(text.replace(".inf", "inf"))


for _name, (_pattern, _first) in SCALARS.items():
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), list(_first))
Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])
Loader.add_constructor("tag:yaml.org,2002:int", _number)
Loader.add_constructor("tag:yaml.org,2002:float", _float)

Error = yaml.YAMLError


def load(text):
    """The document in a text, or in an open file, as dictionaries, lists, text and numbers; Error where it is none."""
    try:
        return yaml.load(text, Loader)
    except (ValueError, RecursionError) as error:  # such as a number of 5,000 digits, or brackets without end
        raise yaml.YAMLError(str(error)) from None
