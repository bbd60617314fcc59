"""A server on this machine that answers Kaggle's own client."""

import io
import json
import re
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

DATASET = "someone/kidneys"
METADATA, DOWNLOAD, STORAGE = "GetDatasetMetadata", "DownloadDataset", "GET"
STORED = "http://storage.test/kidneys.zip"


def make_zip():
    """A zip of four class folders, some 3 MB: three of the client's chunks. Always the same bytes."""
    members = {f"{label}/a.jpg": label.encode() for label in ("Cyst", "Normal", "Stone", "Tumor")}
    members["Cyst/a.jpg"] = np.random.default_rng(0).bytes(3_000_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        for name, content in members.items():
            container.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


class Kaggle(ThreadingHTTPServer):
    """Answers the client's two requests, then gives the file; keeps what it was asked.

    `instead` maps METADATA, DOWNLOAD or STORAGE to what is done there instead, a function of the handler. What keeps a
    client waiting ends when the server is `released`.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.asked, self.instead = make_zip(), [], {}
        self.released = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        method = self.path.rsplit("/", 1)[1]
        self.server.asked.append((method, self.headers.get("Range"), self.headers.get("Authorization")))
        if method in self.server.instead:
            return self.server.instead[method](self)
        if method == "IntrospectToken":
            return self.answer(200, json.dumps({"active": True, "username": "someone"}).encode())
        if method == METADATA:
            return self.answer(200, b"{}")
        self.redirect(STORED)  # as Kaggle does, the file itself lies elsewhere

    def do_GET(self):
        self.server.asked.append((STORAGE, self.headers.get("Range"), self.headers.get("Authorization")))
        if STORAGE in self.server.instead:
            return self.server.instead[STORAGE](self)
        self.send()

    def send(self, length=None, stop_after=None):
        """The file, or the rest of it that is asked for; `length` is a lie about it, `stop_after` breaks it off."""
        content, total = self.server.content, length or len(self.server.content)
        start = int(re.match(r"bytes=(\d+)-", self.headers["Range"])[1]) if self.headers["Range"] else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(total - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"version-1"')
        self.send_header("Last-Modified", "Mon, 03 Jan 2022 10:00:00 GMT")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        self.wfile.write(content[start:stop_after])
        self.wfile.flush()

    def answer(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()


def says(status, message):
    """As Kaggle refuses: the status, and in JSON a code and a message."""
    body = json.dumps({"code": status, "message": message}).encode()
    return lambda handler: handler.answer(status, body)


def page(status):
    return lambda handler: handler.answer(status, b"<!DOCTYPE html>\n<html>Log in</html>", "text/html")
