"""Weights files as an attacker or damage leaves them: one line, and nothing else happens."""

import os
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layers import one_line

from kidneyct.backbone import weights_file
from kidneyct.pipeline.errors import InputError

KERNEL, BIAS = np.arange(24, dtype="float32").reshape(2, 3, 4), np.zeros(4, "float32")
LAYERS = [(name, [f"model_weights/{name}", name], [(2, 3, 4), (4,)]) for name in ("first", "second")]


def write(path, spoil=None, libver="earliest"):
    """A file of two layers, which `spoil(file)` changes."""
    with h5py.File(path, "w", libver=libver) as file:
        for name, _, _ in LAYERS:
            group = file.create_group(name)
            group.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
            group["kernel:0"], group["bias:0"] = KERNEL, BIAS
        if spoil:
            spoil(file)
    return path


def refusal(path):
    with pytest.raises(InputError) as error:
        weights_file.read(path, LAYERS, "wants a VGG-16")
    assert one_line(error).endswith("; wants a VGG-16")
    return str(error.value)


@pytest.mark.parametrize("deeper", [False, True])
def test_a_kernel_comes_before_its_bias_also_one_group_deeper(tmp_path, deeper):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, _, _ in LAYERS:
            group = f"{name}/{name}" if deeper else name
            file[f"{group}/bias:0"], file[f"{group}/kernel:0"] = BIAS, KERNEL
    for kernel, bias in weights_file.read(tmp_path / "w.h5", LAYERS, ""):
        np.testing.assert_array_equal(kernel, KERNEL)
        np.testing.assert_array_equal(bias, BIAS)


def test_numbered_arrays_keep_their_order(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for number in (10, 2, 0):
            file[f"layers/dense/vars/{number}"] = np.array([number], ">f8")
    (read,) = weights_file.read(tmp_path / "w.h5", [("dense", ["layers/dense/vars"], [(1,)] * 3)], "")
    assert [array.tolist() for array in read] == [[0], [2], [10]]
    assert all(array.dtype == "float32" for array in read)


PLACE = "second/kernel:0"
SHAPES = "second expected shapes [(2, 3, 4), (4,)], found "


def of(data=None, shape=KERNEL.shape, **options):
    """Makes the kernel such a dataset."""
    return lambda file: file.create_dataset(PLACE, data=data, shape=None if data is not None else shape, **options)


def a_virtual_one(file):
    layout = h5py.VirtualLayout(KERNEL.shape, "float32")
    layout[:] = h5py.VirtualSource("other.h5", "kernel", KERNEL.shape)
    file.create_virtual_dataset(PLACE, layout)


def link(kind, *where):
    return lambda file: file.update({PLACE: kind(*where)})


BOMB = (10**6, 10**3, 10**3)
PLAIN = "second expected plain numbers, found others"
SPOILT = {
    "compressed": (of(KERNEL, compression="gzip"), PLAIN),
    "a bomb": (of(shape=BOMB, dtype="float32"), SHAPES + f"[{BOMB}, (4,)]"),  # never written, so it is small
    "virtual": (a_virtual_one, PLAIN),
    "kept outside": (of(dtype="float32", external=[("secret.bin", 0, KERNEL.nbytes)]), PLAIN),
    "references": (of(dtype=h5py.ref_dtype), PLAIN),
    "nothing": (of(h5py.Empty("f4")), SHAPES),
    "a group": (lambda file: file.create_group(PLACE), SHAPES + "[(4,)]"),
    "beyond 32 bits": (of(dtype="float64", fillvalue=1e300), "second expected finite numbers"),
    "a loop of links": (link(h5py.SoftLink, "/" + PLACE), SHAPES + "[(4,)]"),
    "a link to another file": (link(h5py.ExternalLink, "w.h5", PLACE), SHAPES + "[(4,)]"),
    "too many": (lambda file: [file["second"].create_group(f"{number}") for number in range(20)], SHAPES + "[]"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_an_array_of_another_kind(tmp_path, kind):
    spoil, line = SPOILT[kind]

    def replace(file):
        del file[PLACE]
        spoil(file)

    write(tmp_path / "w.h5")
    assert line in refusal(write(tmp_path / "spoilt.h5", replace))


@pytest.mark.parametrize("link", [h5py.SoftLink("/other"), h5py.ExternalLink("w.h5", "second"), None])
def test_a_link_in_place_of_a_layer_is_not_followed_nor_a_group_that_holds_itself(tmp_path, link):
    def replace(file):
        file.move("second", "other")
        file["second"] = link or file.create_group("own")
        if not link:
            file["second/second"] = file["second"]

    write(tmp_path / "w.h5")
    line = "found no such layer" if link else SHAPES + "[]"
    assert line in refusal(write(tmp_path / "linked.h5", replace))


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Two whole files, and where in each something stands: most of a small file is room left empty."""
    found = []
    for libver in ("earliest", "latest"):
        content = write(tmp_path_factory.mktemp(libver) / "w.h5", libver=libver).read_bytes()
        found.append((content, [at for at in range(len(content)) if any(content[max(at - 4, 0) : at + 5])]))
    return found


@pytest.mark.fuzz
@given(
    newer=st.booleans(), changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8)
)
def test_changed_bytes_are_one_line_or_harmless(contents, tmp_path_factory, newer, changes):
    content, told = contents[newer]
    changed = bytearray(content)
    for number, value in changes:
        changed[told[number % len(told)]] = value
    path = tmp_path_factory.getbasetemp() / "changed.h5"
    path.write_bytes(changed)
    said, read = "", []
    try:
        read = weights_file.read(path, LAYERS, "")
    except InputError as error:
        said = str(error)
    assert "\n" not in said
    assert bool(said) != bool(read)
    for arrays in read:
        assert [array.shape for array in arrays] == [(2, 3, 4), (4,)]
        assert all(np.isfinite(array).all() for array in arrays)


def test_what_is_no_such_file_is_one_line_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    odd = os.fsdecode(os.fsencode(tmp_path / "w") + b"\xff\n.h5")
    assert len(weights_file.read(write(odd), LAYERS, "")) == 2
    Path(odd).write_bytes(b"")
    for path, found in (
        (tmp_path / "pipe.h5", "found a pipe or a device"),
        ("/dev/zero", "found a pipe or a device"),
        (tmp_path, "found a folder"),
        (tmp_path / "none.h5", "found No such file or directory"),
        (odd, r"w\udcff\n.h5': expected an HDF5 weights file, found another or a damaged one ("),
        ("nul\0byte", "embedded null byte"),
    ):
        assert found in refusal(path)
    assert len(refusal(tmp_path / ("x" * 5000))) < 400


def test_the_code_of_a_lambda_layer_is_not_run(tmp_path):
    path, marker = tmp_path / "model.h5", tmp_path / "ran"
    text = str(marker)
    layer = keras.layers.Lambda(lambda x: (open(text, "w").close(), x)[1])  # which makes the marker when it is built
    keras.Sequential([keras.Input((2,)), layer]).save(path)
    with h5py.File(path, "a") as file:
        for name, _, _ in LAYERS:
            file[f"model_weights/{name}/kernel"], file[f"model_weights/{name}/bias"] = KERNEL, BIAS
    marker.unlink()
    keras.models.load_model(path, safe_mode=False)
    assert marker.exists()  # it is a live one
    marker.unlink()
    assert len(weights_file.read(path, LAYERS, "")) == 2
    assert not marker.exists()
