"""The page in a browser, served by the real command: what a person does with it, and two at once."""

import base64
import json
import re
import subprocess
import sys

import chromium
import pytest
from finished import CLASSES, SIDE
from PIL import Image

from kidneyct.commands import NOTICE
from kidneyct.images import decoding

DROP = """
const [name, content] = arguments, data = new DataTransfer();
data.items.add(new File([Uint8Array.from(atob(content), letter => letter.charCodeAt(0))], name));
const dropped = new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
document.getElementById("drop").dispatchEvent(dropped);
"""


@pytest.fixture(scope="module")
def browsers():
    both = []
    try:
        both += [chromium.started()]
        both += [chromium.started()]
        yield both
    finally:
        for running in both:
            running.quit()


@pytest.fixture(scope="module")
def address(browsers, folder, tmp_path_factory):
    """Where the program answers; it ends with Ctrl-C, having written nothing, and told nothing but its notice."""
    room = tmp_path_factory.mktemp("room")
    before = listed(folder)
    call = [sys.executable, "-m", "kidneyct", "app", "--no-browser", "--workspace", folder]
    environment = {"PYTHONPATH": "src", "PATH": "/usr/bin:/bin", "TMPDIR": str(room), "HOME": str(room)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(call, env=environment, **pipes) as process:
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            found = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)  \(for this machine alone; Ctrl-C ends it\)\n", line)
            yield found[1]
            assert listed(folder) == before
            left = {path.suffix for path in listed(room)}
            assert left <= {".json", ".py", ".pyc"}  # Keras's settings, matplotlib's fonts, TensorFlow's compiled code
            process.send_signal(2)
            assert process.communicate() == ("", f"{NOTICE}\n")
            assert process.returncode == 0
        finally:
            process.kill()


def listed(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def page(browsers, address):
    browsers[0].get(address)
    return browsers[0]


def wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 60, poll_frequency=0.05).until(condition)


def status(browser):
    return browser.find_element("id", "status").text


def choose(browser, *files):
    browser.find_element("id", "files").send_keys("\n".join(map(str, files)))


def cards(browser, count):
    wait(browser, lambda _: status(browser).startswith(f"{count} of {count} done"))
    return browser.find_elements("css selector", ".result")


def numbers(card):
    """Role -> class, its probability, and the bars' numbers by class, as they are read."""
    found = {}
    for opinion in card.find_elements("class name", "opinion"):
        bars = opinion.find_elements("css selector", ".bars li")
        texts = dict([bar.find_element("class name", name).text for name in ("label", "number")] for bar in bars)
        verdict = [opinion.find_element("class name", name).text for name in ("class", "probability")]
        found[opinion.get_attribute("data-role")] = (*verdict, texts)
    return found


@pytest.fixture(scope="module")
def expected(folder, inputs):
    """A function of a file's name that gives the same from the networks themselves."""
    from kidneyct.predict import models, trained_model

    opened, _ = trained_model.read_all(folder)
    networks = {role: models.load(each) for role, each in opened.items()}

    def ask(name):
        with Image.open(inputs / name) as picture:
            tensor = decoding.tensor(picture.convert("RGB"), SIDE)
        found = {}
        for role, network in networks.items():
            row = network.predict_on_batch(tensor[None])[0]
            shares = {label: f"{100 * share:.2f} %" for label, share in zip(CLASSES, row, strict=True)}
            found[role] = [CLASSES[row.argmax()], f"{100 * row.max():.2f} %", shares]
        return found

    return ask


def plain(found):
    return json.loads(json.dumps(found, ensure_ascii=False).replace("\N{NO-BREAK SPACE}", " "))


