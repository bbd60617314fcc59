"""`kidneyct app`: what it refuses, each in one line, and what it opens."""

import importlib.util
import json
import socket
import threading
import webbrowser

import ct
import pytest
import uvicorn

from kidneyct import __main__ as door
from kidneyct.commands import NOTICE, app


def test_what_it_needs_and_does_not_find_is_one_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "scan.png").touch()
    assert door.main(["predict", str(tmp_path / "scan.png"), "--workspace", str(tmp_path)]) == 2
    expected = capsys.readouterr()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert door.main(["app", "--workspace", str(tmp_path), "--port", port]) == 2
        line = f"error: --port {port}: can't be used (Address already in use); choose another, or leave it out for one"
        assert capsys.readouterr() == ("", f"{line} that is free\n")
    assert door.main(["app", "--workspace", str(tmp_path), "--no-browser"]) == 2
    assert capsys.readouterr() == expected
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "uvicorn")
    assert door.main(["app"]) == 2
    line = "error: kidneyct app: expected the package uvicorn, found none; run pip install -e '.[app]'\n"
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize("browser", [True, False])
def test_the_address_is_printed_and_opened(monkeypatch, capsys, browser):
    opened, served, urls = threading.Event(), [], []
    monkeypatch.setattr(webbrowser, "open", lambda url: urls.append(url) or opened.set())

    def serve(server, sockets):
        served.append(sockets[0].getsockname())
        socket.create_connection(served[0], timeout=10).close()  # a browser that comes before it waits

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    with app._bound("127.0.0.1", 0) as listening:
        app._serve(None, listening, browser)
    url = f"http://127.0.0.1:{served[0][1]}/"
    assert not browser or opened.wait(10)
    assert urls == [url] * browser
    assert capsys.readouterr() == (f"{url}  (for this machine alone; Ctrl-C ends it)\n", f"{NOTICE}\n")


def test_an_exported_model_is_shown_alone_and_says_what_predict_says(workspace, tmp_path, capsys):
    testclient = pytest.importorskip("starlette.testclient")
    from kidneyct.app import routes
    from kidneyct.predict import model_file, models

    exported, scan = tmp_path / "model.zip", tmp_path / "scan.dcm"
    ct.put(tmp_path, {"scan.dcm": ct.file()})
    door.main(["export", str(exported), "--workspace", str(workspace[0]), "--without-thumbnails"])
    capsys.readouterr()
    assert door.main(["predict", str(scan), "--model", str(exported), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)["predictions"][0]
    del expected["file"]
    role, model = model_file.read(exported)
    application = routes.application({role: models.Classifier(model)})
    origin = f"http://{routes.ADDRESS}:8000"
    with testclient.TestClient(application, base_url=origin, headers={"origin": origin}) as client:
        page, answer = client.get("/").text, client.post("/predict", content=scan.read_bytes()).json()
    assert answer["models"] == {"candidate": expected}
    assert page.count('class="opinion ') == page.count("The training images were generated.") == 1
