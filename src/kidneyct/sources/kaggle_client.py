"""Running Kaggle's own command: how long it may be silent, how it ends, and what its words mean."""

import contextlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

from kidneyct.pipeline.errors import InputError

SILENCE = 120  # seconds without a word and without growth of the file, after which the client is stopped
GLANCE = 0.5  # seconds between two looks at the file

# The command `kaggle`, which
# - ends with the one who started it, however that one ends: its standard input closes then;
# - leaves Ctrl-C to the one who started it: by itself it would end as if all went well;
# - says the status with each refusal;
# - allows what needs no account, as it does only under its own name.
CLIENT = """
import os, signal, sys, threading
import requests

def end_with_the_starter():
    os.read(0, 1)
    os._exit(1)

signal.signal(signal.SIGINT, signal.SIG_IGN)
threading.Thread(target=end_with_the_starter, daemon=True).start()
told = requests.HTTPError.__str__
requests.HTTPError.__str__ = lambda error: (
    f"HTTP {getattr(error.response, 'status_code', 'error')}: {' '.join(told(error).split())}"
)
sys.argv[0] = "kaggle"
from kaggle.cli import main
main()
"""

# Words of its that tell no failure.
CHATTER = r"Dataset URL:|License\(s\):|Downloading |Resuming |Retry \d|Retrying |Warning:|Partial file |You can resume "
# The client takes a fault of this machine's disk for one of the connection, and tries again for a minute.
DISK = r"^(Connection error: |Error: )?((?!Connection)\w+: )?\[Errno \d+\]"
FULL = "No space left|Disk quota exceeded|File too large"

# What a line of the client tells, in the order in which it is looked for.
FAILURES = {
    FULL: "there is no room for the data set: make some",
    DISK: "the data set can't be written: check that you may write there, and the disk",
    r"HTTP 429|too many requests": "Kaggle is busy or has had too many requests from here: try again later",
    r"HTTP 5\d\d": "Kaggle's server fails: try again later",
    r"HTTP 404|HTTP .*not found": "Kaggle has no such data set: check data.kaggle (owner/name, or owner/name/version)",
    r"HTTP 40[13]|HTTP .*(denied|forbidden|unauthori)|^Authentication required|Unauthenticated": (
        "Kaggle gives no access: check data.kaggle, and where the data set asks for an account, create a token "
        "(https://www.kaggle.com/settings) and keep it in KAGGLE_API_TOKEN or ~/.kaggle"
    ),
    r"Expecting value|JSONDecodeError|Exceeded \d+ redirects|No connection adapters|Invalid URL": (
        "what answers is not Kaggle's data but something else, such as a login page of the network or a proxy: check "
        "the network, or set data.source to a copy that you have"
    ),
    r"Connection broken|IncompleteRead|does not match expected size": "the connection broke off: try again",
    r"connection ?error|max retries|name resolution|proxyerror|timed? ?out|connection (refused|reset|aborted)": (
        "Kaggle can't be reached: check the network, or set data.source to a copy that you have"
    ),
}


def fetch(dataset, path):
    """Have the client fetch a data set's zip as `path`, going on from a part of it that lies there.

    InputError says in one line why it failed, or that nothing came for SILENCE seconds. However this ends, the client
    has ended too; it starts no processes of its own. A part stays for the next try, with the client's note of what it
    is a part of; what came in place of a zip steps aside.
    """
    command = [sys.executable, "-uPc", CLIENT, "datasets", "download", dataset, "-p", str(path.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        try:
            failure = _follow(client, path)
        except KeyboardInterrupt:
            failure = "interrupted; run it again to go on"
        finally:
            client.kill()
    if failure:
        raise InputError(f"data.kaggle: {dataset}: {failure}{_kept(path)}")


def step_aside(path):
    """Rename a file that is not what was asked for; its new path. The client's note of it goes."""
    _note(path).unlink(missing_ok=True)
    return path.replace(path.with_name(f"{path.name}.damaged"))


def _follow(client, path):
    """Wait for the client's end, or until waiting is of no use; why it failed, or None."""
    words = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(client.stdout, words), daemon=True).start()
    said, size, alive = [], None, time.monotonic()
    while time.monotonic() - alive <= SILENCE:
        try:
            line = words.get(timeout=GLANCE)
        except queue.Empty:
            line = ""
        if line is None:  # it said its last
            return reason(said) + _room(path, said) if client.wait() or not path.exists() else None
        if line:
            said.append(line)
        disk = shutil.disk_usage(path.parent)  # before the size: what is written between the two counts as free
        now = path.stat().st_size if path.exists() else None
        if line or now != size:
            size, alive = now, time.monotonic()
        missing = _missing(path)
        if missing and disk.total and missing > disk.free:  # some file systems count nothing
            return f"{FAILURES[FULL]}; {missing:,} bytes more are needed, {disk.free:,} are free"
        if line.startswith("Connection error: ") and re.search(f"{FULL}|{DISK}", line):
            return reason(said) + _room(path, said)
    return f"nothing has come from Kaggle for {SILENCE} seconds: check the network and try again"


def _listen(stream, words):
    """Pass on the client's lines, and None at its end; its progress goes to a terminal alone, and as an empty line."""
    shown, line = sys.stderr.isatty(), b""
    with contextlib.suppress(ValueError):  # closed, as no one waits for it any longer
        while byte := stream.read(1):
            if byte not in b"\r\n":
                line += byte
                continue
            progress = b"B/s" in line
            if shown and progress:
                sys.stderr.write(f"\r{line.decode(errors='replace')}")
                sys.stderr.flush()
            words.put("" if progress else line.decode(errors="replace"))
            line = b""
    if shown:
        sys.stderr.write("\n")
    words.put(line.decode(errors="replace"))
    words.put(None)


def _note(path):
    """Where the client notes of which file, and of how many bytes, a zip is a part."""
    return path.with_name(f"{path.name}.kaggle-partial")


def _missing(path):
    """Bytes that are still to come, or None where the client has not noted how many there are."""
    try:
        return json.loads(_note(path).read_text())["size"] - path.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _room(path, said):
    missing = _missing(path)
    full = missing and any(re.search(FULL, line) for line in said)
    return f"; {missing:,} bytes more are needed" if full else ""


def _kept(path):
    """What is told of the part that a failure left behind; the body of a refusal, say, is no part and steps aside."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        begins = file.read(4)
    if begins != b"PK\3\4":
        step_aside(path)
        return ""
    return f"; {path.stat().st_size:,} bytes stay in {path} for the next try"


def reason(said):
    """Why the client failed, in one line, from the lines that it said; nothing that could be a secret is repeated."""
    lines = [line.strip() for line in said if line.strip() and line[0] != " " and not re.match(CHATTER, line)]
    for line in reversed(lines):
        for pattern, advice in FAILURES.items():
            if re.search(pattern, line, re.IGNORECASE):
                return f"{advice} (the client says: {_public(line)})"
    last = _public(lines[-1]) if lines else "it said nothing"
    return f"the Kaggle client failed: {last}; try again, or set data.source to a copy that you have"


def _public(line):
    """A line of the client's without addresses and without anything that could be a key."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_KEY"):
        line = line.replace(os.environ.get(name) or "…", "…")
    line = re.sub(r" (for|with) url: \S+", "", line)
    line = re.sub(r"//[^/\s]*@", "//…@", line)
    line = re.sub(r"(?i)\b(bearer|basic)\b\W+\S+", r"\1 …", line)
    line = re.sub(r"[^\s'\"(),<>]{24,}", "…", line)
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:300]
