"""A collector as a process of its own, for tests that ask it from outside."""
import http.client
import json
import os
import subprocess
import time

BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(os.path.dirname(os.path.realpath(__file__)), "../build"))
TRACKWAY = os.path.join(BUILD, "trackway")
ANY = "127.0.0.1:0"
DOORS = ("http", "otlp-http", "otlp-grpc", "fdb", "xray", "zipkin", "segments")


class Running:
    """with Running(folder, "--keep-for", "0", fdb=ANY) as collector: its store and ready file are in the folder. A door is open where it
    is named, as fdb=ADDRESS (_ for -) or among the arguments, else off. popen: what subprocess.Popen is told beside."""

    def __init__(self, folder, *arguments, expect_ready=True, popen=None, **doors):
        ready = os.path.join(folder, "ready.json")
        if os.path.exists(ready):
            os.unlink(ready)
        command = [TRACKWAY, "serve", "--data", os.path.join(folder, "data"), "--ready-file", ready]
        for door in DOORS:
            if "--" + door not in arguments:
                command += ["--" + door, doors.pop(door.replace("-", "_"), "off")]
        assert not doors, doors
        self.process = subprocess.Popen(command + list(arguments), **dict({"stdout": subprocess.DEVNULL}, **(popen or {})))
        until = time.monotonic() + 60
        while expect_ready and not os.path.exists(ready) and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        self.where = {}
        if os.path.exists(ready):
            with open(ready, encoding="utf-8") as file:
                self.where = json.load(file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        assert self.process.wait(60) == 0

    def address_of(self, door):
        host, port = self.where[door].rsplit(":", 1)
        return host.strip("[]"), int(port)

    def ask(self, door, method, path, body=None, headers=None):
        """Status and body."""
        connection = http.client.HTTPConnection(*self.address_of(door), timeout=60)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()
