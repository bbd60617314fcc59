"""The command `kidneyct`, the one door to all others."""

import argparse
import sys

from kidneyct.pipeline import errors

if __name__ == "__main__" or sys.argv[0].endswith("kidneyct"):  # a program, not what a test imports; before its imports
    errors.end_at_once()

from kidneyct.commands import NOTICE, app, demo, export, phantom, predict, score, study

MODULES = (app, demo, export, phantom, predict, score, study)
COMMANDS = {module.__name__.rpartition(".")[2]: module for module in MODULES}
DESCRIPTION = """\
Does ImageNet pre-training transfer to kidney CT? The study itself is a DVC pipeline: `dvc repro` runs it, with the
settings in params.yaml, and trains two models, a candidate from ImageNet's weights and a control from random ones.
These commands, typed in the project's folder, are for what comes before and after."""
EXAMPLES = """\
examples:
  kidneyct demo              a first run, on generated images: both models' accuracy and a page to look at
  kidneyct study             the whole comparison of starts, in one table and one picture
  kidneyct predict scan.png  the class that the candidate takes an image for
  kidneyct app               a page to drop images on, with what both models say of them
  kidneyct export FILE       the candidate as one file, for others to predict with

`kidneyct COMMAND --help` tells more."""


def main(arguments=None):
    """Run a command; returns its exit status, 2 for what a user can put right, else as `errors.run_main` says."""
    errors.print_anything()
    options = _parser().parse_args(arguments)
    return errors.run_main(lambda: options.run(options), mistake=2)


def _parser():
    listed = "\n".join(f"  {name:<10}  {module.HELP}" for name, module in COMMANDS.items())
    texts = _texts(DESCRIPTION, f"commands:\n{listed}\n\n{EXAMPLES}")
    parser = argparse.ArgumentParser("kidneyct", usage="kidneyct [-h] COMMAND ...", **texts)
    commands = parser.add_subparsers(prog="kidneyct", required=True, metavar="COMMAND", help=argparse.SUPPRESS)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, **_texts(module.DESCRIPTION, module.EXAMPLES))
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _texts(description, examples):
    return {
        "description": description,
        "epilog": f"{examples}\n\n{NOTICE}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


if __name__ == "__main__":
    sys.exit(main())
