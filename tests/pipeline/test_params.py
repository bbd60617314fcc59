"""params.yaml: what is accepted, and the line that each mistake gets."""

import math
from typing import get_args

import house
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from kidneyct.pipeline import params, roles
from kidneyct.pipeline.errors import InputError

REMOVED = object()
REAL = yaml.safe_dump(house.defaults(), sort_keys=False).encode()


def changed(changes):
    """The study's own settings with some dotted keys changed, or added; REMOVED takes one out."""
    values = house.defaults()
    for key, value in changes.items():
        *sections, name = key.split(".") if isinstance(key, str) else [key]
        target = values
        for section in sections:
            target = target[section]
        target[name] = value
        if value is REMOVED:
            del target[name]
    return values


def written(tmp_path, changes):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(changed(changes)))
    return path


MISTAKES = [
    ({"seed": -1}, "seed", "-1", "whole number from 0"),
    ({"weights": "a\u2028b"}, "weights", r"'a\u2028b'", "the path of a weights file"),
    ({"preprocess.image_size": "200"}, "preprocess.image_size", "'200'", "from 32 to 1024"),
    ({"split.test": math.nan}, "split.test", "nan", "above 0 and below 1"),
    ({"split.test": 0.9}, "split.test", "found 0.9 beside split.validation 0.1;", "of less than 1 together"),
    ({"split.folds": 3, "split.fold": 3}, "split.fold", "found 3 beside split.folds 3;", "below split.folds"),
    ({"train.learning_rate": 1e39}, "train.learning_rate", "1e+39", "from 1e-10 to 100"),  # infinite in 32 bits
    ({"train.learning_rate": list(range(1, 102))}, "train.learning_rate", "[1, 2, 3, ", "100 at most"),
    ({"train.weight_decay": 0.05}, "train.weight_decay", "0.05 beside train.optimizer 'adam';", "0 unless"),
    ({"train.warmup_epochs": 2}, "train.warmup_epochs", "2 beside train.schedule 'constant';", "0 unless"),
    ({"train.head_epochs": 5}, "train.head_epochs", "5 beside model.frozen_blocks 5;", "0 where all five"),
    ({"train.warmup_epochs": 30, "train.schedule": "cosine"}, "train.epochs", "30 beside", "more than both together"),
    ({"train.epochs": REMOVED}, "train.epochs", "nothing", "whole number from 1"),
    ({"preprocess.window": [math.nan, 400]}, "preprocess.window", "[nan, 400]", "[centre, width]"),
    ({"data.labels": "a.csv"}, "data.labels", "'a.csv' beside data.source 'kaggle'", "none unless data.source is"),
    ({"data.classes": ["Cyst", "../x"]}, "data.classes", "'../x'", "names of class folders"),
    ({"data.classes": ["\xe9", "e\u0301"]}, "data.classes", "['\xe9', 'e\u0301']", "2 to 30 different"),
    ({"data.classes": ["Cyst", "a\u202eb"]}, "data.classes", r"'a\u202eb'", "names of class folders"),
    ({"data.kaggle": "a/b\n"}, "data.kaggle", r"'a/b\n'", "owner/name"),
    ({"explain.images_per_class": 51}, "explain.images_per_class", "51 beside data.classes ['Cy", "200 images of"),
    ({"train.epoch": 3}, "train.epoch", "unknown key", "epochs, train.batch_size"),
    ({"train.a\nb": 3}, r"'train.a\nb'", "unknown key", "train.epochs"),
    ({"x" * 5000: 3}, "xxx", "x: unknown key", "weights, seed"),
]


@pytest.mark.parametrize(("changes", "key", "found", "allowed"), MISTAKES)
def test_a_mistake_is_one_line_with_key_found_and_allowed(tmp_path, changes, key, found, allowed):
    path = written(tmp_path, changes)
    with pytest.raises(InputError) as caught:
        params.validate(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: {key}")
    assert len(line) < len(str(path)) + 500
    assert found in line
    assert allowed in line


@pytest.mark.filterwarnings("error")
def test_values_are_given_as_they_are_written(tmp_path):
    given = {"preprocess.window": [-600.5, 1], "data.classes": ["<b>", " a", "a", "A", "01", "no"]}
    found = params.validate(written(tmp_path, given))
    assert repr([found.preprocess.window, found.data.classes]) == repr(list(given.values()))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected sections of keys, found nothing; git checkout"),
        ("- 1", "expected sections of keys, found [1]; git checkout"),
        ("[" * 1000, "not valid YAML: did not find expected node content, line 2"),
    ],
)
def test_a_file_without_parameters_is_one_line(tmp_path, text, line):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        params.validate(path)
    assert str(caught.value).replace(f" {path}", "").startswith(f"{path}: {line}")
    assert "\n" not in str(caught.value)


def test_a_stage_sees_its_declared_keys_only(tmp_path):
    """A key by itself, and a section that stands for all its keys."""
    p = params.load("leakage", written(tmp_path, {"series.similarity": 0.9, "probe.slices": 4}))
    assert vars(p.probe) == {"slices": 4}
    assert vars(p.series) == {"neighbours": 0.7, "similarity": 0.9}
    assert vars(p).keys() == {"data", "series", "split", "probe"}


