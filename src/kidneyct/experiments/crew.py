"""One worker or several at a study's runs: each in a clone of its own, with one DVC cache for all."""

import contextlib
import itertools
import os
import shutil
import subprocess
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import filelock
from dvc.config import Config
from dvc.repo import Repo

from kidneyct.experiments import places, shared, study, worker
from kidneyct.pipeline.errors import InputError, reason

HOME = Path(".study")  # git and DVC leave it alone
TRIES = 3  # of a run whose worker is killed


class Started(NamedTuple):
    run: object


class Finished(NamedTuple):
    run: object
    seconds: float


class Failed(NamedTuple):
    """By itself, or as its worker was killed too often."""

    run: object
    error: InputError


class Lost(NamedTuple):
    """The worker was killed; the run is tried again."""

    run: object
    why: str
    tried: int


class Trouble(NamedTuple):
    """What is waited for."""

    text: str


class _Job(NamedTuple):
    run: object
    handle: object
    token: str
    start: float


def work(runs, needs, ready, count, place, log):
    """Have workers make the runs, at most `count` at once; yields what happens. To close it ends the workers.

    `needs` is run's name -> `shared.needs`, `ready` what is computed already: a run waits while another one computes
    what both need. What a run said is added to `log` when it ends. InputError where another call is at work here.
    """
    with _alone():
        _end_earlier(place, log)
        base = _snapshot()
        waiting, at_work, tried, ready = {run.name: run for run in runs}, {}, Counter(), set(ready)
        left = _left(waiting)
        folders = _to_work_in(min(count, len(runs)), left)
        failed = False
        try:
            while waiting or at_work:
                for number, folder in enumerate(folders):
                    taken = [needs[job.run.name] for job in at_work.values()]
                    names = shared.may_start({name: needs[name] for name in waiting}, taken, ready)
                    if folder not in at_work and names:
                        run = waiting.pop(_next(names, folder, left))
                        at_work[folder] = _start(place, folder, number, run, base)
                        tried[run.name] += 1
                        yield Started(run)
                for event in _look(place, at_work, folders, needs, ready, tried, base, log):
                    failed |= isinstance(event, Failed)
                    yield event
                time.sleep(place.pause)
        finally:
            place.stop([job.handle for job in at_work.values()])
            for folder in at_work:
                _add(log, folder)
                (folder / worker.WORKER).unlink(missing_ok=True)
        if not failed:  # the clones take room, and nothing in them is needed any more
            for folder in _folders():
                shutil.rmtree(folder, ignore_errors=True)


def _look(place, at_work, folders, needs, ready, tried, base, log):
    """See which of the workers have ended, and how; a run whose worker was killed starts again in its folder."""
    alive = place.running([job.handle for job in at_work.values()])
    if text := getattr(place, "trouble", None):
        yield Trouble(text)
    for folder, job in list(at_work.items()):
        if job.handle in alive:
            continue
        outcome = _outcome(folder, job.token, place.grace)
        _add(log, folder)
        if outcome:
            (folder / worker.WORKER).unlink(missing_ok=True)
        else:
            worker.end_left(folder)
        del at_work[folder]
        name, why = job.run.name, outcome.get("killed") or ("error" not in outcome and place.why(job.handle, folder))
        if why and tried[name] < TRIES:
            at_work[folder] = _start(place, folder, folders.index(folder), job.run, base)
            tried[name] += 1
            yield Lost(job.run, why, tried[name] - 1)
        elif why:
            yield Failed(job.run, InputError(f"{name}: killed {TRIES} times ({why}); call again for more tries"))
        elif outcome["error"] is not None:
            yield Failed(job.run, InputError(f"{name}: {outcome['error']}; all that was said is in {log}"))
        else:
            ready |= needs[name]
            yield Finished(job.run, time.monotonic() - job.start)


def _next(names, folder, left):
    """The run that an earlier call left unfinished in this folder, else the first that none left in another."""
    return min(names, key=lambda name: (name != left.get(folder), name in left.values(), names.index(name)))


def _left(names):
    """Those of the runs that an earlier call left unfinished: folder -> name."""
    tasks = {folder: worker.read(folder / worker.TASK) for folder in _folders()}
    return {folder: task["name"] for folder, task in tasks.items() if task and task["name"] in names}


