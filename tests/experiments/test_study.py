"""What a study file may say, the runs that follow from it, and what is said while they are made."""

import re
import shutil
from pathlib import Path

import pytest
from outcomes import CLASSES, outcome

from kidneyct.commands import study as command
from kidneyct.experiments import engine, study
from kidneyct.pipeline.errors import InputError

FILE = """
settings: {train.epochs: 9}
arms:
  imagenet: {weights: imagenet}
  two blocks: {weights: imagenet, model.transferred_blocks: 2}
splits:
  by image: {split.by: image}
  by series: {split.by: series, split.folds: 3}
seeds: [0, 7]
"""


@pytest.fixture
def read(tmp_path):
    """Reads a study from a file of this text."""

    def read(text):
        (tmp_path / "study.yaml").write_text(text)
        return study.read(tmp_path / "study.yaml")

    return read


def test_every_arm_fold_and_seed_the_simple_split_first(read):
    runs = study.plan(read(FILE))
    assert len(runs) == 2 * 2 * (1 + 3)  # arms, seeds, folds
    first = [(arm, split, 0, 0) for split in ("by image", "by series") for arm in ("imagenet", "two blocks")]
    assert [(run.arm, run.split, run.fold, run.seed) for run in runs[:4]] == first
    changes = {"weights": "imagenet", "model.transferred_blocks": 2, "train.epochs": 9, "split.by": "series"}
    assert runs[-1].changes == changes | {"split.folds": 3, "seed": 7, "split.fold": 2}
    assert runs[-1].name.startswith("study-two-blocks-by-series-2-7-")
    assert len({run.name for run in runs}) == len(runs)


def test_a_runs_name_tells_what_it_is_made_of(read, tmp_path, monkeypatch):
    """What changes a result changes the name; what changes none does not."""
    wanted = read(FILE)
    for name in ("src", "stages"):
        shutil.copytree(name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(name, tmp_path / name)
    (tmp_path / "mine.csv").write_text("image,series\n")
    wanted.settings["series.table"] = str(tmp_path / "mine.csv")
    monkeypatch.chdir(tmp_path)
    before = [run.name for run in study.plan(wanted)]
    for path, old, new, same in (
        ("src/kidneyct/report/charts.py", "$", "\n", True),
        ("src/kidneyct/measures/focus.py", "$", "\n", True),
        ("src/kidneyct/training/training.py", "$", "\n", False),
        ("params.yaml", r" measured_images: \d+", r"\g<0>0", True),
        ("params.yaml", r" batch_size: \d+", r"\g<0>0", False),
        ("mine.csv", "$", "b.png,2\n", False),
    ):
        text = Path(path).read_text()
        Path(path).write_text(re.sub(old, new, text))
        assert ([run.name for run in study.plan(wanted)] == before) is same, path
        Path(path).write_text(text)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("weights: imagenet}", "wieghts: imagenet}", r"arms\.imagenet: expected parameters .*found wieghts"),
        ("settings: {", "settings: {seed: 1, ", r"yaml: settings: expected parameters .*found seed"),
        ("seeds: [0, 7]", "seeds: []", r"expected arms, splits and seeds, or probes, or both; found no seeds$"),
        ("seeds:", "seed:", r"seed: Extra inputs are not permitted"),
        ("transferred_blocks: 2", "transferred_blocks: 9", r"arm two blocks, split by image: .*from 0 to 5"),
        ("seeds: [0, 7]", "seeds: [7, 0, 7]", r"^study: .* found study-imagenet-by-image-0-7-.* twice; give each .*"),
        ("  imagenet:", "  two-blocks: {weights: imagenet, model.transferred_blocks: 2}\n  x:", "-two-blocks-.* twice"),
    ],
)
def test_a_mistake_is_named(read, old, new, line):
    with pytest.raises(InputError, match=line) as caught:
        study.plan(read(FILE.replace(old, new)))
    assert len(str(caught.value).splitlines()) == 1


def test_the_projects_own_studies_can_be_planned():
    runs = study.plan(study.read("study.yaml"))
    assert [run.arm for run in runs] == ["imagenet", *["random"] * 20, "imagenet, unit pixels", "photographs", "he"]
    assert runs[1].targets == ("series", "features@control")
    assert len(study.plan(study.read("tuned.yaml"))) == 2 * 5  # arms, folds


DONE, FIRST, SECOND, THIRD = (study.Run("arm", "split", fold, 0, {}, f"study-{fold}") for fold in range(4))


def test_an_arm_of_fewer_seeds_is_named(tmp_path, monkeypatch, capsys):
    outcomes = {"one": {0: outcome("aaaabbbb"), 1: outcome("aaaabbbb")}, "he": {0: outcome("aaaabbbb")}}
    monkeypatch.setattr(study, "pooled", lambda runs, revisions: ({"by series": outcomes}, ["two, by series"]))
    (tmp_path / "plots").mkdir()
    monkeypatch.chdir(tmp_path)
    command._splits([], {}, "mine", CLASSES)
    assert "\nNot all folds and seeds are there yet: two, by series; he, by series.\n" in capsys.readouterr().out


def test_the_first_failure_ends_it_and_a_later_one_is_told_while_the_others_go_on(monkeypatch, capsys):
    def told(*events):
        def execute(missing, done, jobs):
            assert (missing, done, jobs) == ([FIRST, SECOND, THIRD], [DONE], 3)  # no more at once than there are
            yield from events

        monkeypatch.setattr(engine, "execute", execute)
        return command._execute([DONE, FIRST, SECOND, THIRD], [FIRST, SECOND, THIRD], 9)

    assert told((FIRST, None), (FIRST, ""), (SECOND, None), (SECOND, "broken"), (THIRD, None), (THIRD, "")) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [f"now study-{number}" for number in (1, 2, 3)]
    assert said.err == "error: study-2: broken\n"
    with pytest.raises(InputError, match=r"^study-1: no such source$"):  # as it would befall all
        told((FIRST, None), (FIRST, "no such source"))
