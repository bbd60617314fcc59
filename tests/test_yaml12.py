"""YAML is read as DVC reads it, with ruamel, and where not, as YAML 1.2's core schema says."""

import math

import pytest
from ruamel.yaml import YAML, YAMLError

from kidneyct import yaml12
from kidneyct.errors import InputError

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
    assert line.startswith(f"{path}: not valid YAML: found the key 'seed' twice in ")
    assert "line 2, column 1" in line
    assert "\n" not in line
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(InputError, match="not valid YAML"):
        yaml12.read(path)
    with pytest.raises(FileNotFoundError):
        yaml12.read(tmp_path / "none.yaml")
