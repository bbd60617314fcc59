"""`kidneyct phantom`: generated slices as a folder of DICOM files."""

import argparse
import re

HELP = "write generated slices as a folder of DICOM files, to try what yours would go through"
DESCRIPTION = """\
Write the phantom's slices as DICOM files, in class folders with a folder for each patient and with lesion masks: what
data.source takes, and nobody's scans."""
EXAMPLES = """\
example:
  kidneyct phantom /tmp/scans --patients 6 --slices 4
      /tmp/scans: 96 DICOM files of 24 patients, and their masks
      dvc exp run -S data.source=/tmp/scans"""
PATIENTS, SLICES, SEED = 10, 4, 0


def add_arguments(parser):
    parser.add_argument("folder", metavar="FOLDER", help="a new or empty folder")
    parser.add_argument("--patients", type=_whole(1, 10_000), default=PATIENTS, metavar="N", help="of each class (10)")
    parser.add_argument("--slices", type=_whole(1, 100), default=SLICES, metavar="N", help="of each patient (4)")
    parser.add_argument("--seed", type=_whole(0, 2**32 - 2), default=SEED, metavar="N", help="draws them (0)")


def _whole(least, greatest):
    def read(text):
        if not re.fullmatch("[0-9]{1,10}", text) or not least <= int(text) <= greatest:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {greatest}, found {text!r}")
        return int(text)

    return read


def run(options):
    import shlex
    from pathlib import Path

    from kidneyct.pipeline.errors import InputError, shown
    from kidneyct.sources import phantom, phantom_scans

    if not options.folder:
        raise InputError("phantom: expected the name of a folder, found an empty one")
    count = phantom_scans.write(options.folder, phantom.CLASSES, options.patients, options.slices, options.seed)
    patients = options.patients * len(phantom.CLASSES)
    print(f"{shown(options.folder)}: {count} DICOM files of {patients} patients, and their masks")
    print(f"dvc exp run -S data.source={shlex.quote(shown(Path(options.folder).resolve()))}")
    return 0