def _to_work_in(count, left):
    """So many folders, by number, before others those in which a run was left unfinished."""
    fresh = (HOME / str(number) for number in itertools.count(1))
    folders = itertools.chain(sorted(left), (folder for folder in fresh if folder not in left))
    return sorted(itertools.islice(folders, count), key=lambda folder: int(folder.name))


def _start(place, folder, number, run, base):
    token = uuid.uuid4().hex
    folder.mkdir(parents=True, exist_ok=True)
    for name in (worker.OUTCOME, worker.LOG):
        (folder / name).unlink(missing_ok=True)
    task = worker.Task(token=token, name=run.name, words=study.words(run), **base)
    worker.write(folder / worker.TASK, task._asdict())
    return _Job(run, place.start(folder, number, token), token, time.monotonic())


def _outcome(folder, token, grace):
    """How a worker that is gone ended; {} where it was killed. Other machines' files may be seen a little later."""
    end = time.monotonic() + grace
    while True:
        os.listdir(folder)  # has a network's file system look again
        found = worker.read(folder / worker.OUTCOME)
        if found and found["token"] == token:
            return found
        if time.monotonic() >= end:
            return {}
        time.sleep(0.5)


@contextlib.contextmanager
def _alone():
    """InputError where another call has workers here."""
    try:
        HOME.mkdir(exist_ok=True)
        lock = filelock.FileLock(HOME / "lock", timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise InputError("another kidneyct study is at work in this folder; wait for its end, or end it") from None
    except OSError as error:
        raise InputError(f"{HOME}: expected a folder to write to, found: {reason(error)}") from None
    with lock:
        yield
        lock.release()


def _end_earlier(place, log):
    """End the workers of an earlier call that was killed; those that have not started yet will find no task.

    What they said is added to `log`.
    """
    folders = _folders()
    names = {folder: worker.read(folder / worker.TASK) for folder in folders}
    for folder, task in names.items():
        if task:  # the name stays, for what the run left unfinished
            worker.write(folder / worker.TASK, task | {"token": None})
    if isinstance(place, places.Slurm):
        place.stop([])
    for folder in folders:
        if isinstance(place, places.Slurm) and (worker.read(folder / worker.WORKER) or {}).get("slurm"):
            (folder / worker.WORKER).unlink()
        places.end_stale(folder)
        _add(log, folder)


def _folders():
    return [path for path in HOME.iterdir() if path.name.isdigit()]


def _snapshot():
    """The project as it is now, for the clones: parts of a `worker.Task`."""
    top, commit = Path(_git("rev-parse", "--show-toplevel").strip()), _git("rev-parse", "HEAD").strip()
    subprocess.run(["git", "update-index", "-q", "--refresh"], capture_output=True)
    changes = subprocess.run(["git", "diff-index", "--binary", "--patch", "HEAD"], capture_output=True, cwd=top)
    (HOME / "changes.patch").write_bytes(changes.stdout)
    with Repo() as repo:
        cache = repo.cache.local_cache_dir
        local = Path(repo.dvc_dir, "config.local")
    folder = HOME / "settings"
    folder.mkdir(exist_ok=True)
    (folder / "config.local").unlink(missing_ok=True)
    if local.exists():
        shutil.copyfile(local, folder / "config.local")
    with Config(str(folder.absolute())).edit("local") as settings:
        settings.setdefault("cache", {})["dir"] = cache
    return {
        "project": str(top),
        "within": _git("rev-parse", "--show-prefix").strip(),
        "commit": commit,
        "changes": str((HOME / "changes.patch").absolute()),
        "identity": {"name": _configured("user.name"), "email": _configured("user.email")},
        "settings": str((folder / "config.local").absolute()),
    }


def _configured(key):
    """A setting of git's; DVC wants an identity, and the user may have none."""
    return subprocess.run(["git", "config", key], capture_output=True, text=True).stdout.strip() or "kidneyct"


def _git(*arguments):
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"git {arguments[0]}: {' '.join(done.stderr.split())}; run in the project's folder")
    return done.stdout


def _add(log, folder):
    """Add what a run said to the study's log."""
    with contextlib.suppress(FileNotFoundError):
        said = (folder / worker.LOG).read_text(encoding="utf-8", errors="replace")
        with open(log, "a", encoding="utf-8") as file:
            file.write(said)
        (folder / worker.LOG).unlink()
