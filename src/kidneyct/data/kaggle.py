"""Fetching the data set from Kaggle with Kaggle's own command."""

import hashlib
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

from kidneyct.errors import InputError

PUBLISHED_DATASET = "nazmul0087/ct-kidney-dataset-normal-cyst-tumor-and-stone"
# Islam et al. 2022, Scientific Reports 12:11440, table 1; 12,446 images in all.
PUBLISHED = {"Cyst": 3709, "Normal": 5077, "Stone": 1377, "Tumor": 2283}

# What the client's last words tell, in the order in which they are looked for.
FAILURES = {
    r"connection ?error|max retries|failed to resolve|name resolution|proxyerror|timed? ?out|connection refused": (
        "Kaggle can't be reached: check the network, or set data.source to a copy that you have"
    ),
    r"404|not found": "Kaggle has no such data set: check data.kaggle (owner/name, or owner/name/version)",
    r"403|401|forbidden|denied|unauthorized|authenticat": (
        "Kaggle gives no access: check data.kaggle, and where the data set asks for an account, create a token "
        "(https://www.kaggle.com/settings) and keep it in KAGGLE_API_TOKEN or ~/.kaggle"
    ),
}


def download(dataset, folder):
    """Fetch a data set's zip into `folder` and return its path; an interrupted download is resumed.

    A zip that was fetched before is proved by its SHA-256, kept beside it, and nothing is asked of Kaggle.

    `dataset` is owner/name or owner/name/version. The command `kaggle` works without an account where Kaggle
    allows it and finds the user's own token elsewhere. InputError says in one line why it failed; a partial
    download stays in `folder`, and so does the client's note of what it is a part of.
    """
    path = Path(folder) / f"{dataset.split('/')[1]}.zip"
    if _proved(path):
        print(f"{path}: fetched before and unchanged; delete it to fetch the data set anew", flush=True)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "kaggle", "datasets", "download", dataset, "-p", str(folder)]
    shown = sys.stderr.isatty()
    with subprocess.Popen(
        command if shown else [*command, "-q"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as client:
        said = _listen(client.stdout, shown)
    if client.returncode or not path.exists():
        kept = f"; {path.stat().st_size:,} bytes stay in {path} for the next try" if path.exists() else ""
        raise InputError(f"data.kaggle: {dataset}: {reason(said)}{kept}")
    check_zip(path)
    _record(path).write_text(f"{_sha256(path)}  {path.name}\n")
    return path


def _record(path):
    """Where the SHA-256 of a zip that was fetched whole is kept, as `sha256sum` writes it."""
    return path.with_name(f"{path.name}.sha256")


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _proved(path):
    """Whether a zip is the one that was fetched whole; one that has changed since steps aside."""
    record = _record(path)
    if not (path.exists() and record.exists()):
        return False
    if record.read_text().split()[:1] == [_sha256(path)]:
        return True
    record.unlink()
    _step_aside(path)
    return False


def _step_aside(path):
    return path.replace(path.with_name(f"{path.name}.damaged"))


def _listen(stream, shown):
    """All that the client says; its progress bar is passed on to a terminal."""
    said, line = [], b""
    while byte := stream.read(1):
        if byte not in b"\r\n":
            line += byte
            continue
        if shown and b"B/s" in line:
            sys.stderr.write(f"\r{line.decode(errors='replace')}")
            sys.stderr.flush()
        said.append(line.decode(errors="replace"))
        line = b""
    if shown:
        sys.stderr.write("\n")
    return "\n".join([*said, line.decode(errors="replace")])


def reason(said):
    """Why the client failed, in one line, from what it said; nothing that could be a secret is repeated."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = re.sub(r"[\w+/=.-]{24,}", "…", lines[-1]) if lines else "it said nothing"
    for pattern, advice in FAILURES.items():
        if re.search(pattern, said, re.IGNORECASE):
            return f"{advice} (the client says: {last})"
    return f"the Kaggle client failed: {last}; try again, or set data.source to a copy that you have"


def check_zip(path):
    """InputError where a complete download is not a whole zip; the file steps aside, so that it is fetched anew."""
    try:
        with zipfile.ZipFile(path) as container:
            damaged = container.testzip()
    except zipfile.BadZipFile as error:
        damaged = str(error)
    if damaged:
        raise InputError(
            f"{path}: expected a whole zip from Kaggle, found a truncated or altered one ({damaged}); try again, it is "
            f"fetched anew (the damaged one stays in {_step_aside(path)})"
        )


def check_counts(images, dataset, where):
    """InputError where the published data set has other numbers of images a class than published.

    `images` are those of `archive.images`. Another data set, or a certain version, is not checked.
    """
    found = dict(Counter(image.label for image in images))
    if dataset == PUBLISHED_DATASET and any(found.get(label) != PUBLISHED[label] for label in found):
        expected = {label: PUBLISHED.get(label) for label in found}
        raise InputError(
            f"{where}: expected {expected} images as published, found {found}; the data set has changed: name a "
            "version in data.kaggle (owner/name/version) to take it as it is"
        )