def test_images_are_chosen_dropped_and_explained(page, address, inputs, expected):
    page.get_log("performance")
    choose(page, inputs / "alike.png", inputs / "text.jpg", inputs / "huge.png")
    first, text, huge = cards(page, 3)
    assert plain(numbers(first)) == expected("alike.png")
    assert "Nearly one of the training images" in first.text
    assert text.text.splitlines() == ["text.jpg", "not a readable image (no known format); replace or remove it"]
    assert huge.text.splitlines() == ["huge.png", "larger than 178,956,970 pixels; make it smaller"]

    content = base64.b64encode((inputs / "unlike.jpg").read_bytes()).decode()
    page.execute_script(DROP, "<img src=x onerror=alert(1)>.jpg", content)
    wait(page, lambda _: len(page.find_elements("css selector", ".result")) == 4)
    second = page.find_elements("css selector", ".result")[3]
    assert second.find_element("class name", "name").text == "<img src=x onerror=alert(1)>.jpg"
    assert "Looks unlike the training images" in second.text
    assert plain(numbers(second)) == expected("unlike.jpg")

    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    maps, slider = (first.find_elements("css selector", ".opinion .map"), first.find_element("class name", "opacity"))
    assert not any(each.is_displayed() for each in maps)
    assert not slider.is_enabled()
    for method in ("gradcam", "smoothgrad"):
        Select(first.find_element("class name", "method")).select_by_value(method)
        wait(page, lambda _: all(each.is_displayed() for each in maps))
        assert page.execute_script("return arguments[0].every(map => map.complete && map.naturalWidth === 32)", maps)
    assert [each.value_of_css_property("opacity") for each in maps] == ["0.6", "0.6"]
    slider.send_keys(Keys.END)
    assert [each.value_of_css_property("opacity") for each in maps] == ["1", "1"]
    slider.send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    assert [each.value_of_css_property("opacity") for each in maps] == ["0.01", "0.01"]
    assert first.find_element("tag name", "output").text == "1 %"
    Select(first.find_element("class name", "method")).select_by_value("")
    wait(page, lambda _: not any(each.is_displayed() for each in maps))

    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith((address, "data:")) for url in asked)
    refused = [entry["message"] for entry in page.get_log("browser")]
    assert len(refused) == 2  # of the two files that are no images; nothing that the policy forbids
    assert all("/predict" in line and "422" in line for line in refused)

    clear = page.find_element("id", "clear")
    page.execute_script("arguments[0].scrollIntoView()", clear)
    clear.click()
    assert page.find_elements("css selector", ".result") == []


def test_it_fits_and_is_used_by_keyboard_and_named(page, inputs):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    choose(page, inputs / "alike.png", inputs / "empty.png")
    cards(page, 2)
    for width, scheme, paper in ((390, "dark", "rgb(15, 19, 24)"), (1280, "light", "rgb(255, 255, 255)")):
        page.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 500, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        assert page.execute_script("return getComputedStyle(document.body).backgroundColor") == paper
        page.execute_script("scrollTo(0, document.documentElement.scrollHeight)")
        top = page.execute_script("return document.querySelector('.notice').getBoundingClientRect().top")
        assert 0 <= top < 20  # in sight, wherever the page is scrolled to
    page.execute_script("scrollTo(0, 0)")
    page.find_element(By.TAG_NAME, "body").click()
    reached = []
    for _ in range(8):
        ActionChains(page).send_keys(Keys.TAB).perform()
        focused = page.switch_to.active_element
        reached.append((focused.get_attribute("id") or focused.get_attribute("class"), focused.accessible_name))
    assert (
        "files",
        "Drop images here, or choose them JPEG, PNG or DICOM, up to 64 MiB each. They stay on this machine, and "
        "nothing of them is kept.",
    ) in reached
    assert ("method", "Map of alike.png") in reached
    assert page.find_element("id", "status").get_attribute("aria-live") == "polite"
    assert page.execute_script("return [...document.images].every(image => image.hasAttribute('alt'))")


def test_two_people_at_once_get_their_own(browsers, address, inputs, expected):
    for browser in browsers:
        browser.get(address)
    names = ("alike.png", "unlike.jpg")
    for _ in range(3):
        for browser, name in zip(browsers, names, strict=True):
            choose(browser, inputs / name)
    for browser, name in zip(browsers, names, strict=True):
        wait(browser, lambda _, browser=browser: len(browser.find_elements("css selector", ".result")) == 3)
        of_file = expected(name)
        for card in browser.find_elements("css selector", ".result"):
            assert card.find_element("class name", "name").text == name
            assert plain(numbers(card)) == of_file
