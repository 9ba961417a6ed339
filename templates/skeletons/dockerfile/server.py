"""Serves function/handler.py over HTTP."""

import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from function.handler import handle


class InFlight:
    """Counts the requests that are being answered, to wait for the last."""

    def __init__(self):
        self.count = 0
        self.changed = threading.Condition()

    def __enter__(self):
        with self.changed:
            self.count += 1

    def __exit__(self, *_):
        with self.changed:
            self.count -= 1
            self.changed.notify_all()

    def wait(self):
        with self.changed:
            self.changed.wait_for(lambda: self.count == 0)


in_flight = InFlight()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        if self.path in ("/_/health", "/_/ready"):
            return self.send(200, b"")
        with in_flight:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send(200, handle(body.decode()).encode())

    def send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *args):
        pass


# Its threads are daemons: idle connections that callers keep do not hold up its end.
server = ThreadingHTTPServer(("", int(os.environ.get("port", "8080"))), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
in_flight.wait()
