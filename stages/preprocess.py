"""Decode every image once, into arrays whose first axis is the index."""

from stages import run

from kidneyct import params
from kidneyct.data import archive, images


def main():
    p = params.load("preprocess")
    entries = archive.images("data/archive.zip", p.data.classes)
    table = images.preprocess(
        "data/archive.zip", entries, p.preprocess.image_size, "data/images.npy", "data/thumbnails.npy"
    )
    table.to_csv("data/index.csv", index=False)


if __name__ == "__main__":
    run(main)
