"""An exported model: the same bytes each time, and one line for whatever else lies in such a file."""

import hashlib
import io
import json
import os
import pickle
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
from kidneyct.predict import model_file
from kidneyct.predict.trained_model import Finished, TrainedModel

SHAPES = {"dense/kernel": (3, 2), "dense/bias": (2,), "normalization/count": ()}
ARRAYS = {name: np.full(shape, number, "float32") for number, (name, shape) in enumerate(SHAPES.items())}
THUMBNAILS = np.random.default_rng(0).integers(0, 256, (6, 25, 25), np.uint8)
CLASSES, SIDE = whole_run.CLASSES, whole_run.SIDE
MODEL = TrainedModel(Path("w.h5"), CLASSES, SIDE, 16, "unit", "features", THUMBNAILS, 0.75, digest="0" * 32)
LEAKAGE = {"accuracy": {"nearest_thumbnail": 0.9625}, "near_duplicates": {"share": 0.931}}
RUN = Finished(MODEL, "candidate", lock.dotted(whole_run.PARAMETERS), LEAKAGE, {}, {}, {"accuracy": 0.875})
AGAIN = "; ask for the file again, or make it anew with kidneyct export"


def written(path, with_thumbnails=True):
    model_file.write(path, RUN, ARRAYS, "# A card\n", with_thumbnails)
    return path


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return written(tmp_path_factory.mktemp("export") / "model.zip").read_bytes()


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, parts, method=zipfile.ZIP_STORED):
    """A zip of some members, whose checksums are right."""
    parts = {name: part for name, part in parts.items() if name != "SHA256SUMS"}
    sums = "".join(f"{hashlib.sha256(part).hexdigest()}  {name}\n" for name, part in parts.items())
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, part in (parts | {"SHA256SUMS": sums.encode()}).items():
            archive.writestr(name, part)
    return path


def both(path):
    """All that is read of an exported model."""
    _, model = model_file.read(path)
    return model, model_file.weights(model, SHAPES)


def refusal(path):
    with pytest.raises(InputError) as error:
        both(path)
    line = one_line(error)
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def test_what_was_written_is_read(content, tmp_path):
    (tmp_path / "m.zip").write_bytes(content)
    model, arrays = both(tmp_path / "m.zip")
    assert arrays.keys() == SHAPES.keys()
    assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in SHAPES)
    np.testing.assert_array_equal(model.thumbnails, THUMBNAILS)
    same = ("classes", "image_size", "dense_units", "pixel_scaling", "normalize", "head", "threshold")
    assert [getattr(model, name) for name in same] == [getattr(MODEL, name) for name in same]
    assert (model.exported, model.generated, model.similarity) == (True, True, 0.99)
    real = RUN._replace(parameters=RUN.parameters | {"data.source": "/home/someone/scans", "split.by": "block"})
    model_file.write(tmp_path / "real.zip", real, ARRAYS, "# A card\n")
    assert model_file.read(tmp_path / "real.zip")[0] == "candidate"
    assert not model_file.read(tmp_path / "real.zip")[1].generated
    assert b"/home/someone" not in (tmp_path / "real.zip").read_bytes()


