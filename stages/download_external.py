"""Put the external test set into data/external/archive.zip, laid out as data/archive.zip; an empty zip for none."""

from collections import Counter

from stages import run

from kidneyct.images import archive
from kidneyct.pipeline import params
from kidneyct.sources import external

ARCHIVE = "data/external/archive.zip"


def main():
    p = params.load("download_external")
    classes = p.data.classes
    archive.write(ARCHIVE, external.members(p.data.external, classes))
    counts = Counter(image.label for image in external.images(ARCHIVE, classes))
    if not counts:
        print("no external test set (data.external: none)")
        return
    print(f"{sum(counts.values())} external images:", ", ".join(f"{label} {counts[label]}" for label in classes))


if __name__ == "__main__":
    run(main)
