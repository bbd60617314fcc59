"""What `dvc exp show --json` lists and what of it counts; a real list is read in test_grid_command.py."""

import json
import subprocess

import pytest

from kidneyct.experiments import experiments
from kidneyct.pipeline import lock
from kidneyct.pipeline.errors import InputError

MODEL = {"accuracy": 0.5, "macro_f1": 0.25, "recall": {"a": 1, "b": 0}}
HEADLINE = {
    "candidate": MODEL,
    "control": MODEL,
    "gap": {"accuracy": 0.0},
    "leak": {"near_duplicates": 0.5},
    "without_network": {"nearest_thumbnail": 0.25},
}
LATE = {"report": {"params": {"params.yaml": {"train.fraction": 0.125}}}}  # of no number in the headline


def files(fraction=1.0, read="1", headline="h", stages=None):
    """A revision's lock, in which `compare` has read the predictions `read` of `train`'s, which are "1"."""
    trained = {
        "params": {"params.yaml": {"train.fraction": fraction}},
        "outs": [{"path": "plots/predictions.csv", "md5": "1"}],
    }
    compared = {
        "deps": [{"path": "plots/predictions.csv", "md5": read}, {"path": "stages/compare.py", "md5": "2"}],
        "outs": [{"path": "metrics/headline.json", "md5": headline}],
    }
    stages = {"train@candidate": trained, "compare": compared} | LATE if stages is None else stages
    return experiments.Files(lock.Lock.model_validate({"stages": stages}), "h")


def entry(rev, name=None, headline=HEADLINE, fraction=1.0, error=None, experiments=None):
    data = {
        "params": {"params.yaml": {"data": {"seed": 0, "train": {"fraction": fraction}}}},
        "metrics": {"metrics/headline.json": {"data": headline}} if headline else {},
        "deps": {"stages/train.py": {"hash": "1"}, "data/images/images.npy": {"hash": "2"}},
    }
    return {"rev": rev, "name": name, "data": data, "error": error, "experiments": experiments}


def experiment(name, state=None, **options):
    executor = {"state": state} if state else None
    return {"revs": [entry(name, name, **options)], "executor": executor, "name": name}


def test_finished_runs_in_order_with_names_and_dotted_parameters():
    listed = [
        entry("workspace"),
        entry("0123456789", "trunk", experiments=[experiment("slow", fraction=0.5), experiment("old", "success")]),
    ]
    known = {"workspace": files(), "0123456789": files(), "slow": files(0.5), "old": files()}
    runs, left_out = experiments.runs(listed, known)
    assert [run.name for run in runs] == ["workspace", "trunk", "slow", "old"]
    assert runs[2].parameters == {"seed": 0, "train.fraction": 0.5}
    assert runs[0].headline == HEADLINE
    assert runs[0].code == {"stages/train.py": "1"}
    assert left_out == []
    detached = experiments.runs([entry("0123456789")], {"0123456789": files()})[0]
    assert detached[0].name == "012345678"


def test_what_is_not_finished_is_counted_by_its_state():
    half = HEADLINE | {"control": {"accuracy": 0.5}}
    old = {key: value for key, value in HEADLINE.items() if key != "gap"}
    text = HEADLINE | {"gap": {"accuracy": "0.5"}}
    others = [
        experiment("a", "queued"),
        experiment("b", "failed"),
        experiment("c", "queued"),
        experiment("d", headline=None),
        experiment("e", headline=half),
        experiment("f", error={"msg": "broken"}),
        experiment("g", headline=old),
        experiment("h", headline=text),
    ]
    runs, left_out = experiments.runs([entry("workspace", experiments=others)], {"workspace": files()})
    assert [run.name for run in runs] == ["workspace"]
    assert left_out == ["1 failed", "2 queued", "5 without results"]


STALE = {
    "made with train.fraction: 1.0, params.yaml says 0.5; run dvc repro": {"fraction": 1.0},
    "dvc.lock: plots/predictions.csv is of another run: train@candidate wrote it anew, and compare has not been run on "
    f"that; {lock.BACK}": {"fraction": 0.5, "read": "0"},
    "metrics/headline.json is not the one that dvc.lock knows; run dvc repro": {"fraction": 0.5, "headline": "g"},
    "dvc.lock knows of no results; run dvc repro": {"stages": {}},
}


@pytest.mark.parametrize("reason", STALE)
def test_results_that_other_parameters_or_runs_made_do_not_count(reason):
    """Such as an edited params.yaml, an interrupted repro, and an experiment of `dvc exp run preprocess` only."""
    listed = [entry("workspace", fraction=0.5), entry("0", "trunk", experiments=[experiment("a", fraction=0.5)])]
    known = {"workspace": files(**STALE[reason]), "0": files(), "a": files(**STALE[reason])}
    runs, left_out = experiments.runs(listed, known)
    assert [run.name for run in runs] == ["trunk"]
    assert left_out == ["1 with results of another run", f"workspace ({reason})"]


def test_a_damaged_lock_here_is_one_line_and_elsewhere_no_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").write_text("<<<<<<< HEAD\n=======\n")
    with pytest.raises(InputError, match=r"^dvc\.lock: Input should be a valid dictionary .*; settle what a merge"):
        experiments.collect()

    def answer(command, **options):
        shown = [entry("workspace"), entry("0", "trunk", experiments=[experiment("a")])]
        found = json.dumps(shown).encode() if "dvc" in command else b"<<<<<<< HEAD"
        return subprocess.CompletedProcess(command, 0, found)

    (tmp_path / "dvc.lock").unlink()
    monkeypatch.setattr(subprocess, "run", answer)
    runs, left_out = experiments.runs(*experiments.collect())
    nothing = "(dvc.lock knows of no results; run dvc repro)"
    assert runs == []
    assert left_out == ["1 with results of another run", f"workspace {nothing}", f"trunk {nothing}"]
