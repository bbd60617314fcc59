"""Kaggle's own client against a server of the test's own: each failure is one line, and a part is gone on with."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
from loopback import DATASET, DOWNLOAD, METADATA, STORAGE, Kaggle, make_zip, page, says

from kidneyct.images.archive import Image
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import kaggle

ROOT = Path(__file__).parents[2]
NO_ACCESS, ABSENT = "Kaggle gives no access:", "Kaggle has no such data set:"
UNREACHABLE, OTHER = "the connection to Kaggle failed: check the network", "not Kaggle's data but something else"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Kaggle as the client sees it; without an account."""
    server = Kaggle()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    for name in list(os.environ):
        if name.upper().startswith("KAGGLE") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "")
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def fails(folder, expected):
    with pytest.raises(InputError) as caught:
        kaggle.download(DATASET, folder)
    line = str(caught.value)
    assert expected in line
    assert line.isprintable()
    return line


def drop(handler):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def test_a_data_set_is_fetched_without_an_account_and_then_proved(server, tmp_path, capsys):
    path = kaggle.download(DATASET, tmp_path / "downloads")
    assert path == tmp_path / "downloads/kidneys.zip"
    assert path.read_bytes() == server.content
    asked = [(METADATA, None, None), (DOWNLOAD, None, None), (STORAGE, None, None)]
    assert server.asked == asked
    kaggle.download(DATASET, tmp_path / "downloads")
    assert "fetched before and unchanged; delete it to fetch the data set again" in capsys.readouterr().out
    assert server.asked == asked


def test_what_has_changed_since_steps_aside_and_what_shares_its_bytes_stays(tmp_path, monkeypatch):
    contents = [make_zip(), make_zip().replace(b"Tumor/a.jpg", b"Tumor/b.jpg"), make_zip()]
    monkeypatch.setattr(kaggle, "_fetch", lambda dataset, path: path.write_bytes(contents.pop(0)))
    path = kaggle.download(DATASET, tmp_path)
    os.link(path, tmp_path / "archive.zip")
    (tmp_path / "kidneys.zip.sha256").unlink()
    kaggle.download(DATASET, tmp_path)
    assert (tmp_path / "archive.zip").read_bytes() == make_zip() != path.read_bytes()
    path.write_bytes(b"another file")
    assert kaggle.download(DATASET, tmp_path).read_bytes() == make_zip()
    assert (tmp_path / "kidneys.zip.damaged").read_bytes() == b"another file"


@pytest.mark.parametrize(
    ("where", "answer", "expected"),
    [
        (METADATA, page(401), f"{NO_ACCESS} check data.kaggle, and where the data set asks for an account"),
        (METADATA, page(404), ABSENT),
        (METADATA, page(200), OTHER),
        (DOWNLOAD, page(200), "expected a whole zip from Kaggle, found none, or a truncated"),
        (DOWNLOAD, lambda handler: handler.redirect("file:///etc/passwd"), OTHER),
        (STORAGE, drop, UNREACHABLE),
        (STORAGE, lambda handler: handler.send(length=2_000_000), "expected a whole zip from Kaggle"),
    ],
)
def test_each_failure_is_told_as_what_it_is(server, tmp_path, where, answer, expected):
    server.instead = {where: answer}
    fails(tmp_path / "d", expected)
    assert not (tmp_path / "d/kidneys.zip").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", "the Kaggle client failed: it said nothing; try again, or set data.source to a copy that you have"),
        ("Retrying\n418: a teapot", "failed: 418: a teapot;"),
        ("403 Client Error: Permission 'datasets.get' was denied", NO_ACCESS),
        # A traceback's last line counts, not the code above it; and progress is no status.
        ("    raise ConnectionError\nConnection broken\r 3%|429k/1.2G, 403kB/s", UNREACHABLE),
        ("Connection error: OSError: [Errno 28] No space left on device", "can't be written: make room"),
        ("PermissionError: [Errno 13] Permission denied: 'kidneys.zip'", "can't be written"),
        ("Connection error: ConnectionError: [Errno 111] Connection refused", UNREACHABLE),
        ("429 Client Error: Too Many Requests", "Kaggle is busy"),
    ],
)
def test_words_that_are_known_and_words_that_are_not(words, line):
    assert line in kaggle.reason(words)


def stall_at_the_second_chunk(path, then=lambda: None):
    def stall(handler):
        handler.send(stop_after=1_500_000)
        while not (path.exists() and path.stat().st_size):
            time.sleep(0.01)
        then()
        handler.server.released.wait()

    return stall


