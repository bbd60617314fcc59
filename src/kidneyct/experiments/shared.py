"""What the runs of a study share, and which of them may be at work at once, so that nothing is computed twice."""

import hashlib
import json

from kidneyct.pipeline import yaml12

START = "features@candidate"  # the dearest stage that several seeds may share


def needs(values, target, pipeline="dvc.yaml"):
    """Digests of all that a run with these parameters, nested, computes up to a stage.

    A stage that two runs share has the same digest in both. That of START is there once more without the seed, as most
    starts do not depend on it.
    """
    wanted = stages(pipeline, target)
    found = _digests(wanted, values)
    seedless = _digests(wanted, values, without={"seed"})
    return frozenset([*found.values(), *[seedless[name] for name in (START,) if name in seedless]])


def may_start(waiting, at_work, ready):
    """The runs that need nothing that a run at work is the first to compute, in their order.

    `waiting` is run -> needs, `at_work` the needs of each run at work, `ready` what finished runs have computed.
    """
    taken = frozenset().union(*at_work) - ready
    return [run for run, needed in waiting.items() if not needed & taken]


def stages(pipeline, target):
    """The stages that lead to one, name -> (command, deps, parameters, outputs), as dvc.yaml has them, in its order."""
    stages = {}
    for name, entry in yaml12.read(pipeline)["stages"].items():
        items = entry.get("foreach")
        items = items if isinstance(items, dict) else {item: item for item in items or []}
        for key, item in (items or {None: None}).items():
            stages[name if key is None else f"{name}@{key}"] = _expanded(entry.get("do", entry), key, item)
    producers = {out: name for name, (*_, outs) in stages.items() for out in outs}
    wanted, todo = set(), [target]
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += [producers[dep] for dep in stages[name][1] if dep in producers]
    return {name: stage for name, stage in stages.items() if name in wanted}


def _expanded(stage, key, item):
    def filled(texts):
        names = [next(iter(text)) if isinstance(text, dict) else text for text in texts]
        return [name.replace("${key}", str(key)).replace("${item}", str(item)) for name in names]

    outs = filled([*stage.get("outs", []), *stage.get("metrics", [])])
    return filled([stage["cmd"]])[0], filled(stage["deps"]), filled(stage.get("params", [])), outs


def _digests(stages, values, without=()):
    """Digest of each stage: its command and parameters, and the digests of the stages whose outputs it reads."""
    found, written = {}, {}
    for name, (command, deps, parameters, outs) in stages.items():
        read = {key: _value(values, key) for key in sorted({*parameters} - {*without})}
        made_of = json.dumps([command, read, [written[dep] for dep in deps if dep in written]], sort_keys=True)
        found[name] = hashlib.sha256(made_of.encode()).hexdigest()[:16]
        written |= dict.fromkeys(outs, found[name])
    return found


def _value(values, key):
    for part in key.split("."):
        values = values[part]
    return values
