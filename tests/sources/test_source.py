"""No output of the pipeline is taken for the user's data."""

import os

import pytest

from kidneyct.pipeline.errors import InputError
from kidneyct.sources import source

OUTS = ["data/archive.zip", "data/maps"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("data/maps", "scans"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/archive.zip").write_bytes(b"mine")
    return tmp_path


def test_an_output_or_what_leads_to_one_is_refused(project):
    (project / "link.zip").symlink_to("data/archive.zip")
    (project / "linked").symlink_to("data")
    names = ["data/archive.zip", "./scans/../data/archive.zip", project / "data/archive.zip", "link.zip"]
    for name in [*names, "linked/archive.zip", "data/maps", "data/maps/more/scans"]:
        with pytest.raises(InputError) as caught:
            source.refuse(name, OUTS, "data.labels")
        assert str(caught.value).startswith(f"params.yaml: data.labels: found {name}, which is data/")
        assert "move the file elsewhere" in str(caught.value)
    with pytest.raises(InputError) as caught:
        source.refuse("linked/maps", ["data/maps"], "data.external", source.TRAINED)
    assert str(caught.value) == (
        "params.yaml: data.external: found linked/maps, which is data/maps, data.source, that the models are "
        "trained on; give another folder or zip, or none"
    )


def test_what_stays_where_it_is_is_allowed(project):
    os.link(project / "data/archive.zip", project / "kept.zip")  # DVC removes one of the two names
    for name in ("kaggle", "phantom", "kept.zip", "scans", "data", "nowhere", "a\0b", "x" * 5000):
        source.refuse(name, OUTS, "data.source")


def test_a_table_is_linked_to_and_none_where_there_is_none(project):
    (project / "mine.csv").write_text("image,series\n")
    source.watch("mine.csv", "data/table")
    assert (project / "data/table/table.csv").read_text() == "image,series\n"
    assert (project / "data/table/table.csv").is_symlink()
    for word in source.TABLES:
        source.watch(word, "data/table")
        assert [path.name for path in (project / "data/table").iterdir()] == ["none.txt"]
    assert (project / "mine.csv").exists()
    for table in ("nowhere.csv", "scans"):
        with pytest.raises(InputError, match=rf"^params\.yaml: series\.table: expected .* found no file at {table} "):
            source.watch(table, "data/table")
