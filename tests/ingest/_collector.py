"""A collector with one of its doors open, and what tests ask it."""
import json
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from _serve import ANY, BUILD, DOORS, TRACKWAY, Running  # noqa: E402,F401
from _run import run_tests  # noqa: E402,F401  for who has a Collector


class Collector(Running):
    """with Collector(folder, "xray", "--xray-rules", path) as collector: the door of that name is open, at any port or at `at`."""

    def __init__(self, folder, door, *more, at=ANY):
        self.door = door
        super().__init__(folder, *more, http=ANY, **({door.replace("-", "_"): at} if door in DOORS else {}))

    def address(self):
        return self.address_of(self.door)

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
