"""Arrays on disk: what is written, and that nothing else is read."""

import io
import pickle

import numpy as np
import pytest

from kidneyct.files import arrays
from kidneyct.pipeline.errors import InputError

ROWS = np.arange(4 * 6, dtype=np.uint8).reshape(4, 2, 3)


def test_the_bytes_are_numpys_own_however_many_rows_were_expected(tmp_path):
    np.save(tmp_path / "n.npy", ROWS)
    with arrays.written(tmp_path / "a.npy", np.uint8, (2, 3), 1_000_000) as rows:
        rows.append(ROWS[:1])
        rows.append(ROWS[1:])
        assert not (tmp_path / "a.npy").exists()
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "n.npy").read_bytes()


def test_what_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="rows of"), arrays.written(tmp_path / "a.npy", np.uint8, (2, 3), 3) as rows:
        rows.append(ROWS)
    assert list(tmp_path.iterdir()) == []


class Runs:
    def __reduce__(self):
        return print, ("ran",)


def saved(value):
    buffer = io.BytesIO()
    np.save(buffer, value)
    return buffer.getvalue()


WHOLE = saved(np.zeros((3, 25, 25), np.uint8))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no such array"),
        (WHOLE[:-1], "no such array (mmap length is greater than file size)"),
        (pickle.dumps(Runs()), "no such array"),
        (saved(np.array([Runs()])), "no such array (Array can't be memory-mapped: Python objects in dtype.)"),
        (saved(np.zeros((3, 25, 25))), "float64 of shape (3, 25, 25)"),
        (saved(np.zeros((2, 25, 25), np.uint8)), "uint8 of shape (2, 25, 25)"),
    ],
)
def test_another_file_is_one_line_and_runs_nothing(tmp_path, capsys, content, found):
    path = tmp_path / "t.npy"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        arrays.thumbnails(path, 3)
    line = str(caught.value)
    assert line.startswith(f"{path}: expected uint8 of shape (3, 25, 25), found {found}")
    assert line.endswith(f"; bring it back with dvc checkout {path}, or make it again with dvc repro")
    assert "\n" not in line
    assert capsys.readouterr().out == ""


def test_a_missing_file_and_named_arrays(tmp_path):
    for read in (arrays.images, arrays.read_named):
        with pytest.raises(InputError, match=r"a\.npz: not there; run dvc repro, or dvc pull"):
            read(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "a.npz", rows=np.arange(3), saliency=ROWS)
    assert {name: array.shape for name, array in arrays.read_named(tmp_path / "a.npz").items()} == {
        "rows": (3,),
        "saliency": (4, 2, 3),
    }
    content = (tmp_path / "a.npz").read_bytes()
    for damaged in (b"", content[:-9], content[:60] + b"x" * 60 + content[120:], saved(ROWS), pickle.dumps(Runs())):
        (tmp_path / "b.npz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"b\.npz: expected named arrays, found none"):
            arrays.read_named(tmp_path / "b.npz")
