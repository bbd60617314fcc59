"""What a person types: `kidneyct COMMAND`, a module each.

A module has HELP, DESCRIPTION and EXAMPLES for the parser, `add_arguments(parser)`, and `run(options)`, which returns
the exit status and imports what it computes with, so that asking for help stays quick.
"""

NOTICE = "Research software, not for clinical use."
