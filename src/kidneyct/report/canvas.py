"""What all pictures share: drawn without a screen, the roles' styles, files whose bytes depend on nothing else."""

import matplotlib

from kidneyct.files.atomic import atomic_write

matplotlib.use("Agg")
matplotlib.rcParams["text.parse_math"] = False  # a file's name may hold dollars

DPI = 150
# A role's colour, marker, line and fill: dark blue filled against light orange open, told apart in grey too.
STYLES = {"candidate": ("#00468b", "o", "-", "full"), "control": ("#e69f00", "s", "--", "none")}


def save(figure, path):
    """Write a PNG that does not say which software wrote it."""
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=DPI, metadata={"Software": None})
