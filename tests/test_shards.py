"""Shards: whole or not there, and found again."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from kidneyct.files import arrays, shards
from kidneyct.pipeline.errors import InputError


def begin():
    """What makes a shard of two rows, of a number, and counts how often."""
    count = 0

    def make(number, folder):
        nonlocal count
        count += 1
        np.save(folder / "a.npy", np.full((2, 3), number, np.uint8))
        (folder / "t.csv").write_text(f"image\n{number}.png\n")
        return {"count": count}

    return make


def test_the_spans_cover_each_row_once():
    assert shards.spans(7, 3) == [(0, 3), (3, 6), (6, 7)]
    assert shards.spans(6, 3) == [(0, 3), (3, 6)]
    assert shards.spans(0, 3) == []


def test_a_whole_shard_is_not_made_again(tmp_path):
    make = shards._begin(begin, tmp_path, "features")
    first = make((0, 5))
    assert first["count"] == 1
    assert first["shapes"] == {"a.npy": (2, 3)}
    assert set(first["sha256"]) == {"a.npy", "t.csv"}
    again = shards._begin(begin, tmp_path, "features")
    assert again((0, 5)) == json.loads(json.dumps(first))
    assert again((1, 6))["count"] == 1  # so it did not make the other


@pytest.mark.parametrize("name", ["a.npy", "t.csv", "facts.json"])
@pytest.mark.parametrize("damage", [b"", None, "one bit"])
def test_a_damaged_shard_is_made_again(tmp_path, name, damage):
    make = shards._begin(begin, tmp_path, "features")
    path = tmp_path / "00000" / name
    expected = make((0, 5))["sha256"], path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[0] ^= 1
        path.write_bytes(content if damage else b"")
    facts = make((0, 5))
    assert (facts["count"], facts["sha256"]) == (2, expected[0])
    if name != "facts.json":
        assert path.read_bytes() == expected[1]


def test_a_shard_on_which_process_after_process_dies_is_given_up(tmp_path):
    make = shards._begin(begin, tmp_path, "features")
    for number in range(shards.TRIES):
        (tmp_path / f"00003-{number}").mkdir()
    line = "^features: the process at work on shard 3 was killed 4 times, .*; free some and run it again, which goes on"
    with pytest.raises(InputError, match=line):
        make((3, 5))
    make((2, 5))


def test_gathered_shards_are_an_array_and_their_tables_one(tmp_path):
    make = shards._begin(begin, tmp_path, "features")
    work, made = SimpleNamespace(folder=tmp_path), [make((number, number)) for number in range(3)]
    shards.join(made, "t.csv", tmp_path / "all.csv", work)
    assert (tmp_path / "all.csv").read_text() == "image\n0.png\n1.png\n2.png\n"
    path = tmp_path / "data/b.npy"
    for _ in range(2):  # also where an earlier one lies
        shards.gather(made, "a.npy", path, (3,), 2, work)
        found = arrays.read(path, np.uint8, (6, 3))
        assert (found.images, found.shapes) == (2, [(2, 3)] * 3)
        assert np.asarray(found)[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
        made = [make((number, number)) for number in range(3)]
