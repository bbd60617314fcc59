"""Ray, begun on this machine or on the cluster that RAY_ADDRESS names."""

import contextlib
import logging
import os
import secrets
import signal
import tempfile
from pathlib import Path

from kidneyct.pipeline.errors import InputError, shown

EXTRA = "pip install -c constraints.txt -e '.[ray]'"
STORE = 256 * 2**20  # bytes of Ray's own store on this machine: what passes through it is small
# Of the environment, what may change a result; on this machine all of it is handed on.
HANDED_ON = ("KERAS_BACKEND", "TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS")


@contextlib.contextmanager
def begun(asked, without):
    """Begin Ray, and end it when the block ends; InputError where it is not installed or the cluster not there.

    `asked` is what the user set that needs Ray, and `without` what to do to go without it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its maker
    if not os.environ.get("RAY_ADDRESS"):
        # Ray listens on every network that this machine is on, and runs what it is sent; it reads this when imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
        import ray.util
    except ImportError:
        raise InputError(f"{asked}: expected Ray, found none; {EXTRA}, or {without}") from None
    terminated = signal.getsignal(signal.SIGTERM)
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        try:
            _begin(ray, folder)
            signal.signal(signal.SIGTERM, terminated)  # which Ray took for itself
            yield ray
        finally:
            ray.shutdown()


def _begin(ray, folder):
    variables = {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    common = {"runtime_env": {"env_vars": variables}, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address=address, **common)
        else:
            ray.init(address="local", include_dashboard=False, object_store_memory=STORE, _temp_dir=folder, **common)
    except Exception as error:  # Ray fails in many ways
        raise InputError(
            f"RAY_ADDRESS: expected {'the address of a running cluster' if address else 'Ray to start on this machine'}"
            f", found {shown(address or 'none')} ({shown(' '.join(str(error).split()))})"
        ) from None
