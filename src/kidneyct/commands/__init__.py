"""What a person types: `kidneyct COMMAND`, a module each.

A module's docstring is its help. It has `add_arguments(parser)`, and `run(options)`, which returns the exit status and
imports what it computes with, so that asking for help stays quick.
"""

import argparse
import re

NOTICE = "Research software, not for clinical use."


def name(text):
    """The type of an argument that names a file or folder; an unset variable of a shell gives an empty one."""
    if not text:
        raise argparse.ArgumentTypeError("expected a name, found an empty one")
    return text


def whole(least, greatest):
    """The type of an argument that is a whole number in this range."""

    def read(text):
        if not re.fullmatch("[0-9]{1,10}", text) or not least <= int(text) <= greatest:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {greatest}, found {text!r}")
        return int(text)

    return read


def add_source(parser):
    """Have a command take its models from a run's folder or from a file."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--workspace", type=name, metavar="DIR", help="folder of the finished run (here)")
    either.add_argument("--model", type=name, metavar="FILE", help="what kidneyct export wrote, instead of a run's")


def models(options, roles):
    """What `add_source` asks for, role -> TrainedModel: those of a run, or the one that a file holds."""
    from kidneyct.predict import model_file, trained_model

    if options.model:
        role, model = model_file.read(options.model)
        return {role: model}
    return trained_model.read(options.workspace or ".", roles)
