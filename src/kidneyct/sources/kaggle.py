"""Fetching the data set with Kaggle's own command, and proving that it is whole."""

import contextlib
import hashlib
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline.errors import InputError, shown

PUBLISHED_DATASET = "nazmul0087/ct-kidney-dataset-normal-cyst-tumor-and-stone"
# Islam et al. 2022, Scientific Reports 12:11440, table 1; 12,446 images in all.
PUBLISHED = {"Cyst": 3709, "Normal": 5077, "Stone": 1377, "Tumor": 2283}

SILENCE = 120  # seconds without a word and without growth of the file, after which the client is stopped
GLANCE = 0.5  # seconds between two looks at the file

# The command `kaggle`. It ends when its standard input closes, as it does at the end of who started it; ignores Ctrl-C,
# which that one hears too; and is called kaggle, as under another name it always asks for an account.
CLIENT = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.SIG_IGN)
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
sys.argv[0] = "kaggle"
from kaggle.cli import main
main()
"""
COPY = "or set data.source to a copy that you have"
# What a line of the client's tells, in the order in which it is looked for.
FAILURES = {
    r"No space left|Disk quota exceeded|File too large|\[Errno (5|13|30)\]": "the data set can't be written: make room",
    r"\b429\b|too many requests": "Kaggle is busy or has had too many requests from here: try again later",
    r"\b404\b|not found": "Kaggle has no such data set: check data.kaggle (owner/name, or owner/name/version)",
    r"\b40[13]\b|denied|forbidden|unauth|^Authentication required": (
        "Kaggle gives no access: check data.kaggle, and where the data set asks for an account, create a token "
        "(https://www.kaggle.com/settings) and keep it in KAGGLE_API_TOKEN or ~/.kaggle"
    ),
    r"Expecting value|JSONDecode|Exceeded \d+ redirects|No connection adapters|Invalid URL": (
        f"what answers is not Kaggle's data but something else, such as a login page: check the network, {COPY}"
    ),
    "broken|IncompleteRead|expected size|connection ?error|max retries|name resolution|proxyerror|timed? ?out"
    "|connection (refused|reset|aborted)": f"the connection to Kaggle failed: check the network and try again, {COPY}",
}


def folder(dataset):
    """Where a data set, owner/name or owner/name/version, is downloaded to; no other has the same place."""
    return Path("downloads", *dataset.split("/"))


def download(dataset, folder):
    """Fetch a data set's zip into `folder` and return its path; an interrupted download is resumed.

    A zip that was fetched before is proved by its SHA-256, kept beside it, and nothing is asked of Kaggle. The client
    works without an account where Kaggle allows it, and finds the user's own token elsewhere.
    """
    path = Path(folder) / f"{dataset.split('/')[1]}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = path.with_name(f"{path.name}.sha256")
    if path.exists() and record.exists():
        if record.read_bytes()[:64] == _sha256(path):
            print(f"{path}: fetched before and unchanged; delete it to fetch the data set again", flush=True)
            return path
        record.unlink()
        _step_aside(path)
    if path.exists() and path.stat().st_nlink > 1:
        path.unlink()  # the client would write into data/archive.zip too, and into DVC's cache if that has hard links
    _fetch(dataset, path)
    check_zip(path)
    with atomic_write(record) as partial:
        partial.write_bytes(_sha256(path) + f"  {path.name}\n".encode())
    return path


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().encode()


def _fetch(dataset, path):
    """Have the client fetch a data set's zip as `path`, going on from a part of it that lies there.

    However this ends, the client has ended too. A part stays for the next try; what came in place of a zip does not.
    """
    command = [sys.executable, "-uPc", CLIENT, "datasets", "download", dataset, "-p", str(path.parent)]
    with (
        tempfile.TemporaryFile("a+b") as words,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=words, stderr=words) as client,
    ):
        try:
            silent = _silent(client, path, words)
        finally:
            client.kill()
        if not silent and not client.returncode and path.exists():
            return
        words.seek(0)
        silence = f"nothing has come from Kaggle for {SILENCE} seconds: check the network and try again"
        failure = silence if silent else reason(words.read().decode(errors="replace"))
    if path.exists():
        with path.open("rb") as file:
            begins = file.read(4)
        if begins != b"PK\3\4":  # such as a refusal's body
            _step_aside(path)
    kept = f"; {path.stat().st_size:,} bytes stay in {path} for the next try" if path.exists() else ""
    raise InputError(f"data.kaggle: {dataset}: {failure}{kept}")


def _silent(client, path, words):
    """Wait until the client ends, or until nothing has come for SILENCE seconds; whether it was silent."""
    before, alive = None, time.monotonic()
    while client.poll() is None and time.monotonic() - alive <= SILENCE:
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(GLANCE)
        if sys.stderr.isatty():
            words.seek(max(0, words.seek(0, 2) - 200))
            sys.stderr.write("\r" + re.split("[\r\n]", words.read().decode(errors="replace"))[-1])
        if (now := (path.stat().st_size if path.exists() else 0, words.seek(0, 2))) != before:
            before, alive = now, time.monotonic()
    return client.poll() is None


def _step_aside(path):
    """Rename a file that is not what was asked for; its new path. The client's note of it goes."""
    path.with_name(f"{path.name}.kaggle-partial").unlink(missing_ok=True)
    return path.replace(path.with_name(f"{path.name}.damaged"))


def reason(words):
    """Why the client failed, in one line, from what it said; addresses and what could be a key are left out."""
    lines = [line.strip() for line in re.split("[\r\n]+", words) if line.strip() and line[0] != " "]
    lines = [shown(re.sub(r"\S+://\S+|[^\s'\"(),<>]{24,}", "…", line)) for line in lines] or ["it said nothing"]
    for line in reversed(lines):
        for pattern, advice in FAILURES.items():
            if re.search(pattern, line, re.IGNORECASE):
                return f"{advice} (the client says: {line})"
    return f"the Kaggle client failed: {lines[-1]}; try again, {COPY}"


def check_zip(path):
    """InputError where a complete download is not a whole zip; the file steps aside, so that it is fetched again."""
    try:
        with zipfile.ZipFile(path) as container:
            damaged = container.testzip()
    except Exception as error:  # damaged bytes make zipfile and its decompressors raise nearly anything
        damaged = str(error) or type(error).__name__
    if damaged:
        raise InputError(
            f"{path}: expected a whole zip from Kaggle, found none, or a truncated or altered one ({shown(damaged)}); "
            f"try again, it is fetched again (the damaged one stays in {_step_aside(path)})"
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
