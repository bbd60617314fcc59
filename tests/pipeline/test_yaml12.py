"""YAML is read as DVC reads it, with ruamel, and where not, as YAML 1.2's core schema says."""

import math

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
    "train: {learning_rate: 1e-05, precision: float32}",
    "classes:\n- no\n- 'no'\n- 08",
    "\ufeffa: 'it''s'\r\nb: |\n  x\n  y\n",
    "1: a\n'1': b",
    "a: !!str 1\nb: !!float 1\nc: !!int 0x1F",
    "a: &x {p: 1}\nc: &y {p: 2, r: 1}\nb:\n  q: 3\n  <<: [*x, *y]",
    "a: {n: &x {<<: &y {p: 1, q: 1}, p: 2}}\nb: {<<: *x, p: 3}",  # merged twice, overridden each time
]
NONE = ["[1", "}", "a: b: c", "\ta: 1", "@a", "a\n---\nb", "a: *x", "a: 1\na: 2", "1: a\n0x1: b", "true: 1\nTrue: 2"]
NONE += ["a: &x {p: 1}\nb:\n  <<: *x\n  <<: *x", "b:\n  <<: 3", "a: !!bool maybe", "a: !!int x", "a: \x07"]


def by_ruamel(text):
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("text", [*SCALARS.split(), *DOCUMENTS])
def test_what_is_read_is_what_ruamel_reads(text):
    assert repr(yaml12.load(text)) == repr(by_ruamel(text))  # tells 1 from 1.0 and from "1"


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_yaml_to_ruamel_is_none_here(text):
    with pytest.raises((YAMLError, KeyError, ValueError)):
        by_ruamel(text)
    with pytest.raises(yaml12.Error):
        yaml12.load(text)


def test_where_ruamel_differs_from_the_core_schema():
    assert yaml12.load("[.5e1, 2001-01-01, 1_000, -0x1F]") == [5.0, "2001-01-01", "1_000", "-0x1F"]
    assert math.isnan(yaml12.load(".NaN"))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"seed: 1\nseed: 2\n", "not valid YAML: found the key 'seed' twice, line 2, column 1"),
        (b"a: 1\nb: \xff\n", "expected text in UTF-8, found other bytes, line 2; save it as UTF-8"),
        (b"a: !!python/object/apply:os.system [exit 3]",
            "not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.system', line 1, column 4"),
    ],
)  # fmt: skip
def test_a_file_that_can_not_be_read_is_one_line(tmp_path, content, line):
    path = tmp_path / "dvc.lock"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        yaml12.read(path)
    assert str(caught.value).startswith(f"{path}: {line}")
    assert "\n" not in str(caught.value)


WORDS = [*"[]{},:?-!&*|>'\"#%@` \n\t\0\\", "- ", ": ", "? ", "\n  ", "<<: *a", "&a ", "*a", "...", "---\n"]
WORDS += ["!!int ", "!!set ", "!!omap ", "!!timestamp ", "!!binary ", "!!python/name:os ", "0x", "1e", ".nan", "a", "1"]
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=40).map("".join)).map(str.encode)


@pytest.mark.fuzz
@given(st.one_of(st.binary(), TEXT))
def test_any_bytes_are_read_or_refused_in_one_line(content):
    said = "dvc.lock: "
    try:
        yaml12.parse(content, "dvc.lock")
    except InputError as error:
        said = str(error)
    assert said.startswith("dvc.lock: ")
    assert "\n" not in said