def test_a_server_that_stops_in_the_middle(server, tmp_path, monkeypatch):
    path = tmp_path / "kidneys.zip"
    server.instead = {STORAGE: stall_at_the_second_chunk(path, lambda: monkeypatch.setattr(kaggle, "SILENCE", 0.5))}
    line = fails(tmp_path, "nothing has come from Kaggle for 0.5 seconds")
    assert line.endswith(f"; 1,048,576 bytes stay in {path} for the next try")
    monkeypatch.setattr(kaggle, "SILENCE", 120)
    server.instead = {}
    assert kaggle.download(DATASET, tmp_path).read_bytes() == server.content
    assert server.asked[-2:] == [(STORAGE, None, None), (STORAGE, "bytes=1048576-", None)]
    assert not (tmp_path / "kidneys.zip.kaggle-partial").exists()


def test_the_body_of_a_refusal_is_no_part_of_the_data_set(tmp_path, monkeypatch):
    def refusal(client, path, words):
        path.write_bytes(b"<!DOCTYPE html>")  # the client writes it over what it had
        return True

    monkeypatch.setattr(kaggle, "_silent", refusal)
    assert "stay in" not in fails(tmp_path, "nothing has come")
    assert (tmp_path / "kidneys.zip.damaged").read_bytes() == b"<!DOCTYPE html>"


def test_a_token_is_sent_and_never_shown(server, tmp_path, monkeypatch, capfd):
    key = "0123456789abcdef0123456789abcdef"
    monkeypatch.setenv("KAGGLE_API_TOKEN", f"KGAT_{key}")
    server.instead = {METADATA: says(500, f"bad Authorization: Bearer KGAT_{key}, http://someone:{key}@proxy")}
    line = fails(tmp_path / "d", "bad Authorization")
    assert {authorization for _, _, authorization in server.asked if authorization} == {f"Bearer KGAT_{key}"}
    assert key not in line + "".join(capfd.readouterr())


def test_a_killed_stage_stops_the_client_and_the_next_one_goes_on(server, tmp_path):
    for name in ("params.yaml", "dvc.yaml"):
        text = (ROOT / name).read_text()
        text = re.sub(r"(?m)^  source: \S+", "  source: kaggle", text)  # of which the demo leaves another
        (tmp_path / name).write_text(re.sub(r"kaggle: \S+/\S+", f"kaggle: {DATASET}", text))
    partial = tmp_path / "downloads/someone/kidneys/kidneys.zip"
    server.instead = {STORAGE: stall_at_the_second_chunk(partial)}
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    program = "from kidneyct.pipeline import errors; from kidneyct.sources import kaggle; "
    program += f"errors.run_main(lambda: kaggle.download({DATASET!r}, kaggle.folder({DATASET!r})))"
    command = [sys.executable, "-c", program]
    for stop, told in ((signal.SIGINT, "interrupted\n"), (signal.SIGKILL, "")):
        server.asked.clear()
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as running:
            while not (server.asked and server.asked[-1][0] == STORAGE and partial.exists() and partial.stat().st_size):
                assert running.poll() is None
                time.sleep(0.02)
            clients = psutil.Process(running.pid).children(recursive=True)
            assert clients
            (os.killpg if stop == signal.SIGINT else os.kill)(running.pid, stop)  # Ctrl-C reaches the client too
            assert running.communicate(timeout=30)[1] == told
        assert psutil.wait_procs(clients, timeout=30)[1] == []
        assert partial.stat().st_size == 1_048_576

    server.instead = {}
    done = subprocess.run(
        [sys.executable, "-m", "stages.download"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "4 images: Cyst 1, Normal 1, Stone 1, Tumor 1\n"
    assert (tmp_path / "data/archive.zip").read_bytes() == partial.read_bytes() == server.content
    assert server.asked[-1] == (STORAGE, "bytes=1048576-", None)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_archive_steps_aside(tmp_path, compression):
    """Half of its bytes altered one by one, each in a member's content, or its end cut off."""
    buffer, path = io.BytesIO(), tmp_path / "a.zip"
    with zipfile.ZipFile(buffer, "w", compression) as container:
        container.writestr("Cyst/a.jpg", np.random.default_rng(0).integers(8, size=90, dtype=np.uint8).tobytes())
    for place in range(30 + len("Cyst/a.jpg"), container.start_dir):
        content = bytearray(buffer.getvalue())
        content[place] ^= 1
        path.write_bytes(content if place % 2 else content[:place])
        with pytest.raises(InputError, match=f"^{path}: expected a whole zip from Kaggle, found none, or a truncated"):
            kaggle.check_zip(path)
        assert os.listdir(tmp_path) == ["a.zip.damaged"]


def test_published_counts():
    assert sum(kaggle.PUBLISHED.values()) == 12446
    whole = [Image("", label, "") for label, count in kaggle.PUBLISHED.items() for _ in range(count)]
    kaggle.check_counts(whole, kaggle.PUBLISHED_DATASET, "a.zip")
    kaggle.check_counts(whole[1:], "other/kidneys", "a.zip")
    with pytest.raises(InputError, match=r"a\.zip: expected .*'Cyst': 3709.* found .*'Cyst': 3708"):
        kaggle.check_counts(whole[1:], kaggle.PUBLISHED_DATASET, "a.zip")
