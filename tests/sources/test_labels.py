"""The table of labels, and the line that each mistake gets."""

import pytest

from kidneyct.pipeline.errors import InputError
from kidneyct.sources import labels

CLASSES = ["Cyst", "Stone"]


def table(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return labels.read(str(path), CLASSES)


def refused(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_table_as_spreadsheets_write_it(tmp_path):
    found = table(tmp_path, '\ufeffpatient,note,label\r\n" P,1 ",x,Cyst\r\n\r\n007,,Stone\r\n')
    assert (found.key, found.lines) == ("patient", {"P,1": ("Cyst", 2), "007": ("Stone", 4)})
    assert labels.given(found, {"a": "P,1", "b": "007", "c": "P,1"}) == {"a": "Cyst", "b": "Stone", "c": "Cyst"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected a column label and one of file, series, patient, found columns none; rename or remove"),
        ("file;label\n", "found columns file;label; rename or remove columns, and save it with commas"),
        ("file,series,label\n", "found columns file, series, label;"),
        ("file,label,label\n", "found columns file, label, label;"),
        ("file,label\nP1,Tumor\n", "line 2 has the class Tumor, not one of Cyst, Stone; mend the table"),
        ("file,label\nP1,\n", "line 2 has the class none, not one of"),
        ("file,label\nP1,Cyst\nP1,Stone\n", "line 3 names the file of line 2 again; mend the table"),
        ("file,label\nP1,Cyst,x\n", "line 2 has 3 values, not 2 as the first; mend"),
        ("file,label\n ,Cyst\n", "line 2 names no file; mend"),
        ('file,label\n"P1,Cyst\n', "not a CSV file in UTF-8 (unexpected end of data); save it anew"),
        (b"file,label\n\xff,Cyst\n", "not a CSV file in UTF-8 ("),
    ],
)
def test_a_mistake_is_one_line_with_its_number(tmp_path, text, line):
    told = refused(table, tmp_path, text)
    assert told.startswith(f"data.labels: {tmp_path}/labels.csv: ")
    assert line in told
    assert "P1" not in told


def test_no_file_at_all(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        told = refused(labels.read, str(path), CLASSES)
        assert told == f"data.labels: {path}: expected a CSV file, found none there; give the path of one"


def test_what_has_no_line_and_lines_that_name_nothing(tmp_path):
    found = table(tmp_path, "patient,label\nP1,Cyst\nP2,Stone\n")
    assert "expected a line for the patient of each file, found none for b; add them, save leading zeros" in refused(
        labels.given, found, {"a": "P1", "b": "00P2", "c": "P2"}
    )
    assert "expected each patient to be in data.source, found none for line 3; remove or mend them" in refused(
        labels.given, found, {"a": "P1"}
    )
