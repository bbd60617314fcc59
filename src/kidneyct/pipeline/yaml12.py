"""YAML as DVC reads and writes it: PyYAML, taught the scalars of YAML 1.2's core schema.

Plain PyYAML follows YAML 1.1, where `1e-05`, as DVC writes a small number, is text, and `no` is false.
"""

import codecs
import re
from pathlib import Path
from typing import ClassVar

import yaml

from kidneyct.pipeline.errors import InputError, no_file

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
DEPTH = 50  # of lists and mappings in each other
VALUES = 50_000  # of a document, what its aliases stand for counted each time; seconds to read
BYTES = 2**20  # of a file
CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: |\r?$)", re.MULTILINE)
LONGEST = 100  # characters of a value that a line shows

Error = yaml.YAMLError


def shown(value):
    """A value as a line shows it: what can't be printed is escaped, a long one ends in "…"."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


class Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2's scalars; a key that stands twice in a mapping is an error.

    So is what is nested deeper than DEPTH, and more than VALUES values: aliases of aliases multiply.
    """

    yaml_implicit_resolvers: ClassVar = {}

    def __init__(self, text):
        super().__init__(text)
        self.depth, self.values, self.values_in = 0, 0, {}

    def compose_node(self, parent, index):
        event = self.peek_event()
        before = self.values
        self.values += 1
        self.depth += 1
        if self.depth > DEPTH:
            raise _error("found brackets or lines nested too deeply", event.start_mark)
        node = super().compose_node(parent, index)
        if isinstance(event, yaml.AliasEvent):
            if node not in self.values_in:
                raise _error(f"found the alias {shown(event.anchor)} inside what it stands for", event.start_mark)
            self.values += self.values_in[node]
        if self.values > VALUES:
            raise _error(f"found more than {VALUES:,} values", event.start_mark)
        self.values_in[node] = self.values - before
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        keys = set()  # looked at here, before those that are merged in, and that a mapping's own override, come along
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            value = key.value if key.tag == f"{TAG}merge" else self.construct_object(key)
            if value in keys:
                raise _error(f"found the key {shown(value)} twice", key.start_mark)
            keys.add(value)
        return node


def _error(problem, mark):
    return yaml.constructor.ConstructorError(None, None, problem, mark)


def _int(loader, node):
    text = loader.construct_scalar(node)
    if len(text) > DIGITS:
        raise _error(f"found {len(text)} digits in a number", node.start_mark)
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
    """The document in a text, as dictionaries, lists, text and numbers.

    `Error`, which says in one line what was found and where, if it is no YAML, has a key twice in one mapping, is
    nested too deeply or holds too many values.
    """
    try:
        return yaml.load(text, Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Error(f"found a character that YAML does not allow, {shown(chr(error.character))}, line {line}") from None
    except yaml.MarkedYAMLError as error:
        raise Error(_conflict(text) or _said(error)) from None
    except (ValueError, KeyError, AttributeError, OverflowError, TypeError):  # such as `!!bool maybe`
        raise Error("found a value that its tag, or its escape, does not allow") from None


def _said(error):
    words = ", ".join(each for each in (error.context, error.problem) if each)
    mark = error.problem_mark or error.context_mark
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"{' '.join(words.split())[:200]}{where}"


def _conflict(text):
    marks = CONFLICT.search(text)
    return marks and f"found a merge's conflict, line {text.count(chr(10), 0, marks.start()) + 1}; keep one side of it"


def read(path):
    """The document in a file; InputError, naming the place, where it is no YAML, or no file that can be read."""
    return parse(_content(path), path)


def parse(content, source):
    """The document in a file's bytes; InputError, naming the source and the place, where they are no YAML."""
    try:
        return load(_text(content, source))
    except Error as error:
        raise InputError(f"{source}: not valid YAML: {error}") from None


def _content(path):
    """A file's bytes, no more than what is read; FileNotFoundError where there is none."""
    try:
        if kind := no_file(Path(path).stat().st_mode):
            raise InputError(f"{path}: expected a file of YAML, found {kind}")
        with open(path, "rb") as file:
            return file.read(BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path}: expected a file of YAML, can't be read: {error.strerror}") from None


def _text(content, path):
    if len(content) > BYTES:
        raise InputError(f"{path}: expected a file of YAML, found one of more than {BYTES // 2**20} MiB")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path}: expected text in UTF-8, found UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: expected text in UTF-8, found other bytes, line {line}; save it as UTF-8") from None
