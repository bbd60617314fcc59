"""YAML is read as DVC reads it, with ruamel, and where not, as YAML 1.2's core schema says."""

import itertools
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML, YAMLError

from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError

SCALARS = """
1e-05 1e5 1E+3 1.5e3 1.e5 1. .5 -.5 +.5 0. 00.5 -0.0 1e400 0 -0 +7 007 010 08 0o10 0o18 0x1F 0xg 0O7 0X1F
. - + -. e5 1e 1e+ 1.2.3 1.2e3.4 1:30 1:30.5 190:20:30 null0 nUll tRue iNf
no No NO yes on off On y n N true True TRUE false False null Null NULL ~
.inf -.inf +.inf .Inf .INF inf Infinity nan -.nan ٣ １２ a@b train@candidate '1' "1e5" 'no' "\\x41" ''
"""
DOCUMENTS = [
    "",
    "# nothing",
    "train: {learning_rate: 1e-05, precision: float32}",
    "classes: [no, yes, 010, 1e5]",
    "classes:\n- no\n- 'no'\n- 08",
    "a: |\n  x\n  y\n",
    "a: 'it''s'\r\nb: 2\r\n",
    "\ufeffa: 1",
    "1: a\n'1': b",
    "a: !!str 1\nb: !!float 1\nc: !!int 0x1F",
    "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3",
    "a: &x {p: 1}\nc: &y {p: 2, r: 1}\nb:\n  q: 3\n  <<: [*x, *y]",
    "a: {n: &x {<<: &y {p: 1, q: 1}, p: 2}}\nb: {<<: *x, p: 3}",  # merged twice, overridden each time
]
NONE = [
    "[1",
    "}",
    "a: b: c",
    "\ta: 1",
    "@a",
    "a\n---\nb",
    "a: *x",
    "a: 1\na: 2",
    "{a: 1, b: {c: 1, c: 1}}",
    "1: a\n0x1: b",
    "1: a\n1.0: b",
    "true: 1\nTrue: 2",
    "a: &x {p: 1}\nb:\n  <<: *x\n  <<: *x",
    "b:\n  <<: 3",
    "a: !!bool maybe",
    "a: !!int x",
    "a: !!python/object:os.system x",
    "a: \x07",
]


def by_ruamel(text):
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("text", SCALARS.split())
def test_scalars_are_what_ruamel_takes_them_for(text):
    assert repr(yaml12.load(text)) == repr(by_ruamel(text))  # tells 1 from 1.0 and from "1"


@pytest.mark.parametrize("text", DOCUMENTS)
def test_documents_are_what_ruamel_takes_them_for(text):
    assert repr(yaml12.load(text)) == repr(by_ruamel(text))


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_yaml_to_ruamel_is_none_here(text):
    with pytest.raises((YAMLError, KeyError, ValueError)):
        by_ruamel(text)
    with pytest.raises(yaml12.Error):
        yaml12.load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 1e-5),
        ("1e5", 100000.0),
        ("no", "no"),
        ("on", "on"),
        ("010", 10),
        ("0o10", 8),
        ("1:30", "1:30"),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        # ruamel differs in these: the first is a number in YAML 1.2's core schema, the others are text
        (".5e1", 5.0),
        ("2001-01-01", "2001-01-01"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("1_000", "1_000"),
        ("0b101", "0b101"),
        ("-0x1F", "-0x1F"),
        ("=", "="),
    ],
)
def test_the_core_schema_by_hand(text, value):
    assert yaml12.load(text) == value
    assert type(yaml12.load(text)) is type(value)


def test_not_a_number_in_all_its_spellings():
    assert all(math.isnan(yaml12.load(text)) for text in (".nan", ".NaN", ".NAN"))
    assert yaml12.load(".Nan") == ".Nan"


@pytest.mark.parametrize("text", ["[" * 5000, "[" * 5000 + "]" * 5000, "{" * 5000, "a: " + "[" * 5000])
def test_brackets_without_end_are_an_error(text):
    with pytest.raises(yaml12.Error, match="nested too deeply"):
        yaml12.load(text)


@pytest.mark.parametrize("number", ["1" * 5000, "-" + "1" * 5000, "0x" + "f" * 5000, "0o" + "7" * 5000, "9" * 400])
def test_a_number_of_too_many_digits_is_an_error(number):
    with pytest.raises(yaml12.Error, match="digits in a number"):
        yaml12.load(f"seed: {number}")


def test_what_passes_for_a_number_fits_into_a_float():
    largest = yaml12.load("0x" + "f" * (yaml12.DIGITS - 2))
    assert math.isfinite(float(largest))
    assert len(str(largest)) < 4300  # what Python writes out


