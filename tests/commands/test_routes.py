"""The routes: who is answered, the same numbers and lines as `kidneyct predict`, one computation at a time."""

import base64
import importlib.util
import io
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import anyio
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from whole_run import CLASSES, SIDE

from kidneyct.app import routes
from kidneyct.commands import NOTICE
from kidneyct.maps import explainer
from kidneyct.maps.methods import METHODS, PAPER
from kidneyct.pipeline.roles import ROLES
from kidneyct.predict import prediction, trained_model
from kidneyct.report import heat

HERE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def trained(workspace):
    return trained_model.read(workspace[0])


@pytest.fixture(scope="module")
def application(trained):
    return routes.application(trained, NOTICE)


@pytest.fixture
def client(application):
    with TestClient(application, base_url=HERE, raise_server_exceptions=False) as client:
        client.headers["origin"] = HERE
        yield client


def pixels(uri):
    kind, _, content = uri.partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


@pytest.mark.parametrize("role", ROLES)
def test_both_models_say_what_predict_says(client, workspace, inputs, run, role):
    document = json.loads(run("predict", inputs, "--workspace", workspace[0], "--role", role, "--json")[1])
    answers = {str(path): client.post("/predict", content=path.read_bytes()) for path in inputs.iterdir()}
    assert len(document["predictions"]) == 3
    for expected in document["predictions"]:
        found = answers[expected.pop("file")].json()["models"][role]
        for key in ("probabilities", "probability"):  # predict's batch is of another size
            assert found.pop(key) == pytest.approx(expected.pop(key), abs=2e-5)
        assert found == expected
    assert len(document["errors"]) == 2
    for refused in document["errors"]:
        answer = answers[refused["file"]]
        assert (answer.status_code, answer.json()) == (422, {"error": refused["error"]})


def test_a_map_is_the_model_s_and_the_picture_what_it_sees(inputs, client, trained):
    content, model = (inputs / "0.png").read_bytes(), trained["candidate"]
    tensor, _ = prediction.seen(content, "0.png", model)
    explain = explainer.explainer(trained_model.network(model), batch_size=prediction.BATCH_SIZE)
    for method in PAPER:
        answer = client.post(f"/predict?method={method}", content=content).json()
        np.testing.assert_array_equal(pixels(answer["picture"]), tensor)
        found = answer["models"]["candidate"]
        codes = np.array([CLASSES.index(found["class"])])
        (expected,) = explain(tensor[None], codes, seed=0, methods=(method,))[method]
        assert found["top"] == pytest.approx(float(heat.top(expected, (SIDE, SIDE))), rel=1e-4)
        assert found["evidence"] == bool(expected.any())
        colours = heat.colours(expected, (SIDE, SIDE)).round().astype(int)
        assert np.abs(pixels(found["map"]).astype(int) - colours).max() <= 1
    answer = client.post("/predict?method=lime", content=content)
    assert (answer.status_code, answer.json()) == (400, {"error": f"expected a map of {', '.join(METHODS)}"})


def test_a_file_that_is_too_large_is_refused_before_it_is_in_memory(client, monkeypatch):
    monkeypatch.setattr(routes, "LARGEST", 2**20)
    for content in (bytes(2**20 + 1), iter([bytes(2**19)] * 3)):
        answer = client.post("/predict", content=content)
        assert (answer.status_code, answer.json()) == (413, {"error": "larger than 1 MiB; make it smaller"})


def test_another_site_gets_no_answer(client):
    for host in ("evil.example", "127.0.0.1.evil.example:8000", ""):
        assert client.get("/", headers={"host": host}).status_code == 400
    for origin in ("null", "http://127.0.0.1:9000", "https://127.0.0.1:8000", "http://localhost:8000", ""):
        answer = client.post("/predict", content=b"x", headers={"origin": origin})
        line = f"expected a question from {HERE}, found another site's"
        assert (answer.status_code, answer.json()) == (403, {"error": line})


