"""The table of labels, `data.labels`: which class a file, a series or a patient is of."""

import os
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from kidneyct.files import tables
from kidneyct.images import container
from kidneyct.pipeline.errors import InputError, shown

NONE = "none"  # data.labels: the class folders say it
KEYS = ("file", "series", "patient")


class Labels(NamedTuple):
    where: str  # what an error calls the table
    key: str  # one of KEYS: what the lines name
    lines: dict  # value of the key -> (label, number of its line)


def read(path, classes):
    """The table in a CSV file; InputError with a line's number, and no value, which may name a patient."""
    where = f"data.labels: {shown(path)}"
    if not os.path.isfile(path):
        raise InputError(f"{where}: expected a CSV file, found none there; give the path of one")
    header, rows = tables.user_lines(Path(path).read_bytes(), where)
    keys = [key for key in KEYS if key in header]
    if header.count("label") != 1 or len(keys) != 1 or header.count(keys[0]) != 1:
        raise InputError(
            f"{where}: expected a column label and one of {', '.join(KEYS)}, found columns "
            f"{container.listed(header, 10) or 'none'}; rename or remove columns, and save it with commas"
        )
    lines, faults = {}, []
    same = {unicodedata.normalize("NFC", label): label for label in classes}  # an accent is one character or two
    for number, row in rows.items():
        value, label = (unicodedata.normalize("NFC", row[header.index(name)].strip()) for name in (keys[0], "label"))
        if not value:
            faults.append(f"line {number} names no {keys[0]}")
        elif label not in same:
            faults.append(f"line {number} has the class {shown(label) or 'none'}, not one of {', '.join(classes)}")
        elif value in lines:
            faults.append(f"line {number} names the {keys[0]} of line {lines[value][1]} again")
        else:
            lines[value] = same[label], number
    if faults:
        raise InputError(f"{where}: {container.listed(faults)}; mend the table")
    return Labels(where, keys[0], lines)


def of_files(labels, files):
    """The label of each file that the table names, file -> label.

    `files` are file -> value of the key. InputError where a line names none of them, or a file has no line.
    """
    files = {file: unicodedata.normalize("NFC", value) for file, value in files.items()}
    absent = [file for file, value in files.items() if value not in labels.lines]
    if absent:
        raise InputError(
            f"{labels.where}: expected a line for the {labels.key} of each file, found none for "
            f"{container.listed(absent)}; add them, save leading zeros as text, or take the files away"
        )
    taken = Counter(files.values())
    if unknown := [f"line {number}" for value, (_, number) in labels.lines.items() if not taken[value]]:
        raise InputError(
            f"{labels.where}: expected each {labels.key} to be in data.source, found none for "
            f"{container.listed(unknown)}; remove or mend them"
        )
    return {file: labels.lines[value][0] for file, value in files.items()}
