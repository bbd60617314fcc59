"""dvc.lock may hold anything: after a merge, an editor, a disk's fault."""

import json
import tempfile
from pathlib import Path

import finished
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kidneyct.pipeline import lock
from kidneyct.pipeline.errors import InputError

PARAMETERS = {stage: {} for stage in ("preprocess", "series", "split", "features@candidate")}
PARAMETERS |= {"train@candidate": {"train.learning_rate": 1e-05, "data.classes": ["a", "b"]}}


def said(call, *arguments):
    """What a call returns, or the one line that says what is amiss; all else fails."""
    try:
        return call(*arguments)
    except InputError as error:
        (line,) = str(error).splitlines()
        return line


def parsed(content):
    """The lock, every chain of which was followed, or the line that says what is amiss."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dvc.lock").write_bytes(content)
        found = said(lock.read, folder)
        for stage in found.stages if isinstance(found, lock.Lock) else ():
            said(lock.one_run, found, stage, folder)
    return found


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return yaml.safe_dump(finished.document(tmp_path_factory.mktemp("lock"), PARAMETERS)).encode()


@pytest.mark.fuzz
@given(data=st.data())
def test_changed_bytes_are_a_lock_or_one_line(real, data):
    content = bytearray(real)
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    parsed(bytes(content))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=8) | st.dates()
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["stages", "deps", "outs", "params", "path", "md5"]) | st.text(), inner)
    ),
    max_leaves=30,
)


@pytest.mark.fuzz
@given(tree=TREES)
def test_any_tree_is_a_lock_or_one_line(tree):
    parsed(yaml.safe_dump(tree).encode())
    parsed(yaml.safe_dump({"stages": tree}).encode())
    parsed(yaml.safe_dump({"stages": {"train@candidate": tree}}).encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "dvc.lock: Input should be a valid dictionary"),
        ("stages: {a: {outs: [{path: x}]}}", "dvc.lock: stages.a.outs.0.md5: Field required; settle what"),
        ("<<<<<<< HEAD\nstages: {}\n=======\n", "dvc.lock: not valid YAML: "),
    ],
)
def test_what_is_amiss_is_named(text, message):
    assert message in parsed(text.encode())


def test_a_stage_that_reads_what_it_writes_is_followed_once():
    circle = "stages: {a: {deps: [{path: y, md5: p}], outs: [{path: x, md5: q}]}, b: {deps: [{path: x, md5: q}], "
    circle += "outs: [{path: y, md5: p}]}}"
    assert set(lock.one_run(parsed(circle.encode()), "a", Path())) == {"a", "b"}


def read_and_written(dep, md5):
    """A lock of two writers of folders, and of one stage that read `dep`."""
    stages = {f"train@{role}": {"outs": [{"path": f"models/{role}", "md5": "?"}]} for role in ("a", "b")}
    return lock.Lock.model_validate({"stages": stages | {"compare": {"deps": [{"path": dep, "md5": md5}]}}})


@pytest.mark.parametrize(("dep", "writers"), [("models", {"train@a", "train@b"}), ("models/a/w.h5", {"train@a"})])
def test_a_part_of_an_output_and_several_are_known_by_what_lies_there(tmp_path, dep, writers):
    for role in ("a", "b"):
        (tmp_path / "models" / role).mkdir(parents=True)
        (tmp_path / "models" / role / "w.h5").write_text(role)
    known = read_and_written(dep, lock.digest(tmp_path / dep))
    assert set(lock.one_run(known, "compare", tmp_path)) == {"compare", *writers}
    (tmp_path / "models/a/w.h5").write_text("again")
    line = said(lambda: lock.one_run(known, "compare", tmp_path))
    assert line.startswith(
        f"{tmp_path}/dvc.lock: models/a is of another run: train@a wrote it again, and compare has not been run"
    )


def test_a_file_of_another_run_is_named(tmp_path):
    folder = tmp_path / "data/images"
    folder.mkdir(parents=True)
    (folder / "thumbnails.npy").write_text("one")
    known = {"data/images": lock.digest(folder)}
    assert said(lock.check_file, tmp_path, "data/images/thumbnails.npy", known) is None
    (folder / "thumbnails.npy").write_text("another")
    line = said(lock.check_file, tmp_path, "data/images/thumbnails.npy", known)
    assert line.startswith(f"{folder}: not the file that dvc.lock knows, but another run's; run dvc checkout")


def test_of_a_folder_one_file_is_hashed_where_the_cache_knows_it(tmp_path):
    folder = tmp_path / "data/images"
    folder.mkdir(parents=True)
    for name in ("images.npy", "thumbnails.npy"):
        (folder / name).write_text(name)
    whole = lock.digest(folder)
    entries = [{"md5": lock.digest(folder / name), "relpath": name} for name in ("images.npy", "thumbnails.npy")]
    (folder / "images.npy").write_text("another")

    def check():
        return said(lock.check_file, tmp_path, "data/images/thumbnails.npy", {"data/images": whole})

    assert check().endswith("or dvc repro for a new one")  # all are hashed
    cached = tmp_path / ".dvc/cache/files/md5" / whole[:2] / whole[2:]
    cached.parent.mkdir(parents=True)
    cached.write_text(json.dumps(entries))
    assert check() is None
    (folder / "thumbnails.npy").write_text("another")
    assert "thumbnails.npy: not the file that dvc.lock knows, but another run's; run dvc checkout" in check()
