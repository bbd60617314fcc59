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
from kidneyct.predict import model_file, prediction
from kidneyct.predict.trained_model import Finished, Workspace

SHAPES = {"dense/kernel": (3, 2), "dense/bias": (2,), "normalization/count": ()}
ARRAYS = {name: np.full(shape, number, "float32") for number, (name, shape) in enumerate(SHAPES.items())}
THUMBNAILS = np.random.default_rng(0).integers(0, 256, (6, 25, 25), np.uint8)
SERIES = np.array([0, 0, 1, 1, 2, 2])
CLASSES, SIDE = whole_run.CLASSES, whole_run.SIDE
OPENED = Workspace(Path("w.h5"), CLASSES, SIDE, 16, "unit", "features", THUMBNAILS, SERIES, digest="0" * 32)
RUN = Finished(OPENED, "candidate", lock.dotted(whole_run.PARAMETERS), *[None] * 8)._replace(
    leakage={"accuracy": {"nearest_thumbnail": 0.9625}, "near_duplicates": {"share": 0.931}},
    evaluation={"accuracy": 0.875},
)
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
    opened = model_file.read(path)
    return opened, model_file.weights(opened, SHAPES)


def refusal(path):
    with pytest.raises(InputError) as error:
        both(path)
    line = one_line(error)
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def test_what_was_written_is_read(content, tmp_path):
    (tmp_path / "m.zip").write_bytes(content)
    opened, arrays = both(tmp_path / "m.zip")
    assert arrays.keys() == SHAPES.keys()
    assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in SHAPES)
    np.testing.assert_array_equal(opened.thumbnails, THUMBNAILS)
    assert opened.threshold == prediction.threshold(THUMBNAILS, SERIES)
    same = ("classes", "image_size", "dense_units", "pixel_scaling", "normalize", "head")
    assert [getattr(opened, name) for name in same] == [getattr(OPENED, name) for name in same]
    assert opened.exported


def test_what_to_know_of_its_run_is_there(content, tmp_path):
    (tmp_path / "m.zip").write_bytes(content)
    opened, about = model_file.read_all(tmp_path / "m.zip")
    assert list(opened) == ["candidate"]
    assert about.headline == {
        "candidate": {"accuracy": 0.875},
        "leak": {"near_duplicates": 0.931},
        "without_network": {"nearest_thumbnail": 0.9625},
    }
    known = {name: about.parameters[name] for name in ("split.by", "series.similarity", "data.source")}
    assert known == {"split.by": "image", "series.similarity": 0.99, "data.source": "phantom"}
    real = RUN._replace(parameters=RUN.parameters | {"data.source": "/home/someone/scans"})
    path = tmp_path / "real.zip"
    model_file.write(path, real, ARRAYS, "# A card\n")
    assert "data.source" not in model_file.read_all(path)[1].parameters
    assert b"/home/someone" not in path.read_bytes()


def test_the_same_run_gives_the_same_bytes_with_no_date_or_place_in_them(content, tmp_path):
    assert written(tmp_path / "other" / "name").read_bytes() == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert str(tmp_path).encode() not in content


