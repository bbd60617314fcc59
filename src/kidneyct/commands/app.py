"""Open a page that shows what both models say of an image.

For each image that you drop on it: both models' class, probabilities and maps, and how much the image resembles those
that they were trained on. It is served by this machine for this machine: nothing is sent anywhere, nothing is written
to disk. Ctrl-C ends it. It needs two more packages: pip install -e '.[app]'
"""

import importlib.util
import os
import signal
import socket
import sys
import threading
import webbrowser

from kidneyct import commands
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES

NEEDED = ("starlette", "uvicorn")  # the extra `app`


def add_arguments(parser):
    commands.add_source(parser)
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(options):
    if missing := [name for name in NEEDED if not importlib.util.find_spec(name)]:
        raise InputError(f"kidneyct app: expected the package {missing[0]}, found none; run pip install -e '.[app]'")
    import uvicorn

    from kidneyct.app import routes

    class Server(uvicorn.Server):
        def handle_exit(self, number, frame):  # at once: what is computed then is not waited for
            os._exit(0 if number == signal.SIGINT else 128 + number)

    with socket.create_server((routes.ADDRESS, 0)) as listening:  # a browser that comes early waits
        application = routes.application(commands.models(options, ROLES), commands.NOTICE)
        url = f"http://{routes.ADDRESS}:{listening.getsockname()[1]}/"
        print(f"{url}  (for this machine alone; Ctrl-C ends it)", flush=True)
        print(commands.NOTICE, file=sys.stderr, flush=True)
        if not options.no_browser:
            threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()
        log = {"log_config": None, "log_level": "error"}  # Python's own: errors alone, on standard error
        Server(uvicorn.Config(application, lifespan="off", ws="none", **log)).run(sockets=[listening])
    return 0
