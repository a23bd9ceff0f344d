"""A tracker that answers as it is told (RFC 7846), over HTTP or HTTPS: for what speaks to one.

It lists each peer under the address from which its request came and the UDP port that it named,
checks nothing, and keeps what it was asked.
"""

import http.server
import json
import socket
import ssl
import subprocess
import sys
import threading

TYPE = "application/ppsp-tracker+json"


def make_certificate(directory, name, host):
    """(certificate, key): PEM files, self-signed, for a name or an address."""
    certificate, key = f"{directory}/{name}.pem", f"{directory}/{name}.key"
    kind = "IP" if host.replace(".", "").isdigit() or ":" in host else "DNS"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName={kind}:{host}", "-keyout", key, "-out",
                    certificate], check=True, capture_output=True, timeout=60)
    return certificate, key


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that goes, or does not trust us, is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer, fields = self.server.tracker.respond(self, body)
        if answer is None:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", TYPE)
        self.send_header("Content-Length", str(len(answer)))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)


class FakeTracker:
    def __init__(self, host="127.0.0.1", port=0, certificate=None):
        self.lock = threading.Lock()
        self.swarms = {}     # swarm ID: {peer ID: (host, port, mode)}
        self.requests = []   # what was asked: the inner objects
        self.headers = []
        self.connections = set()
        self.interval = None
        self.instead = None  # a function of (tracker, request): (status, octets, fields) or None
        self.server = (_Server6 if ":" in host else _Server)((host, port), _Handler)
        self.server.tracker = self
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
            scheme = "https"
        self.port = self.server.server_address[1]
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/announce"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def count(self, kind):
        with self.lock:
            return sum(request["request_type"] == kind for request in self.requests)

    def members(self, swarm):
        with self.lock:
            return dict(self.swarms.get(swarm, {}))

    def respond(self, handler, body):
        request = json.loads(body)["PPSPTrackerProtocol"]
        with self.lock:
            self.requests.append(request)
            self.headers.append(dict(handler.headers.items()) | {"path": handler.path})
            self.connections.add(handler.client_address)
        instead = self.instead and self.instead(self, request)
        if instead:
            return instead
        with self.lock:
            answer = self.answer(request, handler.client_address[0])
        return 200, json.dumps({"PPSPTrackerProtocol": answer}).encode(), {}

    def answer(self, request, host):
        answer = {"version": 1, "response_type": 0, "error_code": 0,
                  "transaction_id": request["transaction_id"], "swarm_result": []}
        if self.interval:
            answer["interval"] = self.interval
        peer = request["peer_id"]
        known = any(peer in members for members in self.swarms.values())
        if request["request_type"] != "CONNECT" and not known:
            return answer | {"response_type": 1, "error_code": 3}
        if request["request_type"] == "FIND":
            answer["swarm_result"] = [self.result(request["find"]["swarm_id"], peer)]
        if request["request_type"] == "CONNECT":
            connect = request["connect"]
            for action in connect["swarm_action"]:
                members = self.swarms.setdefault(action["swarm_id"], {})
                if action["action"] == "LEAVE":
                    members.pop(peer, None)
                    answer["swarm_result"].append({"swarm_id": action["swarm_id"], "result": 0})
                    continue
                port = connect["peer_addr"][0]["port"]
                members[peer] = (host, port, action["peer_mode"])
                result = self.result(action["swarm_id"], peer)
                if "peer_num" not in connect:
                    del result["peer_group"]
                answer["swarm_result"].append(result)
        return answer

    def result(self, swarm, asking):
        peers = [{"peer_id": peer, "peer_addr": {
            "ip_address": {"address_type": "ipv6" if ":" in host else "ipv4", "address": host},
            "port": port, "priority": 1, "type": "REFLEXIVE"}}
            for peer, (host, port, _) in self.swarms.get(swarm, {}).items() if peer != asking]
        return {"swarm_id": swarm, "result": 0, "peer_group": {"peer_info": peers[:29]}}
