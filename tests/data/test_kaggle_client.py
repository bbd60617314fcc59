"""Kaggle's own client against a server of the test's own: each failure is told as what it is, and ends."""

import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from loopback import DATASET, DOWNLOAD, METADATA, STORAGE, STORED, page, says

from kidneyct.pipeline.errors import InputError
from kidneyct.sources import kaggle, kaggle_client

ROOT = Path(__file__).parents[2]
SECRET = "KGAT_0123456789abcdef0123456789abcdef"
NO_ACCESS, ABSENT = "Kaggle gives no access:", "Kaggle has no such data set:"
BUSY, SERVER = "Kaggle is busy", "Kaggle's server fails"
UNREACHABLE, OTHER, BROKEN = "Kaggle can't be reached:", "not Kaggle's data but something else", "connection broke off"


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


def in_turn(*actions):
    """One action a request, the last of them for all that follow."""
    left = list(actions)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


@pytest.mark.parametrize(
    ("where", "answer", "expected"),
    [
        (METADATA, page(401), f"{NO_ACCESS} check data.kaggle, and where the data set asks for an account"),
        (METADATA, says(403, "Permission 'datasets.get' was denied"), f"{NO_ACCESS} check data.kaggle"),
        (STORAGE, page(403), NO_ACCESS),
        (METADATA, page(404), ABSENT),
        (METADATA, says(404, "nothing of that name"), ABSENT),
        (DOWNLOAD, says(429, "slow down"), f"{BUSY} or has had too many requests from here: try again later"),
        (METADATA, page(503), f"{SERVER}: try again later (the client says: HTTP 503: 503 Server Error"),
        (DOWNLOAD, says(500, "an authentication backend is not found"), SERVER),
        (METADATA, page(200), OTHER),
        (
            DOWNLOAD,
            page(200),
            "kidneys.zip: expected a whole zip from Kaggle, found a web page (File is not a zip file)",
        ),
        (METADATA, lambda handler: handler.redirect(STORED), OTHER),
        (DOWNLOAD, lambda handler: handler.redirect("file:///etc/passwd"), OTHER),
        (METADATA, drop, UNREACHABLE),
        (STORAGE, drop, UNREACHABLE),
    ],
)
def test_each_failure_is_told_as_what_it_is(server, tmp_path, where, answer, expected):
    server.instead = {STORAGE: lambda handler: handler.redirect("http://storage.test/again"), where: answer}
    fails(tmp_path / "d", expected)
    assert not (tmp_path / "d/kidneys.zip").exists()


def test_no_network(server, tmp_path):
    server.shutdown()
    server.server_close()
    fails(tmp_path / "d", f"data.kaggle: someone/kidneys: {UNREACHABLE} check the network")


def test_words_that_are_known_and_words_that_are_not():
    def reason(*said):
        return kaggle_client.reason(said)

    assert reason() == (
        "the Kaggle client failed: it said nothing; try again, or set data.source to a copy that you have"
    )
    assert "failed: HTTP 418: a teapot;" in reason("License(s): denied", "HTTP 418: a teapot")
    # A traceback's last line counts, not the code above it.
    assert SERVER in reason("Traceback", "  File x", "    raise ConnectionError", "requests.HTTPError: HTTP 500: x")
    assert "no room" in reason("Connection error: OSError: [Errno 28] No space left on device")
    assert "can't be written" in reason("[Errno 30] Read-only file system: 'kidneys.zip'")
    assert UNREACHABLE in reason("Connection error: ConnectionError: [Errno 111] Connection refused")