def test_every_answer_has_the_headers_and_the_page_nothing_from_elsewhere(client, inputs, trained):
    answers = [
        *(client.get(path) for path in ("/", "/style.css", "/script.js", "/none", "/../params.yaml")),
        client.get("/", headers={"host": "evil.example"}),
        client.post("/predict", content=b"", headers={"origin": "null"}),
        client.post("/predict", content=(inputs / "0.png").read_bytes()),
        client.put("/"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 404, 400, 403, 200, 405]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in routes.HEADERS} == routes.HEADERS
        assert "set-cookie" not in answer.headers
    assert NOTICE in answers[0].text
    warning = "The training images were generated."
    assert warning in answers[0].text
    assert warning not in routes._page(ROLES, trained["candidate"]._replace(generated=False), NOTICE)
    for answer in answers[:3]:
        assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", answer.text)
    assert not re.search(r"<style|<script>| style=| on[a-z]+=", answers[0].text)


def test_one_is_computed_at_a_time_and_a_slow_picture_holds_up_no_other(client, inputs, monkeypatch):
    slow, running, overlaps = threading.Event(), threading.Semaphore(1), []
    contents = [(inputs / name).read_bytes() for name in ("0.png", "2.png")]
    alone = [client.post("/predict", content=content).json() for content in contents]
    seen, classify = prediction.seen, prediction.classify

    def waits(content, *given):
        assert content != b"slow" or slow.wait(60)
        return seen(contents[0] if content == b"slow" else content, *given)

    def counted(*given):
        overlaps.append(not running.acquire(blocking=False))
        result = classify(*given)
        running.release()
        return result

    monkeypatch.setattr(prediction, "seen", waits)
    monkeypatch.setattr(prediction, "classify", counted)
    with ThreadPoolExecutor(7) as pool:
        last = pool.submit(client.post, "/predict", content=b"slow")
        answers = list(pool.map(lambda content: client.post("/predict", content=content).json(), contents * 3))
        slow.set()
        assert last.result().json() == alone[0]
    assert answers == alone * 3
    assert overlaps == [False] * 14


def call(application, receive):
    """The status that a question gets, whose body `receive` gives."""
    headers, sent = [(b"host", b"127.0.0.1:8000"), (b"origin", HERE.encode())], []
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}

    async def send(message):
        sent.append(message)

    anyio.run(application, scope, receive, send)
    return sent[0]["status"]


def test_for_who_has_gone_nothing_is_computed_and_who_never_sends_is_not_waited_for(application, inputs, monkeypatch):
    monkeypatch.setattr(prediction, "classify", lambda *given: pytest.fail("computed"))
    monkeypatch.setattr(routes, "SECONDS", 0.01)
    content = (inputs / "0.png").read_bytes()
    coming = [{"type": "http.request", "body": content, "more_body": False}, {"type": "http.disconnect"}]

    async def leaves():
        return coming.pop(0)

    assert call(application, leaves) == routes.GONE
    assert call(application, anyio.sleep_forever) == 408


def test_what_goes_wrong_is_one_line_and_the_next_is_answered(client, inputs, monkeypatch):
    content = (inputs / "0.png").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(prediction, "classify", Mock(side_effect=[MemoryError(), ZeroDivisionError("secret")]))
        for status, line in (
            (507, "too little memory for this; close other programs, or make the image smaller"),
            (500, "a mistake in kidneyct (ZeroDivisionError); the terminal tells more"),
        ):
            answer = client.post("/predict", content=content)
            assert (answer.status_code, answer.json()) == (status, {"error": line})
    assert client.post("/predict", content=content).status_code == 200


def test_what_it_needs_and_does_not_find_is_one_line(tmp_path, run, monkeypatch):
    status, _, err = run("app", "--workspace", tmp_path, "--no-browser")
    assert (status, err.startswith(f"error: {tmp_path / 'dvc.lock'}: not there; ")) == (2, True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "uvicorn")
    line = "error: kidneyct app: expected the package uvicorn, found none; run pip install -e '.[app]'\n"
    assert run("app") == (2, "", line)