def test_any_tool_can_check_and_read_it(content):
    parts = members(content)
    assert list(parts) == ["model.json", "card.md", "weights.safetensors", "thumbnails.safetensors", "SHA256SUMS"]
    for line in parts["SHA256SUMS"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(parts[name]).hexdigest() == digest
    assert parts["card.md"] == b"# A card\n"


def test_all_parameters_of_the_sections_that_matter_are_carried(content):
    about = json.loads(members(content)["model.json"])
    assert about["parameters"]["preprocess"] == whole_run.PARAMETERS["preprocess"]
    assert about["parameters"]["model"] == whole_run.PARAMETERS["model"]
    assert about["parameters"]["data"] == {"classes": CLASSES}
    assert about["likeness"]["percentile"] == 1


def test_a_run_that_lacks_such_a_parameter_is_not_exported(tmp_path):
    lacking = {name: value for name, value in RUN.parameters.items() if name != "model.transferred_blocks"}
    with pytest.raises(InputError, match=r"^dvc\.lock: parameters\.model\.transferred_blocks: Field required; run dvc"):
        model_file.write(tmp_path / "m.zip", RUN._replace(parameters=lacking), ARRAYS, "")
    assert list(tmp_path.iterdir()) == []


def test_thumbnails_are_left_out_where_that_is_asked_for(tmp_path):
    path = written(tmp_path / "m.zip", with_thumbnails=False)
    assert "thumbnails.safetensors" not in members(path.read_bytes())
    assert model_file.read(path).thumbnails is None
    assert THUMBNAILS.tobytes() not in path.read_bytes()


def test_a_file_is_overwritten_only_where_it_is_an_exported_model(content, tmp_path):
    path = tmp_path / "m.zip"
    written(path)
    written(path)  # its own
    packed(path, {"a": b"1"})
    before = path.read_bytes()
    refused = "is there and no exported model; choose another name, or remove it"
    for kind in ("a zip", "a text", "a link"):
        if kind == "a text":
            path.write_bytes(before := b"notes")
        if kind == "a link":
            (tmp_path / "real.zip").write_bytes(before := content)
            path.unlink()
            path.symlink_to(tmp_path / "real.zip")
        with pytest.raises(InputError, match=refused):
            written(path)
        assert path.read_bytes() == before
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
        (lambda a: a.update(format=2), "made by a newer kidneyct (format 2, this one reads 1); install that one"),
        (
            lambda a: a["parameters"]["preprocess"].update(sharpen=1),
            "made by a newer kidneyct (it has parameters.preprocess.sharpen, which this one does not know); install "
            "that one",
        ),
        (lambda a: a.update(format="1"), "model.json: expected a format, a whole number from 1, found none" + AGAIN),
        (
            lambda a: a["parameters"]["preprocess"].update(image_size=10**9),
            "model.json: expected parameters.preprocess.",
        ),
        (
            lambda a: a["parameters"]["model"].pop("normalize"),
            "model.json: expected parameters.model.normalize, found F",
        ),
        (
            lambda a: a["parameters"]["data"].update(classes=["../x", "b"]),
            "model.json: expected parameters.data.classes",
        ),
        (
            lambda a: a["parameters"]["data"].update(classes=["a", "a"]),
            "model.json: expected parameters.data.classes, found Value error, found one class twice",
        ),
        (lambda a: a["run"].update(accuracy=1.5), "model.json: expected run.accuracy, found "),
        (lambda a: a["parameters"]["split"].update(by="hand"), "model.json: expected parameters.split.by, found "),
        (lambda a: a["likeness"].update(images=10**15), "model.json: expected likeness.images, found "),
        (lambda a: a["likeness"].update(threshold=float("nan")), "model.json: expected likeness.threshold, found "),
        (
            lambda a: a["likeness"].update(images=7),
            "thumbnails.safetensors: expected thumbnails of uint8, (7, 25, 25), found {",
        ),
        (
            lambda a: a["likeness"].update(images=10**9),
            "thumbnails.safetensors: expected thumbnails of uint8, (1000000000, 25",
        ),
        (lambda a: a["likeness"].update(thumbnails=False), "thumbnails.safetensors: expected no such member, found it"),
        (
            lambda a: a.update(role="teacher"),
            "model.json: expected role, found Input should be 'candidate' or 'control'",
        ),
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
        (tensors(**{"dense/bias": np.zeros(3, "float32")}), "expected dense/bias of shape (2,), found (3,)"),
        (tensors(**{"dense/bias": None}), "expected dense/bias of shape (2,), found none"),
        (tensors(more=np.zeros(3, "float32")), "expected no more, found (3,)"),
        (tensors(**{"dense/bias": np.zeros(2)}), "expected dense/bias of float32, found float64"),
        (
            tensors(**{"dense/bias": np.array([0, np.nan], "float32")}),
            "expected finite numbers in dense/bias, found NaN",
        ),
        (struct.pack("<Q", 2**60), "expected arrays in safetensors, found none ("),
        (struct.pack("<Q", len(HUGE)) + HUGE, "expected arrays in safetensors, found none ("),
        (b"", "expected arrays in safetensors, found none ("),
        (bytes(2**20 + 40), "expected 1,048,612 bytes at most, found 1,048,616"),
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
    parts = members(content)
    sums = parts.pop("SHA256SUMS")
    if name != "SHA256SUMS":
        without = {other: part for other, part in parts.items() if other != name}
        assert refusal(packed(tmp_path / "m.zip", without)) == f"{name}: expected it, found none{AGAIN}"
        with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
            for other, part in (parts | {name: parts[name][:-1] + b"!", "SHA256SUMS": sums}).items():
                archive.writestr(other, part)
        assert refusal(tmp_path / "m.zip").startswith(f"{name}: expected SHA-256 ")
    else:
        with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
            for other, part in parts.items():
                archive.writestr(other, part)
        assert refusal(tmp_path / "m.zip") == f"SHA256SUMS: expected it in the file, found none{AGAIN}"


def test_a_bomb_is_not_unpacked(content, tmp_path):
    path = packed(tmp_path / "m.zip", members(content) | {"weights.safetensors": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**5
    assert "found model.json compressed or encrypted" in refusal(path)


def test_sizes_are_not_believed(content, tmp_path):
    """A zip whose list of members, or whose last record, claims more than the file has."""
    path, place = tmp_path / "m.zip", content.index(b"PK\x01\x02")
    claims = bytearray(content)
    claims[place + 20 : place + 28] = struct.pack("<2I", 2**31, 2**31)
    path.write_bytes(claims)
    assert "found model.json larger than the file itself" in refusal(path)
    claims = bytearray(content)
    claims[-22 + 8 : -22 + 16] = struct.pack("<2HI", 65000, 65000, 2**30)
    path.write_bytes(claims)
    assert "found another file, or one that is cut short" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1000):
            archive.writestr(f"{number}", b"")
    assert "found another file, or one that is cut short" in refusal(path)


def test_one_member_twice(content, tmp_path):
    path = packed(tmp_path / "m.zip", members(content))
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist[1].filename = "model.json"
        archive.comment = b"x"  # so that the list is written anew
        archive.comment = b""
    assert "found one member twice" in refusal(path)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for path, found in (
        (tmp_path / "pipe", "a pipe or a device; give the file"),
        (tmp_path, "a folder; give the file"),
        (tmp_path / "none", "no such file; give the file that kidneyct export wrote"),
        (tmp_path / "empty", "another file, or one that is cut short" + AGAIN),
    ):
        assert refusal(path) == f"expected a model that kidneyct export wrote, found {found}"
    with pytest.raises(InputError, match="found another file, or a damaged one"):
        model_file.read("nul\0byte")


def test_weights_that_were_replaced_meanwhile(content, tmp_path):
    path = packed(tmp_path / "m.zip", members(content))
    opened = model_file.read(path)
    packed(path, members(content) | {"weights.safetensors": tensors(**{"dense/bias": np.zeros(2, "float32")})})
    with pytest.raises(InputError, match=r"weights\.safetensors: expected SHA-256 "):
        model_file.weights(opened, SHAPES)


def ends_rightly(path):
    """What `both` gives, checked, or None where it said one line."""
    try:
        opened, arrays = both(path)
    except InputError as error:
        line = str(error)
    else:
        line = None
    if line is not None:
        assert line.isprintable()
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
@given(
    changes=CHANGES,
    at_end=st.booleans(),
    cut=st.one_of(st.just(0), st.integers(0, 2**16)),
)
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
PLACES = [[section] for section in ABOUT] + [
    [*way, name]
    for way, section in (
        (["parameters"], ABOUT["parameters"]),
        (["likeness"], ABOUT["likeness"]),
        (["run"], ABOUT["run"]),
        *((["parameters", name], values) for name, values in ABOUT["parameters"].items()),
    )
    for name in [*section, "another"]
]


@pytest.mark.fuzz
@given(place=st.sampled_from(PLACES), value=JSON, whole=st.booleans())
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
@given(changes=CHANGES, cut=st.one_of(st.just(0), st.integers(0, 300)), name=st.sampled_from(["weights", "thumbnails"]))
def test_any_arrays(content, tmp_path_factory, changes, cut, name):
    parts = members(content)
    parts[f"{name}.safetensors"] = changed(parts[f"{name}.safetensors"], changes, cut)
    ends_rightly(packed(tmp_path_factory.getbasetemp() / "arrays.zip", parts))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 5000, '{"format": 1e999}', "\xff", '{"format": true}', "null", ""]
)
def test_json_that_is_none(content, tmp_path, text):
    path = packed(tmp_path / "m.zip", members(content) | {"model.json": text.encode("latin-1")})
    assert refusal(path).startswith("model.json: expected ")