def test_the_same_run_gives_the_same_bytes_that_any_tool_reads(content, tmp_path):
    assert written(tmp_path / "other" / "name").read_bytes() == content
    assert str(tmp_path).encode() not in content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    parts = members(content)
    assert list(parts) == ["model.json", "card.md", "weights.safetensors", "thumbnails.safetensors", "SHA256SUMS"]
    for line in parts["SHA256SUMS"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(parts[name]).hexdigest() == digest
    assert parts["card.md"] == b"# A card\n"
    about = json.loads(parts["model.json"])
    assert about["parameters"]["preprocess"] == whole_run.PARAMETERS["preprocess"]
    assert about["parameters"]["model"] == whole_run.PARAMETERS["model"]
    assert about["parameters"]["data"] == {"classes": CLASSES}
    assert about["likeness"] == {"percentile": 1, "threshold": 0.75, "images": 6, "thumbnails": True}
    measured = {"accuracy": 0.875, "nearest_thumbnail": 0.9625, "near_duplicates": 0.931}
    assert about["run"] == {"generated": True} | measured


def test_a_run_that_lacks_such_a_parameter_is_not_exported(tmp_path):
    lacking = {name: value for name, value in RUN.parameters.items() if name != "model.transferred_blocks"}
    with pytest.raises(InputError, match=r"^dvc\.lock: parameters\.model\.transferred_blocks: Field required; run dvc"):
        model_file.write(tmp_path / "m.zip", RUN._replace(parameters=lacking), ARRAYS, "")
    assert list(tmp_path.iterdir()) == []


def test_thumbnails_are_left_out_where_that_is_asked_for(tmp_path):
    path = written(tmp_path / "m.zip", with_thumbnails=False)
    assert "thumbnails.safetensors" not in members(path.read_bytes())
    assert model_file.read(path)[1].thumbnails is None
    assert THUMBNAILS.tobytes() not in path.read_bytes()


def test_a_file_is_overwritten_only_where_it_is_an_exported_model(content, tmp_path):
    path, real = tmp_path / "m.zip", tmp_path / "real.zip"
    written(written(path))
    real.write_bytes(content)
    (tmp_path / "link").symlink_to(real)
    for other in (packed(tmp_path / "other.zip", {"a": b"1"}), tmp_path / "link"):
        before = other.read_bytes()
        with pytest.raises(InputError, match="is there and no exported model; choose another name, or remove it"):
            written(other)
        assert other.read_bytes() == before
    with pytest.raises(InputError, match="expected a name for the file, found a folder; add a name"):
        written(tmp_path)
    (tmp_path / ".env").write_text("mine")
    with pytest.raises(InputError, match=r"\.env: is in the way, as an interrupted export leaves it; remove or rename"):
        written(tmp_path / "env")
    assert (tmp_path / ".env").read_text() == "mine"


def changed_json(content, change):
    parts = members(content)
    about = json.loads(parts["model.json"])
    change(about)
    return parts | {"model.json": json.dumps(about).encode()}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda a: a.update(format=2), "made by another kidneyct (format: Input should be 1); install that one"),
        (
            lambda a: a["parameters"]["preprocess"].update(sharpen=1),
            "made by another kidneyct (parameters.preprocess.sharpen: Extra inputs are not permitted)",
        ),
        (lambda a: a["parameters"]["preprocess"].update(image_size=10**9), "model.json: parameters.preprocess.image_s"),
        (
            lambda a: a["parameters"]["data"].update(classes=["../x", "b"]),
            "model.json: parameters.data.classes.0: not allowed; ask for",
        ),
        (
            lambda a: a["parameters"]["data"].update(classes=["a", "a"]),
            "model.json: parameters.data.classes: found one class twice; ask for the file again",
        ),
        (lambda a: a["likeness"].update(threshold=float("nan")), "model.json: likeness.threshold: "),
        (
            lambda a: a["likeness"].update(images=10**9),
            "thumbnails.safetensors: expected uint8 (1000000000, 25, 25) as",
        ),
        (lambda a: a["likeness"].update(thumbnails=False), "thumbnails.safetensors: there or not against what model.j"),
    ],
)
def test_a_description_that_is_none(content, tmp_path, change, line):
    assert refusal(packed(tmp_path / "m.zip", changed_json(content, change))).startswith(line)


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def tensors(**changes):
    return safetensors.save({name: values for name, values in (ARRAYS | changes).items() if values is not None})


HUGE = json.dumps({"dense/kernel": {"dtype": "F32", "shape": [10**15], "data_offsets": [0, 4 * 10**15]}}).encode()


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        (tensors(**{"dense/bias": np.zeros(3, "float32")}), "expected float32 (2,) as dense/bias, found float32 (3,)"),
        (tensors(**{"dense/bias": None}), "expected float32 (2,) as dense/bias, found none"),
        (tensors(more=np.zeros(3, "float32")), "expected none as more, found float32 (3,)"),
        (tensors(**{"dense/bias": np.array([0, np.nan], "float32")}), "expected finite numbers in dense/bias, found N"),
        (struct.pack("<Q", len(HUGE)) + HUGE, "expected arrays in safetensors, found none ("),
        (b"", "expected arrays in safetensors, found none ("),
        (bytes(2**20 + 40), "missing or damaged (1,048,616 bytes, more than 1,048,612); ask for the file again"),
    ],
)
def test_weights_that_are_none(content, tmp_path, weights, line):
    path = packed(tmp_path / "m.zip", members(content) | {"weights.safetensors": weights})
    assert refusal(path).startswith(f"weights.safetensors: {line}")


def test_a_pickle_is_not_unpickled(content, tmp_path):
    pickled = pickle.dumps(Payload(tmp_path / "ran"))
    refusal(packed(tmp_path / "m.zip", members(content) | {"weights.safetensors": pickled}))
    (tmp_path / "m.zip").write_bytes(pickled)
    assert refusal(tmp_path / "m.zip").startswith("expected a model that kidneyct export wrote, found another file")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["card.md", "weights.safetensors", "thumbnails.safetensors", "SHA256SUMS"])
def test_a_member_that_is_missing_or_changed(content, tmp_path, name):
    parts, path = members(content), tmp_path / "m.zip"

    def zipped(parts):
        with zipfile.ZipFile(path, "w") as archive:
            for other, part in parts.items():
                archive.writestr(other, part)
        return refusal(path)

    missing = "SHA256SUMS: missing or damaged (" if name == "SHA256SUMS" else "expected SHA256SUMS, card.md, model.json"
    assert zipped({other: part for other, part in parts.items() if other != name}).startswith(missing)
    changed = "expected SHA256SUMS, card.md, model.json" if name == "SHA256SUMS" else f"{name}: expected SHA-256 "
    assert zipped(parts | {name: parts[name][:-2] + b"!!"}).startswith(changed)


