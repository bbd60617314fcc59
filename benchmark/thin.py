"""Take from an archive at most so many images of each open series, evenly spaced, into an archive of its own.

usage: python benchmark/thin.py ARCHIVE OUT [--slices 16] [--use locked]

The locked series are left out, as they are for one final test, or taken alone. Neighbouring slices are nearly one
picture, so a study of whole series loses little by it and costs a fourth. ARCHIVE is a zip of class folders, as
Kaggle's is; `series.csv` beside this script says what is a series, and which are open.
"""

import argparse
import csv
import zipfile
from pathlib import Path, PurePosixPath


def evenly(members, most):
    """At most `most` of a list, the first and the last among them."""
    if len(members) <= most:
        return members
    return [members[round(step * (len(members) - 1) / (most - 1))] for step in range(most)]


def thin(source, target, most, use="open"):
    """Copy the members as they are; returns how many, of how many series of this `use`."""
    with (Path(__file__).parent / "series.csv").open(encoding="utf-8") as file:
        # in the order of the images' numbers
        table = {row["image"]: row["series"] for row in csv.DictReader(file) if row["use"] == use}
    with zipfile.ZipFile(source) as archive:
        members = {"/".join(PurePosixPath(name).parts[-2:]): name for name in archive.namelist()}
        series = {}
        for image, name in table.items():
            if image in members:
                series.setdefault(name, []).append(members[image])
        chosen = [name for own in series.values() for name in evenly(own, most)]
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as thinned:
            for name in chosen:
                thinned.writestr(zipfile.ZipInfo(name), archive.read(name))  # no dates, so the same bytes each time
    return len(chosen), len(series)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive")
    parser.add_argument("out")
    parser.add_argument("--slices", type=int, default=16, metavar="N", help="images of a series, 2 or more (16)")
    parser.add_argument("--use", choices=("open", "locked"), default="open", help="which series (open)")
    options = parser.parse_args()
    if options.slices < 2:
        parser.error(f"--slices: expected 2 or more, found {options.slices}")
    print("{:,} images of {} series".format(*thin(options.archive, options.out, options.slices, options.use)))
