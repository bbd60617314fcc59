"""Open a page that shows what both models say of an image.

For each image that you drop on it: both models' class, probabilities and maps, and how much the image resembles those
that they were trained on. It is served by this machine for this machine: nothing is sent anywhere, nothing is written
to disk. Ctrl-C ends it. It needs two more packages: pip install -e '.[app]'

example:
  kidneyct app --port 8501 --no-browser
      the same address each time, and no browser is opened
"""

import importlib.util
import os
import sys

from kidneyct import commands
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES

NEEDED = ("starlette", "uvicorn")  # the extra `app`


def add_arguments(parser):
    commands.add_source(parser)
    ports = commands.whole(0, 2**16 - 1)
    parser.add_argument("--port", type=ports, default=0, metavar="N", help="port of the address (any that is free)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(options):
    if missing := [name for name in NEEDED if not importlib.util.find_spec(name)]:
        raise InputError(f"kidneyct app: expected the package {missing[0]}, found none; run pip install -e '.[app]'")
    from kidneyct.app import routes

    with _bound(routes.ADDRESS, options.port) as listening:
        application = routes.application(commands.models(options, ROLES), commands.NOTICE)
        _serve(application, listening, browser=not options.no_browser)
    return 0


def _bound(address, port):
    """A socket that listens at the port; InputError where it can't be had."""
    import socket

    try:
        return socket.create_server((address, port))  # a browser that comes early waits
    except OSError as error:
        raise InputError(f"--port {port}: can't be used ({os.strerror(error.errno)}); choose another") from None


def _serve(application, listening, browser):
    """Answer until Ctrl-C, which ends the program at once: what is computed then is not waited for."""
    import signal
    import threading
    import webbrowser

    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, number, frame):
            os._exit(0 if number == signal.SIGINT else 128 + number)

    address, port = listening.getsockname()
    url = f"http://{address}:{port}/"
    print(f"{url}  (for this machine alone; Ctrl-C ends it)", flush=True)
    print(commands.NOTICE, file=sys.stderr, flush=True)
    if browser:
        threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
    log = {"log_config": None, "log_level": "error"}  # Python's own: errors alone, on standard error
    Server(uvicorn.Config(application, lifespan="off", ws="none", **log)).run(sockets=[listening])
