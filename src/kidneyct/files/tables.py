"""Tables that stages leave for others, as CSV: written whole, read with a check of what they are."""

import csv
import io
import itertools
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline.errors import InputError, corrupt, missing, shown

WHOLE, NUMBER, SHARE, FLAG, TEXT = "whole numbers from 0", "numbers", "numbers from 0 to 1", "only 0 and 1", "text"
HISTORY = {"epoch": WHOLE, "loss": NUMBER, "accuracy": SHARE, "val_loss": NUMBER, "val_accuracy": SHARE, "kept": FLAG}
RATES = {"val_loss": NUMBER, "val_accuracy": SHARE, "kept": FLAG, "epochs": WHOLE, "kept_epoch": WHOLE}
RATES |= {"learning_rate": NUMBER, "stopped": FLAG, "edge": TEXT}
BEYOND = {"lowest": "lower", "highest": "higher"}  # of a rate at this edge of the list, what was not tried
PENALTY = {"lowest": "strong", "highest": "weak"}  # at this edge of scikit-learn's C, which is the penalty's inverse
PAIRS = {"test": WHOLE, "training": WHOLE, "correlation": NUMBER}
RELIABILITY = {"low": SHARE, "high": SHARE, "confidence": SHARE, "accuracy": SHARE, "count": WHOLE}


def write(table, path, float_format="%.6f", place=atomic_write):
    """Write a table without its row numbers; `place` is as in `arrays.written`."""
    with place(path) as partial:
        table.to_csv(partial, index=False, float_format=float_format)


def edge(value, tried):
    """Whether a value is the "lowest" or the "highest" of those to try, or "none"; "none" where it is the only one."""
    ends = {min(tried): "lowest", max(tried): "highest"} if len(tried) > 1 else {}
    return ends.get(value, "none")


def kept(trials):
    """The line of a rates.csv or history.csv that is kept, as a record."""
    return trials[trials["kept"] == 1].iloc[0].to_dict()


def read(path, columns):
    """A table with at least these columns, name -> what they hold, and a line or more; with a column kept, one is 1.

    InputError where it is missing, cut short or not such a table.
    """
    text = [name for name, kind in columns.items() if kind == TEXT]
    table = load(path, "a table", dtype=dict.fromkeys(text, str), na_values=[""], keep_default_na=False)
    problem = fault(table, columns)
    if not problem and not len(table):
        problem = "no line below the header"
    if not problem and "kept" in columns and table["kept"].sum() != 1:
        problem = f"{table['kept'].sum()} lines that are kept, not one"
    if problem:
        raise corrupt(path, f"a table of {', '.join(columns)}", problem)
    return table


def source(path):
    """The name of a table's file, which may be open."""
    return getattr(path, "path", getattr(path, "name", path)) if hasattr(path, "read") else path


def load(path, expected, **options):
    """Any table with a line of names, by pandas' `read_csv` with its options; `path` may be an open text file.

    InputError where it is missing, no text, cut short, or has lines of too many values; it says what was `expected`.
    """
    name = source(path)
    try:
        text = path.read() if hasattr(path, "read") else Path(path).read_bytes().decode("utf-8")
        table = pd.read_csv(io.StringIO(text), **options)
    except FileNotFoundError:
        raise missing(name) from None
    except Exception as error:  # what is no table can make the reader fail in any way
        raise corrupt(name, expected, f"none ({error})") from None
    if not text.endswith("\n"):
        raise corrupt(name, expected, "a last line that is cut short")
    if not isinstance(table.index, pd.RangeIndex):
        raise corrupt(name, expected, "lines of more values than the first has names")
    return table


def user_lines(content, where):
    """A user's CSV file, in bytes: the names of its columns, and its lines that are not empty, number -> values.

    All are text. InputError, naming `where`, where it is no such file or a line has more or fewer values than names.
    """
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (ValueError, csv.Error) as error:
        raise InputError(f"{where}: not a CSV file in UTF-8 ({shown(error)}); save it again") from None
    header = [name.strip() for name in rows[0]] if rows else []
    lines = {number: row for number, row in enumerate(rows[1:], start=2) if any(value.strip() for value in row)}
    uneven = [f"line {number} has {len(row)} values" for number, row in lines.items() if len(row) != len(header)]
    if uneven:
        raise InputError(f"{where}: {', '.join(uneven[:5])}, not {len(header)} as the first; mend the table")
    return header, lines


def look_alike(names):
    """Those of some names that differ from another in capitals or leading zeros alone, sorted."""
    groups = defaultdict(set)
    for name in set(names):
        groups[re.sub(r"(?<!\d)0+(?=\d)", "", name).casefold()].add(name)
    return sorted(itertools.chain.from_iterable(group for group in groups.values() if len(group) > 1))


def fault(table, columns):
    """What keeps a table from holding these columns, name -> what they hold, in words; None if nothing does."""
    absent = [name for name in columns if name not in table]
    if absent:
        return f"no column {', '.join(absent)}"
    for name, kind in columns.items():
        if len(table) and not _holds(table[name], kind):
            return f"other values than {kind} in the column {name}"
    return None


def _holds(values, kind):
    if kind == TEXT:
        return (values.notna() & (values != "")).all()
    if not pd.api.types.is_numeric_dtype(values) or values.dtype == bool or not np.isfinite(values).all():
        return False
    if kind in (WHOLE, FLAG) and not pd.api.types.is_integer_dtype(values):
        return False
    return values.min() >= {NUMBER: -np.inf}.get(kind, 0) and values.max() <= {SHARE: 1, FLAG: 1}.get(kind, np.inf)
