"""What `dvc exp show --json` lists and what of it counts; a real list is read in test_grid_command.py."""

from kidneyct.runs import experiments

MODEL = {"accuracy": 0.5, "macro_f1": 0.25, "recall": {"a": 1, "b": 0}}
HEADLINE = {"candidate": MODEL, "control": MODEL}
LOCK = {"stages": {"train@candidate": {"params": {"params.yaml": {"train.fraction": 1.0}}}, "report": {}}}


def entry(rev, name=None, headline=HEADLINE, fraction=1.0, error=None, experiments=None):
    data = {
        "params": {"params.yaml": {"data": {"seed": 0, "train": {"fraction": fraction}}}},
        "metrics": {"metrics/headline.json": {"data": headline}} if headline else {},
        "deps": {"stages/train.py": {"hash": "1"}, "data/images.npy": {"hash": "2"}},
    }
    return {"rev": rev, "name": name, "data": data, "error": error, "experiments": experiments}


def experiment(name, state=None, **options):
    executor = {"state": state} if state else None
    return {"revs": [entry("f" * 40, name, **options)], "executor": executor, "name": name}


def test_finished_runs_in_order_with_names_and_dotted_parameters():
    listed = [
        entry("workspace"),
        entry("0123456789", "trunk", experiments=[experiment("slow", fraction=0.5), experiment("old", "success")]),
    ]
    runs, left_out = experiments.runs(listed, {"workspace": LOCK, "0123456789": LOCK})
    assert [run.name for run in runs] == ["workspace", "trunk", "slow", "old"]
    assert runs[2].parameters == {"seed": 0, "train.fraction": 0.5}
    assert runs[0].headline == HEADLINE
    assert runs[0].code == {"stages/train.py": "1"}
    assert left_out == []
    detached = experiments.runs([entry("0123456789")], {"0123456789": LOCK})[0]
    assert detached[0].name == "012345678"


def test_what_is_not_finished_is_counted_by_its_state():
    half = {"candidate": MODEL, "control": {"accuracy": 0.5}}
    others = [
        experiment("a", "queued"),
        experiment("b", "failed"),
        experiment("c", "queued"),
        experiment("d", headline=None),
        experiment("e", headline=half),
        experiment("f", error={"msg": "broken"}),
    ]
    runs, left_out = experiments.runs([entry("workspace", experiments=others)], {"workspace": LOCK})
    assert [run.name for run in runs] == ["workspace"]
    assert left_out == ["1 failed", "2 queued", "3 without results"]


def test_results_beside_edited_parameters_do_not_count():
    listed = [entry("workspace", fraction=0.5), entry("0123456789", "trunk")]
    runs, left_out = experiments.runs(listed, {"workspace": LOCK, "0123456789": LOCK})
    assert [run.name for run in runs] == ["trunk"]
    assert left_out == ["results in the workspace or the commit that other parameters than params.yaml's made"]


def test_without_a_lock_nothing_made_the_results():
    runs, left_out = experiments.runs([entry("workspace")], {"workspace": {}})
    assert runs == []
    assert len(left_out) == 1
