"""The routes: who is answered, the same numbers and lines as `kidneyct predict`, one computation at a time."""

import base64
import copy
import io
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import numpy as np
import pytest
from finished import CLASSES, SIDE
from PIL import Image
from starlette.testclient import TestClient

from kidneyct import __main__ as door
from kidneyct.app import guard, routes
from kidneyct.commands import NOTICE
from kidneyct.maps import explainer
from kidneyct.maps.methods import METHODS
from kidneyct.pipeline.roles import ROLES
from kidneyct.predict import models, prediction, trained_model
from kidneyct.report import heat

HERE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def run(folder):
    opened, about = trained_model.read_all(folder)
    return models.Models(opened), about


@pytest.fixture
def client(run):
    with TestClient(routes.application(*run, NOTICE), base_url=HERE, raise_server_exceptions=False) as client:
        client.headers["origin"] = HERE
        yield client


def told(capsys, folder, inputs, role):
    """What `kidneyct predict --json` says of the inputs, by file name: results, and reasons of what failed."""
    files = sorted(map(str, inputs.iterdir()))
    assert door.main(["predict", *files, "--workspace", str(folder), "--role", role, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    results, reasons = (
        {Path(entry.pop("file")).name: entry for entry in document[part]} for part in ("predictions", "errors")
    )
    return results, {name: entry["error"] for name, entry in reasons.items()}


def pixels(uri):
    kind, _, content = uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_both_models_say_what_predict_says(client, folder, inputs, capsys):
    for role in ROLES:
        results, reasons = told(capsys, folder, inputs, role)
        assert results.keys() == {"alike.png", "unlike.jpg"}
        for name, expected in results.items():
            answer = client.post("/predict", content=(inputs / name).read_bytes())
            assert answer.status_code == 200
            found = answer.json()["models"][role]
            for key in ("probabilities", "probability"):  # predict's batch is of another size
                assert found.pop(key) == pytest.approx(expected.pop(key), abs=2e-6)
            assert found == expected
            assert found["unlike"] == (name == "unlike.jpg")
    assert reasons.keys() == {"broken.jpg", "empty.png", "huge.png", "text.jpg"}
    assert reasons["huge.png"] == "larger than 178,956,970 pixels; make it smaller"
    for name, reason in reasons.items():
        answer = client.post("/predict", content=(inputs / name).read_bytes())
        assert (answer.status_code, answer.json()) == (422, {"error": reason})


def test_the_picture_is_what_the_models_see(client, inputs):
    content = (inputs / "unlike.jpg").read_bytes()
    found = client.post("/predict", content=content).json()
    tensor, thumbnail = prediction.seen(content, "unlike.jpg", SIDE)
    np.testing.assert_array_equal(pixels(found["picture"]), tensor)
    np.testing.assert_array_equal(pixels(found["thumbnail"]), thumbnail)


def test_the_models_see_the_greys_of_their_run(inputs, run):
    models, content = copy.copy(run[0]), (inputs / "unlike.jpg").read_bytes()
    models.run = models.run._replace(grey="matched")
    expected = prediction.seen(content, "unlike.jpg", SIDE, greys="matched")
    for found, pixels_or_thumbnail in zip(models.view(content, "unlike.jpg")[:2], expected, strict=True):
        np.testing.assert_array_equal(found, pixels_or_thumbnail)
    assert not np.array_equal(expected[0], prediction.seen(content, "unlike.jpg", SIDE)[0])


def test_the_nearest_training_image_is_drawn_and_named(client, inputs, run):
    found = client.post("/predict", content=(inputs / "alike.png").read_bytes()).json()["nearest"]
    opened = run[0].opened["candidate"]
    position = opened.names.index(found["name"])
    assert (found["label"], opened.series[position]) == ("Cyst", 0)
    np.testing.assert_array_equal(pixels(found["thumbnail"]), opened.thumbnails[position])


@pytest.mark.parametrize("role", ROLES)
def test_maps_are_those_of_the_explainer(client, inputs, run, role):
    tensor, _ = prediction.seen((inputs / "alike.png").read_bytes(), "alike.png", SIDE)
    said = client.post("/predict", content=(inputs / "alike.png").read_bytes()).json()
    label = said["models"][role]["class"]
    sent = base64.b64decode(said["picture"].partition(",")[2])  # as the page does
    explain = explainer.explainer(run[0].networks[role], batch_size=1)
    expected = explain(tensor[None], np.array([CLASSES.index(label)]), seed=0)
    for method in METHODS:
        answer = client.post(f"/map?role={role}&method={method}", content=sent).json()
        values = expected[method][0]
        assert answer["class"] == label
        assert answer["top"] == pytest.approx(float(heat.top(values, (SIDE, SIDE))), rel=1e-4)
        assert answer["evidence"] == bool(values.any())
        difference = pixels(answer["picture"]).astype(int) - heat.colours(values, (SIDE, SIDE)).round().astype(int)
        assert np.abs(difference).max() <= 8  # sums of another batch size


def test_a_map_that_there_is_not_is_refused(client):
    line = {"error": f"expected a role of candidate, control and a map of {', '.join(METHODS)}"}
    for query in ("role=teacher&method=gradcam", "role=candidate&method=lime", ""):
        answer = client.post(f"/map?{query}", content=b"")
        assert (answer.status_code, answer.json()) == (400, line)


def test_a_file_that_is_too_large_is_refused_before_it_is_in_memory(client, monkeypatch):
    monkeypatch.setattr(routes, "LARGEST", 1000)
    taken = []

    def chunks():
        for _ in range(100):
            taken.append(500)
            yield bytes(500)

    for content in (bytes(1001), chunks()):
        answer = client.post("/predict", content=content)
        assert (answer.status_code, answer.json()) == (413, {"error": "larger than 64 MiB; make it smaller"})
    assert client.post("/predict", content=bytes(1000)).status_code == 422


def test_only_this_machines_own_names_are_answered(client):
    for host in ("127.0.0.1:8000", "localhost:8000", "localhost"):
        assert client.get("/", headers={"host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "0.0.0.0:8000", ""):
        for path in ("/", "/script.js", "/predict"):
            answer = client.get(path, headers={"host": host})
            assert (answer.status_code, "accuracy" in answer.text) == (400, False)


def test_another_sites_question_is_refused(client, inputs, run, monkeypatch):
    monkeypatch.setattr(run[0], "view", lambda *given: pytest.fail("computed"))
    others = (
        "null",
        "https://evil.example",
        "http://127.0.0.1:9000",
        "https://127.0.0.1:8000",
        "http://localhost:8000",
        "",
    )
    for origin in others:
        for path in ("/predict", "/map?role=candidate&method=gradcam"):
            answer = client.post(path, content=b"x", headers={"origin": origin, "sec-fetch-mode": "no-cors"})
            line = f"expected a question from {HERE}, found another site's"
            assert (answer.status_code, answer.json()) == (403, {"error": line})
    del client.headers["origin"]
    assert client.post("/predict", content=b"x").status_code == 403


def test_every_answer_has_the_headers_and_the_page_nothing_from_elsewhere(client, inputs):
    answers = [
        *(client.get(path) for path in ("/", "/style.css", "/script.js", "/none", "/../params.yaml")),
        client.get("/", headers={"host": "evil.example"}),
        client.post("/predict", content=b"", headers={"origin": "null"}),
        client.post("/predict", content=(inputs / "alike.png").read_bytes()),
        client.put("/"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 404, 400, 403, 200, 405]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in guard.HEADERS} == guard.HEADERS
        assert "set-cookie" not in answer.headers
    policy = answers[0].headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    for answer in answers[:3]:
        assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", answer.text)
    assert not re.search(r"<style|<script>| style=| on[a-z]+=", answers[0].text)


def test_the_page_says_what_run_it_is(client):
    text = " ".join(re.sub("<[^>]*>", "", client.get("/").text.replace("\N{NO-BREAK SPACE}", " ")).split())
    assert "split by image: test accuracy candidate (&lt;b&gt;.h5) 87.5 %, control (random weights) 50.0 %;" in text
    assert "by the nearest thumbnail, 96.2 %." in text
    assert "This run leaks. It was split by image, and 93.1 % of the test images have a near-duplicate" in text
    assert NOTICE in text
    assert "/home/someone" not in text


def test_a_run_that_is_not_known_is_told_as_such(run):
    def page(*about):
        with TestClient(routes.application(run[0], *about, NOTICE), base_url=HERE) as client:
            return client.get("/").text

    other = trained_model.About({"split.by": "series", "data.source": "phantom"}, None, "here: expected x")
    text = page(other)
    assert "The test accuracy of the models is not known. here: expected x" in text
    assert "<h4>candidate</h4>" in text
    assert 'id="leak"' not in text
    assert "trained on generated images" in text
    text = page(other._replace(parameters={"split.by": "image"}))
    assert "slices of one scan may lie in training and in test" in text
    assert 'id="exported"' not in text


def test_two_at_once_are_answered_one_after_the_other_and_rightly(client, inputs, run, monkeypatch):
    names = ["alike.png", "unlike.jpg"] * 4
    alone = {name: client.post("/predict", content=(inputs / name).read_bytes()).json() for name in set(names)}
    seen, running, original = [], threading.Semaphore(1), run[0].view

    def view(*given):
        seen.append(running.acquire(blocking=False))
        time.sleep(0.01)  # time for others to come in, if they could
        result = original(*given)
        running.release()
        return result

    monkeypatch.setattr(run[0], "view", view)
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(
            pool.map(lambda name: client.post("/predict", content=(inputs / name).read_bytes()).json(), names)
        )
    assert answers == [alone[name] for name in names]
    assert seen == [True] * len(names)


def test_for_who_has_gone_nothing_is_computed(run, monkeypatch):
    monkeypatch.setattr(run[0], "view", lambda *given: pytest.fail("computed"))
    application, sent = routes.application(*run, NOTICE), []
    coming = [{"type": "http.request", "body": b"x", "more_body": False}, {"type": "http.disconnect"}]
    headers = [(b"host", b"127.0.0.1:8000"), (b"origin", HERE.encode())]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}

    async def call():
        async def receive():
            return coming.pop(0)

        async def send(message):
            sent.append(message)

        await application(scope, receive, send)

    anyio.run(call)
    assert sent[0]["status"] == routes.GONE


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (MemoryError(), 507, "too little memory for this; close other programs, or make the image smaller"),
        (ZeroDivisionError("secret"), 500, "a mistake in kidneyct (ZeroDivisionError); the terminal tells more"),
    ],
)
def test_what_goes_wrong_is_one_line_and_the_next_is_answered(client, inputs, run, monkeypatch, error, status, line):
    def fail(*given):
        raise error

    content = (inputs / "alike.png").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(run[0], "view", fail)
        answer = client.post("/predict", content=content)
        assert (answer.status_code, answer.json()) == (status, {"error": line})
    assert client.post("/predict", content=content).status_code == 200
