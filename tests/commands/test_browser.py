"""The page in a browser, served by the real command: what a person does with it."""

import json
import re
import socket
import subprocess
import sys
import urllib.request

import chromium
import pytest

from kidneyct.commands import NOTICE


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
    shares = [bar.text for bar in opinion.find_elements("class name", "number")]
    assert shares == [f"{100 * share:.2f} %" for share in expected["probabilities"].values()]

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
