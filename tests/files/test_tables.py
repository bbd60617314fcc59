"""Tables that stages leave: whole and of their columns, or one line that names the file."""

import pytest

from kidneyct.files import tables
from kidneyct.pipeline.errors import InputError

RATES = """\
learning_rate,epochs,kept_epoch,val_loss,val_accuracy,stopped,edge,kept
0.0001,5,3,1.25,0.5,1,lowest,1
0.001,5,5,1.5,0.25,0,highest,0
"""


def test_a_table_and_the_line_that_is_kept(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text(RATES)
    trials = tables.read(path, tables.RATES)
    assert trials["learning_rate"].tolist() == [0.0001, 0.001]
    kept = tables.kept(trials)
    assert (kept["kept_epoch"], kept["val_loss"], kept["edge"]) == (3, 1.25, "lowest")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "none (No columns to parse from file)"),
        (RATES[:-2], "a last line that is cut short"),
        (RATES.splitlines()[0] + "\n", "no line below their names"),
        (RATES.replace(",edge", ""), "lines of more values than the first has names"),
        (RATES.replace("edge", "age"), "no column edge"),
        (RATES.replace("0.25", "1.25"), "another val_accuracy than numbers from 0 to 1"),
        (RATES.replace("1.5", "inf"), "another val_loss than numbers"),
        (RATES.replace("5,3", "5.5,3"), "another epochs than whole numbers from 0"),
        (RATES.replace("lowest", ""), "another edge than text"),
        (RATES.replace("highest,0", "highest,2"), "another kept than only 0 and 1"),
        (RATES.replace("highest,0", "highest,1"), "2 lines that are kept, not one"),
    ],
)
def test_what_is_none_is_one_line(tmp_path, content, found):
    path = tmp_path / "rates.csv"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        tables.read(path, tables.RATES)
    assert str(caught.value).startswith(f"{path}: expected a table")
    assert f", found {found}" in str(caught.value)
    assert str(caught.value).endswith(f"; bring it back with dvc checkout {path}, or make it anew with dvc repro")
