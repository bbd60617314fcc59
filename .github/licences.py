"""Name, version and licence of every package that is installed beside the project; status 1 where a licence is unknown.

`make licences` runs it.
"""

import sys
from importlib import metadata

OWN = "kidneyct"
READ = {"namex": "Apache-2.0"}  # no metadata, but the text of the licence
LONGEST = 80  # characters; what is longer is no licence's name but its text


def licence(about):
    """The licence that a package's metadata names: as an expression, by classifiers or in words; "" where by none."""
    expression = (about.get("License-Expression") or "").strip()
    if expression:
        return expression
    listed = [line.split(" :: ") for line in about.get_all("Classifier") or [] if line.startswith("License :: ")]
    names = [parts[-1].strip() for parts in listed if parts[1:] != ["OSI Approved"]]
    if names:
        return " and ".join(dict.fromkeys(names))
    lines = [line.strip() for line in (about.get("License") or "").splitlines() if line.strip()]
    first = lines[0] if lines else ""
    return first if len(first) <= LONGEST and first.upper() != "UNKNOWN" else ""


def table(distributions):
    """Rows (name, version, licence) in the names' order, each package once, the project itself left out."""
    rows = {}
    for each in distributions:
        name = each.metadata["Name"]
        rows[name] = (each.version, licence(each.metadata) or READ.get(name, ""))
    return [(name, *rows[name]) for name in sorted(rows, key=str.lower) if name.lower() != OWN]


def main():
    rows = table(metadata.distributions())
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, version, named in rows:
        print(f"{name:<{widths[0]}}  {version:<{widths[1]}}  {named or 'UNKNOWN'}")
    unknown = [name for name, _, named in rows if not named]
    if unknown:
        sys.exit(f"error: expected a licence in the metadata of each package, found none of {', '.join(unknown)}")


if __name__ == "__main__":
    main()