@pytest.mark.parametrize("where", [METADATA, STORAGE])
def test_a_server_that_never_answers(server, tmp_path, monkeypatch, where):
    def say_nothing(handler):
        monkeypatch.setattr(kaggle_client, "SILENCE", 0.5)
        handler.server.released.wait()

    server.instead = {where: say_nothing}
    assert fails(tmp_path, "nothing has come") == (
        "data.kaggle: someone/kidneys: nothing has come from Kaggle for 0.5 seconds: check the network and try again"
    )


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
    server.instead = {
        STORAGE: stall_at_the_second_chunk(path, lambda: monkeypatch.setattr(kaggle_client, "SILENCE", 0.5))
    }
    line = fails(tmp_path, "nothing has come from Kaggle for 0.5 seconds")
    assert line.endswith(f"; 1,048,576 bytes stay in {path} for the next try")

    monkeypatch.setattr(kaggle_client, "SILENCE", 120)
    server.instead = {}
    assert kaggle.download(DATASET, tmp_path).read_bytes() == server.content
    assert server.asked[-2:] == [(STORAGE, None, None), (STORAGE, "bytes=1048576-", None)]


def test_a_connection_that_breaks_off_once(server, tmp_path, at_once):
    server.instead = {
        STORAGE: in_turn(lambda handler: handler.send(stop_after=2_000_000), lambda handler: handler.send())
    }
    assert kaggle.download(DATASET, tmp_path).read_bytes() == server.content
    assert [asked for asked in server.asked if asked[0] == STORAGE] == [
        (STORAGE, None, None),
        (STORAGE, "bytes=1048576-", None),
    ]


def test_a_length_that_is_too_long(server, tmp_path, at_once):
    server.instead = {STORAGE: lambda handler: handler.send(length=4_000_000)}
    line = fails(tmp_path, f"{BROKEN}: try again (the client says: ('Connection broken: IncompleteRead")
    assert line.endswith(f"bytes stay in {tmp_path}/kidneys.zip for the next try")
    server.instead = {}
    assert kaggle.download(DATASET, tmp_path).read_bytes() == server.content
    assert not (tmp_path / "kidneys.zip.kaggle-partial").exists()


def test_a_length_that_is_too_short(server, tmp_path):
    server.instead = {STORAGE: lambda handler: handler.send(length=2_000_000)}
    fails(tmp_path, "found a truncated or altered one")
    server.instead = {}
    assert kaggle.download(DATASET, tmp_path).read_bytes() == server.content


def test_the_body_of_a_refusal_is_no_part_of_the_data_set(server, tmp_path, at_once):
    server.instead = {STORAGE: in_turn(lambda handler: handler.send(stop_after=2_000_000), page(503))}
    line = fails(tmp_path, BROKEN)  # the client writes the refusal over what it had
    assert "stay in" not in line
    assert (tmp_path / "kidneys.zip.damaged").read_bytes().startswith(b"<!DOCTYPE html>")
    server.instead = {}
    assert kaggle.download(DATASET, tmp_path).read_bytes() == server.content


def test_busy_and_then_not(server, tmp_path):
    server.instead = {DOWNLOAD: in_turn(says(429, "slow down"), lambda handler: handler.redirect(STORED))}
    fails(tmp_path, BUSY)
    assert kaggle.download(DATASET, tmp_path).read_bytes() == server.content


def test_no_room_is_known_before_the_download(server, tmp_path, monkeypatch):
    server.instead = {STORAGE: lambda handler: (handler.send(stop_after=1000), handler.server.released.wait())}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=5000, free=1234))
    assert fails(tmp_path / "d", "there is no room") == (
        f"data.kaggle: someone/kidneys: there is no room for the data set: make some; {len(server.content):,} bytes "
        "more are needed, 1,234 are free"
    )


def test_a_disk_that_is_full_meanwhile(server, tmp_path, at_once):
    at_once.write_text("import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))\n")
    line = fails(
        tmp_path / "d", "there is no room for the data set: make some (the client says: Connection error: OSError"
    )
    missing = f"{len(server.content) - 1_500_000:,} bytes more are needed"
    assert line.endswith(f"; {missing}; 1,500,000 bytes stay in {tmp_path}/d/kidneys.zip for the next try")
    at_once.unlink()
    assert kaggle.download(DATASET, tmp_path / "d").read_bytes() == server.content
    assert server.asked[-1] == (STORAGE, "bytes=1500000-", None)