def test_neither_a_bomb_nor_a_claim_of_size_is_read(content, tmp_path):
    path = packed(tmp_path / "m.zip", members(content) | {"weights.safetensors": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**5
    assert refusal(path) == f"expected a model that kidneyct export wrote, found compressed members{AGAIN}"
    claims, place = bytearray(content), content.index(b"PK\x01\x02")  # the list's first member
    claims[place + 20 : place + 28] = struct.pack("<2I", 2**31, 2**31)
    path.write_bytes(claims)
    assert refusal(path).startswith("model.json: missing or damaged (2,147,483,648 bytes, more than 1,048,576)")


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for path, found in (
        (tmp_path / "pipe", "a pipe or a device; give the file"),
        (tmp_path, "a folder; give the file"),
        (tmp_path / "none", "no such file; give the file that kidneyct export wrote"),
        (tmp_path / "empty", f"another file, or a damaged one (File is not a zip file){AGAIN}"),
    ):
        assert refusal(path) == f"expected a model that kidneyct export wrote, found {found}"
    with pytest.raises(InputError, match="found another file, or a damaged one"):
        model_file.read("nul\0byte")


def test_weights_that_were_replaced_meanwhile(content, tmp_path):
    path = packed(tmp_path / "m.zip", members(content))
    _, model = model_file.read(path)
    packed(path, members(content) | {"weights.safetensors": tensors(**{"dense/bias": np.zeros(2, "float32")})})
    with pytest.raises(InputError, match=r"weights\.safetensors: expected SHA-256 "):
        model_file.weights(model, SHAPES)


def ends_rightly(path):
    """What `both` gives, checked, or None where it said one line."""
    try:
        opened, arrays = both(path)
    except InputError as error:
        if not str(error).isprintable():
            raise
        return None
    assert 32 <= opened.image_size <= 1024
    assert {name: values.shape for name, values in arrays.items()} == SHAPES
    assert all(values.dtype == "float32" and np.isfinite(values).all() for values in arrays.values())
    assert opened.thumbnails is None or opened.thumbnails.shape[1:] == (25, 25)
    return opened, arrays


CHANGES = st.lists(st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4)


def changed(content, changes, cut):
    spoilt = bytearray(content)
    for place, new in changes:
        place %= len(spoilt)
        spoilt[place : place + len(new)] = new
    return bytes(spoilt[: len(content) - cut % len(content)])


@pytest.mark.fuzz
@given(changes=CHANGES, at_end=st.booleans(), cut=st.just(0) | st.integers(0, 2**16))
def test_any_bytes(content, tmp_path_factory, changes, at_end, cut):
    """Half of the changes lie in the zip's own lists."""
    if at_end:
        start = content.index(b"PK\x01\x02")
        changes = [(start + place % (len(content) - start), new) for place, new in changes]
    path = tmp_path_factory.getbasetemp() / "changed.zip"
    path.write_bytes(changed(content, changes, cut))
    found = ends_rightly(path)
    if found:
        opened, arrays = found
        assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in SHAPES)
        assert np.array_equal(opened.thumbnails, THUMBNAILS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([0, 1, 32, "unit"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ABOUT = model_file.about_model(RUN, with_thumbnails=True)


def places(section):
    """The way to each value at any depth, and to one more in each section."""
    deeper = [[name, *way] for name, value in section.items() if isinstance(value, dict) for way in places(value)]
    return [[name] for name in [*section, "another"]] + deeper


@pytest.mark.fuzz
@given(place=st.sampled_from(places(ABOUT)), value=JSON, whole=st.booleans())
def test_any_description(content, tmp_path_factory, place, value, whole):
    """One value of model.json is another, or all of it is; the checksums are right."""
    about = json.loads(json.dumps(ABOUT))
    at = about
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    text = json.dumps(value if whole else about).encode()
    path = tmp_path_factory.getbasetemp() / "described.zip"
    ends_rightly(packed(path, members(content) | {"model.json": text}))


@pytest.mark.fuzz
@given(changes=CHANGES, cut=st.just(0) | st.integers(0, 300), name=st.sampled_from(["weights", "thumbnails"]))
def test_any_arrays(content, tmp_path_factory, changes, cut, name):
    parts = members(content)
    parts[f"{name}.safetensors"] = changed(parts[f"{name}.safetensors"], changes, cut)
    ends_rightly(packed(tmp_path_factory.getbasetemp() / "arrays.zip", parts))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 5000, '{"format": 1e999}', "\xff", '{"format": true}', "null", ""]
)
def test_json_that_is_none(content, tmp_path, text):
    path = packed(tmp_path / "m.zip", members(content) | {"model.json": text.encode("latin-1")})
    assert refusal(path).startswith(("model.json: ", "made by another kidneyct (format: "))
