"""Put the data set into data/archive.zip: from Kaggle, from a path, or generated."""

import contextlib
from collections import Counter

from stages import run

from kidneyct.images import archive
from kidneyct.pipeline import params
from kidneyct.sources import kaggle, phantom, user_images

ARCHIVE = "data/archive.zip"


def main():
    p = params.load("download")
    classes = p.data.classes
    if p.data.source == "kaggle":
        fetched = kaggle.download(p.data.kaggle, kaggle.folder(p.data.kaggle))
        kaggle.check_counts(archive.images(fetched, classes), p.data.kaggle, fetched)
        archive.link_or_copy(fetched, ARCHIVE)
    elif p.data.source == "phantom":
        asked = classes, p.phantom.patients_per_class, p.phantom.slices_per_patient
        with contextlib.closing(phantom.members(*asked, p.phantom.seed)) as members:
            archive.write(ARCHIVE, members)
    else:
        archive.write(ARCHIVE, user_images.members(p.data.source, classes, p.data.labels))
    counts = Counter(image.label for image in archive.images(ARCHIVE, classes))
    print(f"{sum(counts.values())} images:", ", ".join(f"{label} {counts[label]}" for label in classes))


if __name__ == "__main__":
    run(main)
