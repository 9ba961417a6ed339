"""Serves function/handler.py over HTTP: what an OpenFaaS watchdog does, in the
function's own process and with nothing but the standard library."""

import inspect
import json
import os
import re
import signal
import sys
import tempfile
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
DRAIN_WAIT = 10.0  # seconds that requests may take to end after SIGTERM
CHUNK = 64 * 1024


class Event:
    """A request, as handle(event, context) gets it; body is bytes."""

    def __init__(self, method, path, query, headers, body):
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body


class Context:
    """What the function runs on."""

    def __init__(self):
        self.hostname = os.environ.get("HOSTNAME", "localhost")


class BadRequest(Exception):
    pass


def duration(key):
    """Seconds in a variable such as 10s or 1m30s; a plain number is seconds.
    0.0 where it is not set or is neither."""
    value = os.environ.get(key, "")
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
    if re.fullmatch(r"\d+", value):
        return float(value)
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|us|µs|ns|s)", value)
    if "".join(n + u for n, u in parts) != value:
        print(f"{key} is ignored: {value!r} is no duration", file=sys.stderr)
        return 0.0
    return sum(float(n) * units[u] for n, u in parts)


def number(key):
    value = os.environ.get(key, "")
    if value and not value.isdigit():
        print(f"{key} is ignored: {value!r} is no number", file=sys.stderr)
        return 0
    return int(value or 0)


def load():
    """Returns a function of an Event that calls the user's handle, in
    whichever of its two forms it is written."""
    sys.path.insert(0, HERE)
    packages = os.path.join(HERE, "packages")
    if os.path.isdir(packages):
        sys.path.insert(1, packages)
    sys.path.append(os.path.join(HERE, "function"))
    from function import handler

    handle = handler.handle
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(handle).parameters.values()
    positional = [p for p in parameters if p.kind in kinds]
    variadic = any(p.kind == inspect.Parameter.VAR_POSITIONAL for p in parameters)
    if len(positional) == 1 and not variadic:
        call = lambda event: handle(event.body.decode("utf-8", "surrogateescape"))
    else:
        context = Context()
        call = lambda event: handle(event, context)
    if not inspect.iscoroutinefunction(handle):
        return call

    import asyncio

    return lambda event: asyncio.run(call(event))


def response(result):
    """Splits what a handler returned into status, headers and body. The body
    is bytes, or an iterable that is sent piece by piece."""
    status, headers, body = 200, [], result
    if isinstance(result, dict) and ("statusCode" in result or "body" in result):
        status = int(result.get("statusCode") or 200)
        given = result.get("headers") or {}
        headers = list(given.items() if hasattr(given, "items") else given)
        body = result.get("body")
    elif isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], int):
        body, status = result
    kind = "text/plain; charset=utf-8"
    if body is None:
        body = b""
    elif isinstance(body, str):
        body = body.encode("utf-8", "surrogateescape")
    elif isinstance(body, (bytes, bytearray, memoryview)):
        body, kind = bytes(body), "application/octet-stream"
    elif isinstance(body, (dict, list, tuple, int, float, bool)):
        body, kind = json.dumps(body).encode("utf-8"), "application/json"
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", kind))
    return status, headers, body


