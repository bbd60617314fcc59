"""dvc.lock may hold anything: after a merge, an editor, a disk's fault."""

import os
from pathlib import Path

import finished
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kidneyct.pipeline import lock
from kidneyct.pipeline.errors import InputError

PARAMETERS = {"train@candidate": {"train.learning_rate": 1e-05, "data.classes": ["a", "b"]}}
CONFLICT = "<<<<<<< HEAD\nstages: {}\n=======\n"


def said(call, *arguments):
    """What a call returns, or the one line that says what is amiss; all else fails."""
    try:
        return call(*arguments)
    except InputError as error:
        (line,) = str(error).splitlines()
        return line


def parsed(content):
    """The lock, every chain of which was followed, or the line that says what is amiss."""
    found = said(lock.parse, content, "dvc.lock")
    for stage in found.stages if isinstance(found, lock.Lock) else ():
        said(lock.one_run, found, stage)
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


@pytest.mark.fuzz
@given(st.binary())
def test_any_bytes_are_a_lock_or_one_line(content):
    parsed(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "dvc.lock: Input should be a valid dictionary"),
        ("stages: []", "dvc.lock: stages: Input should be a valid dictionary"),
        (
            "stages: {a: {outs: [{path: x}]}}",
            "dvc.lock: stages: a: outs: 0: md5: Field required; settle what",
        ),
        ("stages: {a: {outs: [{path: x, md5: 1}]}}", "md5: Input should be a valid string"),
        (CONFLICT, "dvc.lock: not valid YAML: "),
        (CONFLICT, "; settle what a merge left in it and run dvc repro, or git checkout dvc.lock"),
        ("\0\0\0", "dvc.lock: not valid YAML: "),
    ],
)
def test_what_is_amiss_is_named(text, message):
    assert message in parsed(text.encode())


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path, "a folder"), (tmp_path / "pipe", "a pipe or a device")):
        assert said(lock.read, path).startswith(f"{path}: expected a file of YAML, found {kind}; settle what")


def test_a_stage_that_reads_what_it_writes_is_followed_once():
    circle = "stages: {a: {deps: [{path: y, md5: p}], outs: [{path: x, md5: q}]}, b: {deps: [{path: x, md5: q}], "
    circle += "outs: [{path: y, md5: p}]}}"
    assert set(lock.one_run(lock.parse(circle.encode(), ""), "a")) == {"a", "b"}


def test_files_of_different_runs_are_told_from_those_of_one(tmp_path, monkeypatch):
    """What a page is made of, by hand: one run's files, another parameter, another run's file, another run's stage."""
    monkeypatch.chdir(tmp_path)
    history = Path("models/candidate/history.csv")
    history.parent.mkdir(parents=True)
    history.write_text("epoch\n1\n")
    values = PARAMETERS["train@candidate"]

    def together(values):
        return said(lock.check_together, ["train@candidate", "never run"], values, ("plots/",))

    assert together(values) is None  # no lock, nothing known
    tree = finished.lock(tmp_path, PARAMETERS)
    assert together(values) is None
    line = together(values | {"train.learning_rate": 0.1})
    assert line.startswith("dvc.lock: made with train.learning_rate: 1e-05, params.yaml says 0.1; run dvc repro")
    history.write_text("epoch\n1\n2\n")
    line = together(values)
    assert line.startswith(f"{history}: not the file that dvc.lock knows, but another run's; run dvc repro")
    tree["stages"]["split"]["outs"][0]["md5"] = "0" * 32
    finished.write(tmp_path, tree)
    assert together(values).startswith("dvc.lock: data/split.csv is of another run: split wrote it anew")
