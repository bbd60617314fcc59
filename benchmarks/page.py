"""Put what benchmarks/results/ holds into the tables of docs/benchmarks.md.

    python -m benchmarks.page

A table stands between `<!-- NAME -->` and `<!-- end -->`, where NAME is a file's without its ending.
"""

import json
import re
from pathlib import Path

from benchmarks import stopwatch

PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"
PLACE = re.compile(r"(<!-- (?!end)([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def table(found):
    """The rows of a result as Markdown, and its notes."""
    columns = list(found["rows"][0])
    lines = [columns, ["---" if index == 0 else "---:" for index in range(len(columns))]]
    lines += [[stopwatch.text(row[column]).strip() for column in columns] for row in found["rows"]]
    cells = ["| " + " | ".join(line) + " |" for line in lines]
    notes = [note[0].upper() + note[1:] + "." for note in found["notes"]]
    return "\n".join([*cells, *([""] if notes else []), *notes]) + "\n"


def filled(page):
    """The page with the tables of what results there are."""

    def place(match):
        path = stopwatch.RESULTS / f"{match[2]}.json"
        return f"{match[1]}{table(json.loads(path.read_text()))}{match[4]}" if path.exists() else match[0]

    return PLACE.sub(place, page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