class State:
    """Counts requests, so that they can be limited and waited for."""

    def __init__(self):
        self.max_inflight = number("max_inflight")
        self.exec_timeout = duration("exec_timeout")
        self.read_timeout = duration("read_timeout")
        self.write_timeout = duration("write_timeout")
        self.ready_path = os.environ.get("ready_path", "")
        self.draining = False
        self.inflight = 0
        self.changed = threading.Condition()

    def busy(self):
        return self.max_inflight > 0 and self.inflight >= self.max_inflight

    def enter(self):
        with self.changed:
            if self.busy():
                return False
            self.inflight += 1
            return True

    def leave(self):
        with self.changed:
            self.inflight -= 1
            self.changed.notify_all()

    def drain(self, seconds):
        with self.changed:
            return self.changed.wait_for(lambda: self.inflight == 0, seconds)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "faas"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = CHUNK  # header and body of a short answer leave together

    state = None
    call = None

    def log_message(self, *args):
        pass

    def handle_expect_100(self):
        ok = super().handle_expect_100()
        self.wfile.flush()  # the body is sent only after it
        return ok

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def serve(self):
        url = urlsplit(self.path)
        path = url.path
        if path == "/_/health":
            return self.health(False)
        if path == "/_/ready":
            if not self.state.ready_path or self.state.draining:
                return self.health(self.state.busy())
            path = self.state.ready_path
        if not self.state.enter():
            self.close_connection = True  # the body is not read
            return self.text(429, "too many requests in flight")
        try:
            self.answer(path, url.query)
        except BadRequest as e:
            self.close_connection = True
            self.text(400, str(e))
        except (BrokenPipeError, ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            self.state.leave()

    def health(self, busy):
        if self.state.draining:
            self.close_connection = True
            return self.text(503, "draining")
        if busy:
            return self.text(429, "too many requests in flight")
        self.text(200, "OK")

    def answer(self, path, query):
        if self.state.read_timeout:
            self.connection.settimeout(self.state.read_timeout)
        body = self.body()
        self.connection.settimeout(self.state.write_timeout or None)
        event = Event(self.command, path, first(parse_qsl(query, keep_blank_values=True)), self.headers, body)
        try:
            done, result = self.run(event)
            if not done:
                self.close_connection = True
                return self.text(504, "the function took longer than exec_timeout")
            status, headers, body = response(result)
        except Exception:
            traceback.print_exc()
            return self.text(500, "the function failed: see its logs")
        self.send_response(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, str(value))
        if isinstance(body, bytes):
            if status >= 200 and status not in (204, 304):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        else:
            self.stream(body, names)
        self.wfile.flush()

    def run(self, event):
        """Calls the handler; False if it takes too long. A thread cannot be
        made to stop: it runs on, but nobody waits for it."""
        if not self.state.exec_timeout:
            return True, self.call(event)
        outcome = []

        def work():
            try:
                outcome.append((self.call(event), None))
            except BaseException as e:
                outcome.append((None, e))

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        worker.join(self.state.exec_timeout)
        if not outcome:
            return False, None
        result, error = outcome[0]
        if error is not None:
            raise error
        return True, result

    def stream(self, pieces, names):
        """Sends the pieces of an iterable as they come."""
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        try:
            for piece in pieces:
                if isinstance(piece, str):
                    piece = piece.encode("utf-8", "surrogateescape")
                if piece and self.command != "HEAD":
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.flush()
        except (BrokenPipeError, ConnectionError, TimeoutError):
            raise
        except Exception:
            traceback.print_exc()
            self.close_connection = True  # without the last chunk: cut off
            return
        self.wfile.write(b"0\r\n\r\n")

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self.chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit():
            raise BadRequest("invalid Content-Length")
        return self.exactly(int(length))

    def chunks(self):
        parts = []
        while True:
            try:
                size = int(self.line().split(b";")[0], 16)
            except ValueError:
                raise BadRequest("invalid chunk") from None
            if size < 0:
                raise BadRequest("invalid chunk")
            if size == 0:
                while self.line():
                    pass
                return b"".join(parts)
            parts.append(self.exactly(size))
            if self.line():
                raise BadRequest("invalid chunk")

    def line(self):
        line = self.rfile.readline(CHUNK)
        if not line.endswith(b"\n"):
            raise BadRequest("the body ended early")
        return line.strip()

    def exactly(self, size):
        data = self.rfile.read(size)
        if len(data) != size:
            raise BadRequest("the body ended early")
        return data

    def text(self, status, text):
        body = text.encode("utf-8") + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


def first(pairs):
    values = {}
    for key, value in pairs:
        values.setdefault(key, value)
    return values


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    block_on_close = False


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=True)
    state = State()
    Handler.state, Handler.call = state, staticmethod(load())
    address = (os.environ.get("bind_address", ""), int(os.environ.get("port") or 8080))
    server = Server(address, Handler)
    # Some providers look at this file instead of asking for /_/health.
    lock = os.path.join(tempfile.gettempdir(), ".lock")
    try:
        open(lock, "w").close()
    except OSError:
        pass

    def stop(signum, frame):
        if state.draining:
            os._exit(128 + signum)
        state.draining = True
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.2)
    try:
        os.unlink(lock)
    except OSError:
        pass
    grace = max(state.exec_timeout, state.write_timeout) or DRAIN_WAIT
    if not state.drain(grace):
        print(f"requests were still running after {grace:g}s", file=sys.stderr)
    server.server_close()
    sys.stdout.flush()
    os._exit(0)  # threads that nobody waits for do not hold it up


if __name__ == "__main__":
    main()
