"""What a small study leaves: eight images, four series, three starts."""

import pandas as pd

from kidneyct.experiments import arms

CLASSES = ["a", "b"]
IMAGES = [f"i{number}" for number in range(8)]
LABELS = list("aaaabbbb")
SERIES = [0, 0, 1, 1, 2, 2, 3, 3]


def outcome(candidate, control="aabbbbbb", rate=0.001, stopped=True, images=IMAGES):
    """What one seed left: a table of eight images, four series, and two folds' trainings."""
    table = pd.DataFrame({"image": images, "label": LABELS, "series": SERIES})
    for role, given in {"candidate": candidate, "control": control}.items():
        sure = {f"{role}: probability of {label}": [0.9 if own == label else 0.1 for own in given] for label in CLASSES}
        table = table.assign(**{role: list(given)}, **sure)
    table = table.assign(majority_class="a", nearest_thumbnail=LABELS, linear_model=list("aaaaaaab"))
    table = table.assign(acquisition=list("abababab"), acquisition_size=list("aabbaabb"))
    training = {"learning_rate": rate, "stopped": stopped, "edge": "none", "collapsed": len(set(candidate)) == 1}
    training |= {"training_accuracy": 0.9, "untrained": False}
    of_control = training | {"learning_rate": 0.1, "stopped": True, "edge": "highest"}
    of_control["collapsed"] = len(set(control)) == 1
    other = training | {"learning_rate": 0.01, "training_accuracy": 0.4, "untrained": True}
    return table[::-1], [{"candidate": training, "control": of_control}, {"candidate": other, "control": of_control}]


def summary():
    """`arms.summarise` of three arms with 8, 7 and 4 images right; the last has collapsed, the control has 6 right."""
    outcomes = {
        "imagenet": {0: outcome("aaaabbbb")},  # 8 right
        "stats": {0: outcome("aaaabbba", stopped=False)},  # 7
        "none": {0: outcome("aaaaaaaa")},  # 4, collapsed
    }
    return arms.summarise(outcomes, CLASSES)
