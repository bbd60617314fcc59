"""The page: who is answered, with the numbers and lines of `kidneyct predict`; and what a person does in a browser."""

import base64
import importlib.util
import io
import json
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import anyio
import chromium
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


@pytest.fixture(scope="module")
def browser():
    running = chromium.started()
    yield running
    running.quit()


@pytest.fixture(scope="module")
def address(browser, workspace, tmp_path_factory):
    """Where the program answers; it ends with Ctrl-C, having written nothing, and told nothing but its notice."""
    room = tmp_path_factory.mktemp("room")
    folder = workspace[0]
    before = listed(folder)
    call = [sys.executable, "-m", "kidneyct", "app", "--no-browser", "--workspace", folder]
    environment = {"PYTHONPATH": "src", "PATH": "/usr/bin:/bin", "TMPDIR": str(room), "HOME": str(room)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(call, env=environment, **pipes) as process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            found = re.fullmatch(r"(http://127\.0\.0\.1:(\d+)/)  \(for this machine alone; Ctrl-C ends it\)\n", line)
            yield found[1]
            assert listed(folder) == before
            left = {path.suffix for path in listed(room)}
            assert left <= {".json", ".py", ".pyc"}  # Keras's settings, matplotlib's fonts, TensorFlow's compiled code
            body = b"x" * 100  # a question that is being answered, and others that never come
            head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{found[2]}\r\nContent-Length: 9999\r\n\r\n".encode()
            idle = [socket.create_connection(("127.0.0.1", int(found[2]))) for _ in range(40)]
            for connection in idle:
                connection.sendall(head[:40])
            idle[0].sendall(head[40:] + body)
            assert urllib.request.urlopen(found[1], timeout=30).status == 200
            process.send_signal(2)
            assert process.communicate() == ("", f"{NOTICE}\n")
            assert process.returncode == 0
        finally:
            process.kill()


def listed(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 60, poll_frequency=0.05).until(lambda _: condition())


def choose(browser, *paths):
    """Have the page ask about some files, and wait until the last is answered or refused."""
    browser.find_element("id", "files").send_keys("\n".join(map(str, paths)))
    wait(browser, lambda: browser.find_element("id", "status").text.startswith(f"{paths[-1].name}: "))


def test_images_are_chosen_and_explained(browser, address, inputs, workspace, run, tmp_path):
    from selenium.webdriver.support.ui import Select

    browser.get(address)
    browser.get_log("performance")
    named = tmp_path / "<img src=x onerror=alert(1)>.png"
    named.write_bytes((inputs / "0.png").read_bytes())
    choose(browser, named, inputs / "2.png", inputs / "text.jpg")
    first, second, third = browser.find_elements("class name", "result")
    assert first.find_element("class name", "name").text == named.name
    assert "Nearly one of the training images" in first.text
    assert "Looks unlike the training images" in second.text
    line = "not a readable image (no known format); replace or remove it"
    assert third.text.splitlines() == ["text.jpg", line]
    (expected,) = json.loads(run("predict", named, "--workspace", workspace[0], "--json")[1])["predictions"]
    opinion = first.find_element("css selector", ".opinion[data-role=candidate]")
    shares = [float(bar.text.split()[0]) for bar in opinion.find_elements("class name", "number")]
    told = [100 * share for share in expected["probabilities"].values()]
    assert shares == pytest.approx(told, abs=0.006)  # by another process, whose threads may add up in another order

    maps = first.find_elements("css selector", ".opinion .map")
    assert not any(each.is_displayed() for each in maps)
    Select(browser.find_element("id", "method")).select_by_value("gradcam")
    wait(browser, lambda: all(each.is_displayed() for each in maps))
    assert [each.value_of_css_property("opacity") for each in maps] == ["0.6", "0.6"]

    browser.find_element("id", "clear").click()
    assert browser.find_elements("class name", "result") == []
    browser.find_element("id", "sample").click()
    wait(browser, lambda: browser.find_element("id", "status").text == "generated.png: answered")
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith((address, "data:")) for url in asked)
    refused = [entry["message"] for entry in browser.get_log("browser")]
    assert all("/predict" in line and "422" in line for line in refused)  # nothing that the policy forbids

    for width in (390, 1280):  # it fits
        size = {"width": width, "height": 500, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        browser.execute_script("scrollTo(0, document.documentElement.scrollHeight)")
        top = browser.execute_script("return document.querySelector('.notice').getBoundingClientRect().top")
        assert 0 <= top < 20  # in sight, wherever the page is scrolled to
    controls = browser.find_elements("css selector", "input, select, button")
    assert all(control.accessible_name for control in controls)
    assert browser.execute_script("return [...document.images].every(image => image.hasAttribute('alt'))")
