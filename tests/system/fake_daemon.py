"""A daemon that answers as it is told: for the programs that speak to one.

It speaks HTTP over a Unix socket, keeps what it was asked, and answers from a table of functions.
"""

import http.server
import json
import os
import re
import socketserver
import sys
import threading

ID = "8f" * 32


def swarm(number=7, **members):
    """A SwarmInfo with all that has to be in it."""
    info = {
        "number": number, "id": ID[:-4] + f"{number:04x}", "url": "", "name": f"film{number}.ts",
        "label": "", "kind": "file", "state": "seeding", "sleeping": False, "error": "",
        "path": f"/srv/film{number}.ts", "length": 4 << 20, "verified": 4 << 20, "uploaded": 0,
        "downloaded": 0, "upload_rate": 0, "download_rate": 0, "chunks_rejected": 0, "channels": 0,
        "readers": 0, "limits": {}, "added_at": 1795000000,
    }
    info["url"] = f"ppspp:{info['id']}?len={4 << 20}"
    return info | members


def peer(address, **members):
    info = {
        "address": address, "state": "established", "inbound": True, "complete": False,
        "choked": False, "available": 0.5, "uploaded": 1 << 20, "downloaded": 0,
        "upload_rate": 2048, "download_rate": 0, "window": 15000, "flight_size": 3000,
        "datagram_size": 1400, "rtt_ms": 20.5, "queueing_delay_ms": 31, "base_delay_ms": 0,
        "requested_chunks": 0, "queued_chunks": 12, "chunks_rejected": 0,
        "connected_at": 1795000000,
    }
    return info | members


DAEMON = {
    "version": "0.1.0", "started_at": 1795000000, "listen": ["[::]:6778"], "gateway": "",
    "state_directory": "/var/lib/ppspp", "swarms": 1, "channels": 2, "upload_rate": 0,
    "download_rate": 0, "uploaded": 0, "downloaded": 0,
}


def error(status, code, message):
    return status, {"error": {"code": code, "message": message}}


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that has gone is none; whatever else there is shows in the test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        content = json.loads(body) if body else None
        self.server.requests.append((self.command, self.path, content))
        path, _, query = self.path.partition("?")
        for method, pattern, function in self.server.routes:
            match = re.fullmatch(pattern, path)
            if method == self.command and match:
                return self.send(function(*match.groups(), query=query, body=content, on=self))
        return self.send(error(404, "not_found", f"there is no {path}"))

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def send(self, result):
        if result is None:  # it was answered already
            return
        status, content = result if isinstance(result, tuple) else (200, result)
        body = b"" if content is None else \
            content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, events, ended):
        """Server-sent events in chunks, until the event `ended` is set."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            text = event if isinstance(event, str) else \
                f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
            for piece in (text[:3], text[3:]):  # an event may come in pieces
                self.wfile.write(f"{len(piece.encode()):x}\r\n{piece}\r\n".encode())
                self.wfile.flush()
        ended.wait(30)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class FakeDaemon:
    def __init__(self, path):
        self.path = path
        self._server = _Server(path, _Handler)
        self._server.routes = []
        self._server.requests = self.requests = []
        self.ended = threading.Event()
        self.route("GET", "/v1", lambda **_: DAEMON)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def route(self, method, pattern, function):
        self._server.routes.insert(0, (method, pattern, function))

    def events(self, events):
        self.route("GET", "/v1/events", lambda on, **_: on.stream(events, self.ended))

    def close(self):
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        os.unlink(self.path)
