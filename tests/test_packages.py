"""The packages: the lock holds what is asked for and nothing unpinned; each has a licence."""

import importlib.util
import re
import tomllib
from email.message import Message
from pathlib import Path
from types import SimpleNamespace

import pytest

ELSEWHERE = {"pywin32", "tzdata"}  # for systems that the project is not tested on
EXTRAS = {"jax", "jaxlib", "ray", "msgpack"}  # what no test needs is not in the lock


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text):
    return {normal(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)}


def test_the_lock_holds_every_pinned_release_and_no_other():
    lock, asked = Path("requirements.lock").read_text(), pins(Path("constraints.txt").read_text())
    locked = pins(lock)
    assert {name: version for name, version in locked.items() if name not in ELSEWHERE} == {
        name: version for name, version in asked.items() if name not in EXTRAS
    }
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
        name, version = requirement.split("==")
        assert locked[normal(name)] == version


def test_every_release_in_the_lock_has_its_hashes_and_no_address():
    lock = Path("requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert all(re.fullmatch(r"[^\n]+ \\(\n    --hash=sha256:[0-9a-f]{64}( \\)?)+", entry) for entry in entries)
    assert "://" not in lock


@pytest.fixture(scope="module")
def licences():
    spec = importlib.util.spec_from_file_location("licences", ".github/licences.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def about(name="x", **fields):
    message = Message()
    message["Name"] = name
    for field, values in fields.items():
        for value in values:
            message[field.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License_Expression": ["MIT OR Apache-2.0"], "License": ["BSD"]}, "MIT OR Apache-2.0"),
        (
            {"Classifier": [f"License :: OSI Approved :: {name} License" for name in ("MIT", "BSD")]},
            "MIT License and BSD License",
        ),
        ({"Classifier": ["License :: OSI Approved"], "License": ["BSD"]}, "BSD"),
        ({"License": ["\n MIT\nPermission is hereby granted"]}, "MIT"),
        ({"License": [f"Permission is hereby granted, {'free of charge ' * 6}"]}, ""),
        ({"License": ["UNKNOWN"]}, ""),
    ],
)
def test_the_licence_that_metadata_names(licences, fields, expected):
    assert licences.licence(about(**fields)) == expected


def test_a_package_without_a_licence_is_named(licences, monkeypatch, capsys):
    found = [
        SimpleNamespace(metadata=about("b", License=["MIT"]), version="1"),
        SimpleNamespace(metadata=about("Aa"), version="2.0"),
        SimpleNamespace(metadata=about("kidneyct"), version="3"),
    ]
    assert licences.table(found) == [("Aa", "2.0", ""), ("b", "1", "MIT")]
    monkeypatch.setattr(licences.metadata, "distributions", lambda: found)
    with pytest.raises(SystemExit, match=r"found none of Aa$"):
        licences.main()
    assert capsys.readouterr().out == "Aa  2.0  UNKNOWN\nb   1    MIT\n"
