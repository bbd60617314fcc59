"""What all pictures share: Matplotlib's own defaults, whatever the user's settings say, and the roles' styles."""

import os

os.environ.pop("MPLBACKEND", None)  # Jupyter's, Colab's and Kaggle's: importing fails where it is not installed

import matplotlib
from matplotlib.figure import Figure

from kidneyct.files.atomic import atomic_write

matplotlib.rcdefaults()  # else a matplotlibrc's fonts change the pictures' bytes, and its TeX fails
matplotlib.rcParams["text.parse_math"] = False  # a file's name may hold dollars

# A role's colour, marker, line and fill: dark blue filled against light orange open, told apart in grey too.
STYLES = {"candidate": ("#00468b", "o", "-", "full"), "control": ("#e69f00", "s", "--", "none")}


def figure(width, height, layout="constrained"):
    """A white figure, its size in inches."""
    return Figure(figsize=(width, height), facecolor="white", layout=layout)


def save(figure, path, dpi=150):
    """Write a PNG of so many pixels an inch, which does not say which software wrote it."""
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=dpi, metadata={"Software": None})