def test_a_file_that_is_no_yaml_is_named_with_the_place(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("a: ä\nb: [1, no]\n", encoding="utf-8")
    assert yaml12.read(path) == {"a": "ä", "b": [1, "no"]}
    path.write_text("seed: 1\nseed: 2\n")
    with pytest.raises(InputError) as caught:
        yaml12.read(path)
    line = str(caught.value)
    assert line == f"{path}: not valid YAML: found the key 'seed' twice, line 2, column 1"
    with pytest.raises(FileNotFoundError):
        yaml12.read(tmp_path / "none.yaml")


REAL = Path("params.yaml").read_bytes()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: 1\nb: \xff\n", "expected text in UTF-8, found other bytes, line 2; save it as UTF-8"),
        (REAL.decode().encode("utf-16"), "expected text in UTF-8, found UTF-16; save it as UTF-8"),
        (b"a: 1\n" + b"#" * 2**20, "expected a file of YAML, found one of more than 1 MiB"),
        (b"a: 1\nb: \x00", r"not valid YAML: found a character that YAML does not allow, '\x00', line 2"),
        (b"a:\n\tb: 1", r"not valid YAML: while scanning for the next token, found character '\t' that cannot start "
            "any token, line 2, column 1"),
        (b"seed: 0\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> x\n",
            "not valid YAML: found a merge's conflict, line 2; keep one side of it"),
        (b"a: !!python/object/apply:os.system [exit 3]",
            "not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.system', line 1, column 4"),
        (b"? [1, 2]\n: 3", "not valid YAML: while constructing a mapping, found unhashable key, line 1, column 3"),
        (b"&a [*a]", "not valid YAML: found the alias 'a' inside what it stands for, line 1, column 5"),
        (b"a: [" + b"1," * 60_000 + b"]", "not valid YAML: found more than 50,000 values, line 1, column "),
        (b'a: "\\Uffffffff"', "not valid YAML: found a value that its tag, or its escape, does not allow"),
        (b"x" * 500 + b": 1\n" + b"x" * 500 + b": 1\n", "not valid YAML: found the key 'xxx"),
        (b"\n".join(b" " * depth + b"a:" for depth in range(60)),
            "not valid YAML: found brackets or lines nested too deeply, line 50, column 50"),
    ],
)  # fmt: skip
def test_a_file_that_can_not_be_read_is_one_line(tmp_path, content, line):
    path = tmp_path / "dvc.lock"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        yaml12.read(path)
    assert str(caught.value).startswith(f"{path}: {line}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300


def test_aliases_that_multiply_are_an_error():
    lists = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    mappings = "a: &a {x: 1}\n"
    for one, other in itertools.pairwise("abcdefghi"):
        lists += f"{other}: &{other} [{', '.join([f'*{one}'] * 9)}]\n"
        mappings += f"{other}: &{other} {{<<: [{', '.join([f'*{one}'] * 9)}]}}\n"
    for text in (lists, mappings):
        with pytest.raises(yaml12.Error, match="found more than 50,000 values"):
            yaml12.load(text)


def test_a_mark_of_utf_8_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + REAL)
    assert yaml12.read(path) == yaml12.read("params.yaml")


def test_what_is_no_file(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r": expected a file of YAML, found a folder$"):
        yaml12.read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: expected a file of YAML, found a pipe or a device$"):
        yaml12.read(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"expected a file of YAML, can't be read: File name too long$"):
        yaml12.read(tmp_path / ("x" * 300))

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "params.yaml"
    path.touch()
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=r"params\.yaml: expected a file of YAML, can't be read: Permission denied$"):
        yaml12.read(path)


WORDS = [
    *"[]{},:?-!&*|>'\"#%@` \n\t\0\\",
    "- ",
    ": ",
    "? ",
    "\n  ",
    "<<: *a",
    "&a ",
    "*a",
    "...",
    "---\n",
    "%YAML 1.1\n",
]
WORDS += ["!!int ", "!!set ", "!!omap ", "!!timestamp ", "!!binary ", "!!python/name:os ", "0x", "1e", ".nan", "a", "1"]


def refusal(call, argument, error):
    """The lines of the error that a call ends in, or none."""
    try:
        call(argument)
    except error as caught:
        return str(caught).splitlines()
    return []


@pytest.mark.fuzz
@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=40).map("".join)))
def test_any_text_is_read_or_refused_in_one_line(text):
    assert len(refusal(yaml12.load, text, yaml12.Error)) <= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("yaml")


@pytest.mark.fuzz
@given(st.binary())
def test_any_bytes_are_read_or_refused_in_one_line(folder, content):
    path = folder / "dvc.lock"
    path.write_bytes(content)
    lines = refusal(yaml12.read, path, InputError)
    assert len(lines) <= 1
    assert all(line.startswith(f"{path}: ") for line in lines)
