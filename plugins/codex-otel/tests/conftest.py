"""A real receiver in a process of its own, and sinks that send to it."""

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codex_otel.sink import OtelSink
from codex_plugin_sdk import TelemetrySetup

THREAD = "01990000-0000-7000-8000-000000000001"


class Receiver:
    """A running receiver; `requests` ends it and gives what it was sent."""

    def __init__(self, mode):
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("receiver.py")), mode], stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._found = None
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)  # a full pipe would stop the receiver
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def one(self):
        """The next request, waited for."""
        return self._lines.get(timeout=10)

    def requests(self):
        if self._found is None:
            self._process.terminate()
            self._reader.join(10)
            self._process.wait(10)
            self._process.stdout.close()
            self._found = [self._lines.get() for _ in range(self._lines.qsize())]
        return self._found

    def spans(self):
        return self._records("resourceSpans", "scopeSpans", "spans")

    def logs(self):
        return self._records("resourceLogs", "scopeLogs", "logRecords")

    def metrics(self):
        return {metric["name"]: metric for metric in self._records("resourceMetrics", "scopeMetrics", "metrics")}

    def resource(self):
        (first, *_) = self.requests()
        ((resource,),) = [first["body"][key] for key in first["body"]]
        return values(resource["resource"])

    def to(self, protocol="binary", **more):
        """`[otel]` that sends everything here."""
        return {"exporter": {"otlp-http": {"endpoint": self.url, "protocol": protocol}}, **more}

    @staticmethod
    def values(record):
        """Attributes as a plain dictionary."""
        return values(record)

    def _records(self, outer, inner, name):
        return [
            record
            for request in self.requests()
            if request["status"] == 200
            for resource in request["body"].get(outer, ())
            for scope in resource[inner]
            for record in scope[name]
        ]


def values(record):
    """Attributes as a plain dictionary."""
    return {
        entry["key"]: int(found) if kind == "intValue" else found
        for entry in record.get("attributes", ())
        for kind, found in entry["value"].items()
    }


@pytest.fixture
def receiver():
    """Makes receivers of a mode."""
    made = []

    def make(mode="ok"):
        made.append(Receiver(mode))
        return made[-1]

    yield make
    for one in made:
        one.requests()


@pytest.fixture
def open_sink():
    """Makes a sink as the kernel does: from options and environment."""

    def make(options, **environ):
        return OtelSink(TelemetrySetup(thread_id=THREAD, codex_home="/nowhere", environ=environ, options=options))

    return make
