import os
import threading

import pytest
from loopback import Kaggle, make_zip


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Kaggle as the client sees it; without an account."""
    server = Kaggle(make_zip())
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


@pytest.fixture
def at_once(tmp_path, monkeypatch):
    """A client that waits for nothing before it tries again; what is written into the file runs in it too."""
    place = tmp_path / "at_once"
    place.mkdir()
    (place / "sitecustomize.py").write_text("import time\ntime.sleep = lambda seconds: None\n")
    monkeypatch.setenv("PYTHONPATH", str(place))
    return place / "sitecustomize.py"
