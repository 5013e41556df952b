"""A collector with some of its doors open, and what tests ask it."""
import http.client
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from _run import run_tests  # noqa: E402,F401  for who has a Collector

BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(HERE, "../../build"))
TRACKWAY = os.path.join(BUILD, "trackway")
DOORS = ("otlp-http", "otlp-grpc", "fdb", "xray", "zipkin", "segments")


class Collector:
    """with Collector(folder, "xray", "--xray-rules", path) as collector: the door of that name is open, at any port."""

    def __init__(self, folder, door, *more):
        self.door, ready = door, os.path.join(folder, "ready.json")
        command = [TRACKWAY, "serve", "--data", os.path.join(folder, "data"), "--ready-file", ready, "--http", "127.0.0.1:0"]
        for name in DOORS:
            command += ["--" + name, "127.0.0.1:0" if name == door else "off"]
        if os.path.exists(ready):
            os.unlink(ready)
        self.process = subprocess.Popen(command + list(more), stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not os.path.exists(ready) and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        with open(ready, encoding="utf-8") as file:
            self.where = json.load(file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(60) == 0

    def address(self):
        host, port = self.where[self.door].rsplit(":", 1)
        return host.strip("[]"), int(port)

    def ask(self, where, method, path, body=None, headers=None):
        """Status and body of a request to the address of that name."""
        host, port = self.where[where].rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    def counters(self):
        _, text = self.ask("http", "GET", "/metrics")
        return {name: int(value) for name, value in
                re.findall(r'trackway_door_(\w+)_total\{door="%s"\} (\d+)' % re.escape(self.door), text.decode())}

    def wait(self, **expected):
        until, found = time.monotonic() + 60, {}
        while time.monotonic() < until:
            found = self.counters()
            if all(found[name] == value for name, value in expected.items()):
                return found
            time.sleep(0.05)
        raise AssertionError(f"expected {expected}, counted {found}")

    def trace(self, trace_id):
        """Its spans as a list of objects: the details, with tags as a dict, and kind and service from the skeleton."""
        status, body = self.ask("http", "GET", f"/api/tw/traces/{trace_id}/spans?count=1000")
        assert status == 200, (status, body)
        spans = json.loads(body)["spans"]
        for span in spans:
            span["tags"] = {tag["key"]: tag["value"] for tag in span["tags"]}
            span["resource"] = {tag["key"]: tag["value"] for tag in span["resource"]["tags"]}
            span["service"] = span["resource"].get("service.name", "")
        return spans