PARTS = [b"\n", b"  ", b"\t", b":", b"-", b"[", b"]", b"{", b"}", b"#", b"'", b'"', b"~", b"&a ", b"*a", b"<<: *a"]
PARTS += [b"!!int ", b"\0", b"\xff", b"\xef\xbb\xbf", b"<<<<<<< HEAD\n", b"1e400", b".nan", b"9" * 300, b"true"]
PARTS += [b"seed: 1\n", b"x" * 999]
EDITS = st.lists(
    st.tuples(st.integers(0, len(REAL)), st.integers(0, 30), st.one_of(st.sampled_from(PARTS), st.binary(max_size=8))),
    min_size=1,
    max_size=4,
)


def refusal(call, argument):
    """The lines of the error that a call ends in, or none."""
    try:
        call(argument)
    except InputError as error:
        return str(error).splitlines()
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("params")


@pytest.mark.fuzz
@given(EDITS)
def test_a_damaged_file_is_valid_or_refused_line_by_line(folder, edits):
    content = REAL
    for start, length, new in edits:
        content = content[:start] + new + content[start + length :]
    path = folder / "params.yaml"
    path.write_bytes(content)
    lines = refusal(params.validate, path)
    assert all(line.startswith(f"{path}: ") and len(line) < len(str(path)) + 500 for line in lines)


KEYS = sorted(params.keys())
SCALARS = st.none() | st.booleans() | st.integers() | st.integers(-(10**100), 10**100) | st.floats() | st.text()
SCALARS |= st.binary() | st.dates() | st.sampled_from(["none", "kaggle", "phantom", "image", "a/b", "../x", "x" * 5000])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)


@pytest.mark.fuzz
@given(st.sampled_from(KEYS), VALUES)
def test_any_value_is_valid_or_refused_in_a_line_that_names_its_key(key, value):
    lines = refusal(params.check, changed({key: value}))
    assert all(line.startswith("params.yaml: ") and key in line and len(line) < 500 for line in lines)


LETTERS = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])
PATHS = st.text(LETTERS, min_size=1, max_size=50)
NAMES = st.text(LETTERS, min_size=1, max_size=20).filter(lambda name: not {"/", "\\"} & set(name) and name not in "..")
SLUGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
SHARES, RATES = st.floats(0, 1, exclude_min=True, exclude_max=True), st.floats(1e-10, 100)
VALID = {
    "weights": st.one_of(st.sampled_from(list(roles.STARTS)), PATHS),
    "data.source": st.one_of(st.sampled_from(["kaggle", "phantom"]), PATHS),
    "data.labels": st.just("none"),  # a path only beside a source that is one
    "data.external": st.one_of(st.just("none"), PATHS),
    "data.kaggle": st.one_of(st.tuples(SLUGS, SLUGS).map("/".join), st.just("nazmul0087/ct-kidney/12")),
    "data.classes": st.lists(NAMES, min_size=2, max_size=5, unique=True),
    "preprocess.window": st.one_of(st.just("file"), st.tuples(st.floats(-1e5, 1e5), st.floats(1, 1e5)).map(list)),
    "series.neighbours": st.one_of(st.just("none"), SHARES),
    "series.table": st.one_of(st.sampled_from(["archive", "published", "none"]), PATHS),
    "train.learning_rate": st.one_of(RATES, st.lists(RATES, min_size=1, max_size=4, unique=True)),
    "explain.images_per_class": st.integers(1, 40),
}


def allowed(key):
    """What a key may be: as VALID has it, else as its bounds and choices have it."""
    if key in VALID:
        return VALID[key]
    *sections, name = key.split(".")
    section = params.Params
    for each in sections:
        section = section.model_fields[each].annotation
    field = section.model_fields[name]
    if choices := get_args(field.annotation):
        return st.sampled_from(choices)
    bounds = {sign: getattr(bound, sign) for bound in field.metadata for sign in bound.__slots__}
    ends = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    if field.annotation is int:
        return st.integers(*ends)
    return st.floats(*ends, exclude_min="gt" in bounds, exclude_max="lt" in bounds)


@pytest.fixture(scope="module")
def stages():
    """The stages of dvc.yaml, which is read once."""
    entries = params.stages()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(params, "stages", lambda _: entries)
        yield list(entries)


@pytest.mark.fuzz
@given(st.fixed_dictionaries({key: allowed(key) for key in KEYS}), st.data())
def test_what_is_valid_can_be_loaded_by_every_stage(folder, stages, flat, data):
    flat["split.fold"] %= flat["split.folds"]
    flat["train.weight_decay"] *= flat["train.optimizer"] == "adamw"
    flat["train.head_epochs"] %= flat["train.epochs"] if flat["model.frozen_blocks"] < 5 else 1
    flat["train.warmup_epochs"] %= flat["train.epochs"] - flat["train.head_epochs"]
    flat["train.warmup_epochs"] *= flat["train.schedule"] == "cosine"
    assume(flat["split.test"] + flat["split.validation"] < 1)
    values = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        (values.setdefault(sections[0], {}) if sections else values)[name] = value
    path = folder / "params.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(values, file)  # as DVC writes it
    stage = data.draw(st.sampled_from(stages))
    loaded = vars(params.load(stage, path))
    for key in params.declared(stage):
        *sections, name = key.split(".")
        assert (vars(loaded[sections[0]]) if sections else loaded)[name] == flat[key]
