"""Kaggle's own client against a server of the test's own on this machine."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from kidneyct.data import kaggle
from kidneyct.data.archive import Image
from kidneyct.errors import InputError

DATASET = "someone/kidneys"


def make_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        container.writestr("Cyst/a.jpg", np.random.default_rng(0).bytes(3_000_000))
    return buffer.getvalue()


class Kaggle(ThreadingHTTPServer):
    """Answers the client's two requests; keeps what it was asked."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.status, self.stop_after, self.asked = content, 200, None, []


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        method = self.path.rsplit("/", 1)[1]
        self.server.asked.append((method, self.headers.get("Range"), self.headers.get("Authorization")))
        if method == "IntrospectToken":
            return self.answer(200, json.dumps({"active": True, "username": "someone"}).encode())
        if self.server.status != 200:
            message = {"code": self.server.status, "message": f"{self.server.status}: no secret-token-of-a-user"}
            return self.answer(self.server.status, json.dumps(message).encode())
        if method == "GetDatasetMetadata":
            return self.answer(200, b"{}")
        # As Kaggle does, the file itself lies elsewhere.
        self.send_response(302)
        self.send_header("Location", "http://localhost/storage/kidneys.zip")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.server.asked.append(("GET", self.headers.get("Range"), None))
        content, total = self.server.content, len(self.server.content)
        start = int(re.match(r"bytes=(\d+)-", self.headers["Range"])[1]) if self.headers["Range"] else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(total - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"version-1"')
        self.send_header("Last-Modified", "Mon, 03 Jan 2022 10:00:00 GMT")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        self.wfile.write(content[start : self.server.stop_after])
        self.wfile.flush()
        if self.server.stop_after:
            time.sleep(5)  # a connection that stalls

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = Kaggle(make_zip())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in list(os.environ):
        if name.upper().startswith("KAGGLE") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "")
    yield server
    server.shutdown()


def fails(folder, expected):
    with pytest.raises(InputError, match=expected) as caught:
        kaggle.download(DATASET, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_data_set_is_fetched_without_an_account(server, tmp_path):
    path = kaggle.download(DATASET, tmp_path / "downloads")
    assert path == tmp_path / "downloads/kidneys.zip"
    assert path.read_bytes() == server.content
    assert server.asked == [
        ("GetDatasetMetadata", None, None),
        ("DownloadDataset", None, None),
        ("GET", None, None),
    ]


def test_what_was_fetched_is_proved_and_not_fetched_again(server, tmp_path, capsys):
    path = kaggle.download(DATASET, tmp_path)
    server.asked.clear()
    assert kaggle.download(DATASET, tmp_path) == path
    assert server.asked == []
    assert "fetched before and unchanged; delete it to fetch the data set anew" in capsys.readouterr().out


def test_what_has_changed_since_steps_aside_and_is_fetched_again(server, tmp_path):
    path = kaggle.download(DATASET, tmp_path)
    path.write_bytes(b"another file")
    assert kaggle.download(DATASET, tmp_path).read_bytes() == server.content
    assert (tmp_path / "kidneys.zip.damaged").read_bytes() == b"another file"


def test_an_interrupted_download_is_resumed(server, tmp_path):
    folder = tmp_path / "downloads"
    server.stop_after = 2_000_000
    program = f"from kidneyct.data import kaggle; kaggle.download({DATASET!r}, {str(folder)!r})"
    environment = os.environ | {"PYTHONPATH": str(Path(kaggle.__file__).parents[2])}
    running = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, start_new_session=True, stderr=subprocess.DEVNULL
    )
    partial = folder / "kidneys.zip"
    for _ in range(300):
        if partial.exists() and partial.stat().st_size >= 1_000_000:
            break
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    kept = partial.stat().st_size
    assert 0 < kept <= 2_000_000

    server.stop_after = None
    server.asked.clear()
    assert kaggle.download(DATASET, folder).read_bytes() == server.content
    assert ("GET", f"bytes={kept}-", None) in server.asked


def test_a_data_set_that_is_not_there(server, tmp_path):
    server.status = 404
    fails(tmp_path, r"data\.kaggle: someone/kidneys: Kaggle has no such data set")


def test_no_access(server, tmp_path):
    server.status = 403
    fails(tmp_path, "Kaggle gives no access: .*KAGGLE_API_TOKEN")


def test_no_network(server, tmp_path, monkeypatch):
    server.shutdown()
    server.server_close()
    fails(tmp_path, "Kaggle can't be reached: check the network")


def test_a_truncated_archive_steps_aside(server, tmp_path):
    server.content = server.content[:-1000]
    line = fails(tmp_path, "expected a whole zip from Kaggle, found a truncated or altered one")
    assert "try again" in line
    assert not (tmp_path / "kidneys.zip").exists()
    assert (tmp_path / "kidneys.zip.damaged").read_bytes() == server.content


def test_an_altered_archive_steps_aside(server, tmp_path):
    server.content = server.content[:1000] + b"altered" + server.content[1007:]
    fails(tmp_path, r"truncated or altered one \(Cyst/a\.jpg\)")
    assert not (tmp_path / "kidneys.zip").exists()
    assert (tmp_path / "kidneys.zip.damaged").read_bytes() == server.content


def test_a_token_is_sent_and_never_shown(server, tmp_path, monkeypatch, capfd):
    secret = "KGAT_0123456789abcdef0123456789abcdef"
    monkeypatch.setenv("KAGGLE_API_TOKEN", secret)
    server.status = 403
    line = fails(tmp_path / "d", "Kaggle gives no access")
    assert any(secret in (authorization or "") for *_, authorization in server.asked)
    assert secret not in line + "".join(capfd.readouterr())
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")]
    assert secret not in kaggle.reason(f"Traceback\nValueError: bad token {secret}")


def test_published_counts():
    assert sum(kaggle.PUBLISHED.values()) == 12446
    whole = [Image("", label, "") for label, count in kaggle.PUBLISHED.items() for _ in range(count)]
    kaggle.check_counts(whole, kaggle.PUBLISHED_DATASET, "a.zip")
    kaggle.check_counts(whole[1:], "other/kidneys", "a.zip")
    with pytest.raises(InputError, match=r"a\.zip: expected .*'Cyst': 3709.* found .*'Cyst': 3708"):
        kaggle.check_counts(whole[1:], kaggle.PUBLISHED_DATASET, "a.zip")
