"""What maps, starts and models are called where people read of them."""

from pathlib import Path

from kidneyct.maps.methods import REGISTRY
from kidneyct.pipeline import roles
from kidneyct.pipeline.params import BLOCKS

MAPS = {name: method.title for name, method in REGISTRY.items()}
BASELINES = {  # as index.BASELINES
    "majority_class": "majority class",
    "nearest_thumbnail": "nearest thumbnail (25 × 25, grey)",
    "linear_model": "linear model on thumbnails",
    "acquisition": "acquisition: mean grey, its deviation, border",
    "acquisition_size": "acquisition with width and height",
}


def actual(weights, blocks):
    """The candidate's start, which is the control's where none of its blocks gets the weights."""
    return weights if blocks else roles.CONTROL_START


def start(weights, blocks=BLOCKS):
    """A start in words; a file by its name alone. Only the first `blocks` have its weights."""
    words = roles.STARTS.get(weights, Path(weights).name)
    if weights == roles.CONTROL_START or blocks == BLOCKS:
        return words
    first = "block" if blocks == 1 else f"{blocks} blocks"
    return f"{words} (in the first {first} alone, Keras's random ones in the others)"


def models(weights, blocks=BLOCKS):
    """What to call each model, role -> "candidate (imagenet)"; `weights` is the candidate's start, in its `blocks`."""
    part = "" if blocks == BLOCKS else f", {blocks} of {BLOCKS} blocks"
    return {
        role: f"{role} ({roles.STARTS['none'] if start == roles.CONTROL_START else Path(start).name + part})"
        for role, start in roles.starts(actual(weights, blocks)).items()
    }


def lost(collapsed, untrained):
    """What to say beside the numbers of a model that has lost its way; nothing where it has not."""
    if collapsed:
        return "collapsed: one class only"
    return "untrained: hardly knows its training images" if untrained else ""
