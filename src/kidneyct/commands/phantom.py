"""Write generated slices as a folder of DICOM files, to try what yours would go through.

They lie in class folders with a folder for each patient and with lesion masks: what data.source takes, and nobody's
scans.
"""

from kidneyct.commands import name, whole


def add_arguments(parser):
    parser.add_argument("folder", type=name, metavar="FOLDER", help="a new or empty folder")
    parser.add_argument("--patients", type=whole(1, 10_000), default=10, metavar="N", help="of each class (10)")
    parser.add_argument("--slices", type=whole(1, 100), default=4, metavar="N", help="of each patient (4)")
    parser.add_argument("--seed", type=whole(0, 2**32 - 2), default=0, metavar="N", help="draws them (0)")


def run(options):
    import re
    import shlex
    from pathlib import Path

    from kidneyct.pipeline import params
    from kidneyct.pipeline.errors import shown
    from kidneyct.sources import phantom

    count = phantom.write_scans(options.folder, phantom.CLASSES, options.patients, options.slices, options.seed)
    patients = options.patients * len(phantom.CLASSES)
    print(f"{shown(options.folder)}: {count} DICOM files of {patients} patients, and their masks")
    path = shown(Path(options.folder).resolve())
    if not re.fullmatch(r"[\w./ -]+", path, re.ASCII):  # what else DVC would take for more than a text
        path = params.override(path)
    print(f"dvc exp run -S data.source={shlex.quote(path)}")
    return 0
