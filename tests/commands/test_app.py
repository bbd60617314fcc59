"""`kidneyct app`: what it refuses, each in one line, and what it opens."""

import importlib.util
import socket
import threading
import webbrowser

import uvicorn

from kidneyct.commands import NOTICE, app


def test_what_it_needs_and_does_not_find_is_one_line(tmp_path, run, monkeypatch):
    status, _, err = run("app", "--workspace", tmp_path, "--no-browser")
    assert (status, err.startswith(f"error: {tmp_path / 'dvc.lock'}: not there; ")) == (2, True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "uvicorn")
    line = "error: kidneyct app: expected the package uvicorn, found none; run pip install -e '.[app]'\n"
    assert run("app") == (2, "", line)


def test_the_address_is_printed_and_opened(monkeypatch, capsys):
    opened, urls = threading.Event(), []
    monkeypatch.setattr(webbrowser, "open", lambda url: urls.append(url) or opened.set())

    def serve(server, sockets):
        socket.create_connection(sockets[0].getsockname(), timeout=10).close()  # a browser that comes before it waits

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app._serve(None, listening, browser=True)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    assert opened.wait(10)
    assert urls == [url]
    assert capsys.readouterr() == (f"{url}  (for this machine alone; Ctrl-C ends it)\n", f"{NOTICE}\n")
