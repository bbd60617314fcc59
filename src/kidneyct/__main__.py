"""Does ImageNet pre-training transfer to kidney CT?

The study itself is a DVC pipeline: `dvc repro` runs it, with the settings in params.yaml, and trains two models, a
candidate from ImageNet's weights and a control from random ones. These commands, typed in the project's folder, are for
what comes before and after. `kidneyct COMMAND --help` tells more.

commands:
"""

import argparse
import sys

from kidneyct.pipeline import errors

if __name__ == "__main__" or sys.argv[0].endswith("kidneyct"):  # a program, not what a test imports; before its imports
    errors.end_at_once()

from kidneyct.commands import NOTICE, app, demo, export, phantom, predict, score, study

MODULES = (app, demo, export, phantom, predict, score, study)
COMMANDS = {module.__name__.rpartition(".")[2]: module for module in MODULES}


def main(arguments=None):
    """Run a command; returns its exit status, 2 for what a user can put right, else as `errors.run_main` says."""
    errors.print_anything()
    options = _parser().parse_args(arguments)
    return errors.run_main(lambda: options.run(options), mistake=2)


def _parser():
    listed = "\n".join(f"  {name:<10}  {module.__doc__.splitlines()[0]}" for name, module in COMMANDS.items())
    parser = argparse.ArgumentParser("kidneyct", usage="kidneyct [-h] COMMAND ...", **_texts(__doc__ + listed))
    commands = parser.add_subparsers(prog="kidneyct", required=True, metavar="COMMAND", help=argparse.SUPPRESS)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, **_texts(module.__doc__))
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _texts(description):
    raw = argparse.RawDescriptionHelpFormatter
    return {"description": description, "epilog": NOTICE, "formatter_class": raw}


if __name__ == "__main__":
    sys.exit(main())