def test_a_folder_that_cannot_be_written(server, tmp_path, at_once):
    at_once.write_text(
        "import builtins\nwas = builtins.open\n"
        "def refuse(path, *options, **named):\n"
        "    if str(path).endswith('.zip'): raise PermissionError(13, 'Permission denied', str(path))\n"
        "    return was(path, *options, **named)\n"
        "builtins.open = refuse\n"
    )
    fails(tmp_path / "d", "the data set can't be written: check that you may write there")


@pytest.mark.parametrize(
    ("kept", "where", "answer", "expected"),
    [
        ("KAGGLE_API_TOKEN", "IntrospectToken", page(500), SERVER),
        ("KAGGLE_API_TOKEN", METADATA, "refuse", NO_ACCESS),
        ("KAGGLE_API_TOKEN", DOWNLOAD, page(200), "found a web page"),
        ("KAGGLE_API_TOKEN", STORAGE, "fail", SERVER),
        ("kaggle.json", METADATA, "fail", SERVER),
        ("kaggle.json", DOWNLOAD, drop, UNREACHABLE),
    ],
)
def test_a_token_is_sent_and_never_shown(server, tmp_path, monkeypatch, capfd, kept, where, answer, expected):
    key, home = SECRET[5:], tmp_path / "home/.kaggle"
    pair = base64.b64encode(f"someone:{key}".encode()).decode()
    echo = f"bad Authorization: Bearer {SECRET} or {key}, Basic {pair}, http://someone:{key}@proxy"
    answer = {"refuse": says(403, echo), "fail": says(500, echo)}.get(answer, answer)
    if kept == "KAGGLE_API_TOKEN":
        monkeypatch.setenv(kept, SECRET)
    else:
        home.mkdir(parents=True)
        (home / kept).write_text(f'{{"username": "someone", "key": "{key}"}}')
    server.instead = {where: answer}
    line = fails(tmp_path / "d", expected)
    sent = [authorization for _, _, authorization in server.asked if authorization]
    assert set(sent) <= {f"Bearer {SECRET}", f"Basic {pair}"}
    assert sent or where == "IntrospectToken"
    assert not [asked for asked in server.asked if asked[0] == STORAGE and asked[2]]  # it lies with someone else
    shown = line + "".join(capfd.readouterr())
    shown += "".join(path.read_text(errors="replace") for path in (tmp_path / "d").rglob("*") if path.is_file())
    assert not [secret for secret in (SECRET, key, pair) if secret in shown]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_stage_stops_the_client_and_the_next_one_goes_on(server, tmp_path, stop):
    for name in ("params.yaml", "dvc.yaml"):
        text = (ROOT / name).read_text()
        text = re.sub(r"(?m)^  source: \S+", "  source: kaggle", text)  # of which the demo leaves another
        (tmp_path / name).write_text(re.sub(r"kaggle: \S+/\S+", f"kaggle: {DATASET}", text))
    partial = tmp_path / "downloads/someone/kidneys/kidneys.zip"
    server.instead = {STORAGE: stall_at_the_second_chunk(partial)}
    stage = [sys.executable, "-m", "stages.download"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(stage, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as running:
        while not (partial.exists() and partial.stat().st_size):
            assert running.poll() is None
            time.sleep(0.02)
        clients = psutil.Process(running.pid).children(recursive=True)
        assert clients
        running.send_signal(stop)
        told = running.communicate(timeout=30)[1]
    assert psutil.wait_procs(clients, timeout=30)[1] == []
    assert partial.stat().st_size == 1_048_576
    interrupted = (
        "error: data.kaggle: someone/kidneys: interrupted; run it again to go on; 1,048,576 bytes stay in "
        "downloads/someone/kidneys/kidneys.zip for the next try\n"
    )
    assert told == {signal.SIGINT: interrupted, signal.SIGTERM: "terminated\n", signal.SIGKILL: ""}[stop]

    server.instead = {}
    done = subprocess.run(stage, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "4 images: Cyst 1, Normal 1, Stone 1, Tumor 1\n"
    assert (tmp_path / "data/archive.zip").read_bytes() == partial.read_bytes() == server.content
    assert server.asked[-1] == (STORAGE, "bytes=1048576-", None)
