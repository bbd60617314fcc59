"""An exported model: the same bytes each time, and one line for whatever else lies in such a file."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import whole_run
from hypothesis import given
from hypothesis import strategies as st
from layers import one_line
from safetensors import numpy as safetensors

from kidneyct.pipeline import lock
from kidneyct.pipeline.errors import InputError
from kidneyct.predict import model_file, trained_model
from kidneyct.predict.trained_model import Finished, TrainedModel

SHAPES = {"dense/kernel": (3, 2), "dense/bias": (2,), "normalization/count": ()}
ARRAYS = {name: np.full(shape, number, "float32") for number, (name, shape) in enumerate(SHAPES.items())}
THUMBNAILS = np.random.default_rng(0).integers(0, 256, (6, 25, 25), np.uint8)
PARAMETERS = lock.dotted(whole_run.PARAMETERS)
NEEDED = (field.alias for field in trained_model.Settings.model_fields.values())
SETTINGS = trained_model.Settings.model_validate({key: PARAMETERS[key] for key in NEEDED})
MODEL = TrainedModel(Path("w.h5"), SETTINGS, THUMBNAILS, 0.75)
RUN = Finished(MODEL, "candidate", PARAMETERS, {}, {}, {}, {})
NONE = "expected a model that kidneyct export wrote, found none that can be read ("


def written(path, with_thumbnails=True, run=RUN):
    model_file.write(path, run, ARRAYS, "# A card\n", with_thumbnails)
    return path


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return written(tmp_path_factory.mktemp("export") / "model.zip").read_bytes()


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, parts, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return path


def both(path):
    """An exported model whose arrays were checked."""
    _, model = model_file.read(path)
    trained_model.check_arrays(model, SHAPES)
    return model


def refusal(path):
    with pytest.raises(InputError) as error:
        both(path)
    line = one_line(error)
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def test_what_was_written_is_read(content, tmp_path):
    (tmp_path / "m.zip").write_bytes(content)
    model = both(tmp_path / "m.zip")
    assert model.arrays.keys() == SHAPES.keys()
    assert all(np.array_equal(model.arrays[name], ARRAYS[name]) for name in SHAPES)
    np.testing.assert_array_equal(model.thumbnails, THUMBNAILS)
    same = {"weights": tmp_path / "m.zip", "arrays": None, "thumbnails": None}
    assert model._replace(**same) == MODEL._replace(**same, generated=True)
    real = RUN._replace(parameters=RUN.parameters | {"data.source": "/home/someone/scans"})
    role, model = model_file.read(written(tmp_path / "real.zip", with_thumbnails=False, run=real))
    assert (role, model.generated, model.thumbnails) == ("candidate", False, None)
    content = (tmp_path / "real.zip").read_bytes()
    assert b"/home/someone" not in content
    assert THUMBNAILS.tobytes() not in content


def test_the_same_run_gives_the_same_bytes_that_any_tool_reads(content, tmp_path):
    assert written(tmp_path / "other" / "name").read_bytes() == content
    assert str(tmp_path).encode() not in content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    parts = members(content)
    assert list(parts) == ["model.json", "card.md", "weights.safetensors"]
    assert parts["card.md"] == b"# A card\n"
    assert safetensors.load(parts["weights.safetensors"]).keys() == {*SHAPES, "thumbnails"}
    about = json.loads(parts["model.json"])
    assert about["parameters"]["data.classes"] == whole_run.CLASSES
    assert (about["threshold"], about["images"], about["generated"]) == (0.75, 6, True)


def test_nothing_is_overwritten_not_by_its_draft_either(tmp_path):
    (tmp_path / ".env").write_text("mine")
    (tmp_path / "link").symlink_to("none")
    for name, taken in (("link", "link"), ("", ""), ("env", ".env")):
        with pytest.raises(InputError, match=f"^{tmp_path / taken}: expected no such file, found one; choose another"):
            written(tmp_path / name)
    assert (tmp_path / ".env").read_text() == "mine"


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("", {"format": 1}),
        ("parameters", {"preprocess.sharpen": 1}),
        ("parameters", {"preprocess.image_size": 10**9}),
        ("parameters", {"data.classes": ["../x", "b"]}),
        ("", {"threshold": float("nan")}),
    ],
)
def test_a_description_that_is_none(content, tmp_path, section, change):
    about = json.loads(members(content)["model.json"])
    (about[section] if section else about).update(change)
    where = ".".join(filter(None, [section, *change]))
    for text, said in ((json.dumps(about), where), ("[" * 100_000, ""), ("1" * 5000, ""), ("", "")):
        path = packed(tmp_path / "m.zip", members(content) | {"model.json": text})
        assert refusal(path).startswith(f"model.json is of another kidneyct, or damaged ({said}")
        assert "Predicate" not in refusal(path)


def tensors(**changes):
    return safetensors.save({name: values for name, values in (ARRAYS | changes).items() if values is not None})


HUGE = json.dumps({"dense/kernel": {"dtype": "F32", "shape": [10**15], "data_offsets": [0, 4 * 10**15]}}).encode()


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        (tensors(**{"dense/bias": np.zeros(3, "float32")}), "expected ('float32', (2,)) as dense/bias, found ('float3"),
        (tensors(**{"dense/bias": None}), "expected ('float32', (2,)) as dense/bias, found none"),
        (tensors(more=np.zeros(3, "float32")), "expected none as more, found ('float32', (3,))"),
        (tensors(**{"dense/bias": np.array([0, np.nan], "float32")}), "expected finite numbers in dense/bias, found N"),
        (tensors(thumbnails=THUMBNAILS[:1]), "expected uint8 (6, 25, 25) as thumbnails, found (1, 25, 25)"),
        (struct.pack("<Q", len(HUGE)) + HUGE, NONE),
        (b"", NONE),
    ],
)
def test_weights_that_are_none(content, tmp_path, weights, line):
    path = packed(tmp_path / "m.zip", members(content) | {"weights.safetensors": weights})
    assert refusal(path).startswith(line)


def test_nothing_in_it_is_unpacked_or_waited_for(content, tmp_path):
    path, parts = tmp_path / "m.zip", members(content)
    packed(path, parts | {"weights.safetensors": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**5
    assert refusal(path).startswith(f"{NONE}its members are compressed); ask for the file again, or make it again with")
    claims, place = bytearray(content), content.index(b"PK\x01\x02")  # the list's first member
    claims[place + 20 : place + 28] = struct.pack("<2I", 2**31, 2**31)
    path.write_bytes(claims)
    assert refusal(path).startswith(NONE)
    os.mkfifo(tmp_path / "pipe")
    for name, found in (("pipe", "a pipe or a device"), (".", "a folder"), ("none", "No such file or directory")):
        assert refusal(tmp_path / name).startswith(f"{NONE}{found})")
    with pytest.raises(InputError, match="embedded null byte"):
        model_file.read("nul\0byte")


def ends_rightly(path):
    """The model, checked, or None where one line was said."""
    try:
        model = both(path)
    except InputError as error:
        if not str(error).isprintable():
            raise
        return None
    assert 32 <= model.settings.image_size <= 1024
    assert model.thumbnails is None or model.thumbnails.shape[1:] == (25, 25)
    return model


CHANGES = st.lists(st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4)


def changed(content, changes, cut):
    spoilt = bytearray(content)
    for place, new in changes:
        place %= len(spoilt)
        spoilt[place : place + len(new)] = new
    return bytes(spoilt[: len(content) - cut % len(content)])


@pytest.mark.fuzz
@given(
    changes=CHANGES,
    where=st.sampled_from(["zip", "lists", "weights.safetensors", "model.json"]),
    cut=st.just(0) | st.integers(0, 2**16),
)
def test_any_bytes(content, tmp_path_factory, changes, where, cut):
    """What is read is what was written. A quarter of the changes lie in the zip's own lists, a quarter in a member."""
    path, parts = tmp_path_factory.getbasetemp() / "changed.zip", members(content)
    if where in parts:
        ends_rightly(packed(path, parts | {where: changed(parts[where], changes, cut)}))
        return
    if where == "lists":
        start = content.index(b"PK\x01\x02")
        changes = [(start + place % (len(content) - start), new) for place, new in changes]
    path.write_bytes(changed(content, changes, cut))
    if model := ends_rightly(path):
        assert all(np.array_equal(model.arrays[name], ARRAYS[name]) for name in SHAPES)
        assert np.array_equal(model.thumbnails, THUMBNAILS)
