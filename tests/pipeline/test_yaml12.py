"""YAML is read as DVC reads it; what is no YAML is refused in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError


def test_numbers_and_booleans_are_those_of_version_1_2():
    text = b"\xef\xbb\xbf[1e-05, 1e5, 007, 0x1F, true, no, On, 'no', ~, .inf]"
    expected = [1e-05, 1e5, 7, 31, True, "no", "On", "no", None, float("inf")]
    assert repr(yaml12.parse(text, "params.yaml")) == repr(expected)  # tells 1 from 1.0


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"b: 1\nb: 2\n", 'not valid YAML: found duplicate key "b" with value "2" (original value: "1"), line 2'),
        (b"a: 1\nb: \xff\n", "expected text in UTF-8, found other bytes, line 2; save it as UTF-8"),
        (b"a: !!bool maybe", "not valid YAML: 'maybe'"),
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
