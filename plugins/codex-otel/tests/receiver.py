"""An OTLP/HTTP receiver as a program: `receiver.py MODE`. Prints its port, then a line of JSON per request.

It decodes with the official message types, so what it prints is what any receiver would understand. MODE is ok,
hang (takes requests, never answers), drip (an answer that never ends), flaky (refuses the first of each signal),
refuse (400 to everything).
"""

import base64
import gzip
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}
IDS = ("traceId", "spanId", "parentSpanId")
lock = threading.Lock()
seen: set[str] = set()


def walk(value, change):
    """The same value with each id changed."""
    if isinstance(value, dict):
        return {key: change(v) if key in IDS else walk(v, change) for key, v in value.items()}
    return [walk(entry, change) for entry in value] if isinstance(value, list) else value


def decode(path, content_type, body):
    """A request as the official types understand it, ids in hex."""
    message = KINDS[path]()
    if content_type == "application/json":  # OTLP's JSON has ids in hex where protobuf's has base64
        given = walk(json.loads(body), lambda text: base64.b64encode(bytes.fromhex(text)).decode())
        json_format.ParseDict(given, message)  # refuses what the message does not have
    else:
        assert content_type == "application/x-protobuf", content_type
        message.ParseFromString(body)
        known = KINDS[path]()
        known.ParseFromString(body)
        known.DiscardUnknownFields()
        assert known.SerializeToString() == message.SerializeToString(), "unknown fields"
    return walk(json_format.MessageToDict(message), lambda text: base64.b64decode(text).hex())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        found = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}
        found["peer"] = self.client_address[1]
        found["status"] = 200
        if mode == "refuse":
            found["status"] = 400
        elif mode == "flaky" and self.path not in seen:
            seen.add(self.path)
            found["status"] = 503
        found["body"] = decode(self.path, self.headers["content-type"], body)
        with lock:
            print(json.dumps(found), flush=True)
        if mode == "hang":
            threading.Event().wait()
        if mode == "drip":
            self.send_response(200)
            self.send_header("content-length", "1000000")
            self.end_headers()
            while True:
                self.wfile.write(b"x")
                self.wfile.flush()
                threading.Event().wait(0.05)
        self.send_response(found["status"])
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


mode = sys.argv[1]
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
