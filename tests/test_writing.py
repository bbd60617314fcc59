"""A file is whole or not there."""

import pytest

from kidneyct.writing import writing


def test_it_takes_its_place_once_it_is_written(tmp_path):
    path = tmp_path / "new" / "model.weights.h5"
    with writing(path) as partial:
        partial.write_text("whole")
        assert partial.name.endswith(".weights.h5")
        assert not path.exists()
    assert [(file.name, file.read_text()) for file in path.parent.iterdir()] == [("model.weights.h5", "whole")]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_what_stops_half_way_leaves_what_was_there(tmp_path, stop):
    path = tmp_path / "a.csv"
    path.write_text("before")

    def write():
        with writing(path) as partial:
            partial.write_text("hal")
            raise stop

    with pytest.raises(stop):
        write()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.csv", "before")]


def test_what_can_t_be_written_is_called_by_its_name(tmp_path):
    def write():
        with writing(tmp_path / "a.csv") as partial:
            raise OSError(28, "No space left on device", str(partial))

    with pytest.raises(OSError, match="No space left") as error:
        write()
    assert error.value.filename == str(tmp_path / "a.csv")
