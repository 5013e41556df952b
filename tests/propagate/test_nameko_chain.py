#!/usr/bin/python3
"""Calls that pass from a nameko service through one in C to a nameko service, over kombu: one chain.

nameko is in no Debian package. What its workers do with headers is written here from its 2.14 (WorkerContext, MessageEncoder, decode_headers);
the messages go through its own transport, kombu, and their headers through py-amqp's table encoding, byte for byte what a broker would carry.

Needs $TRACKWAY_BUILD (default build/) and python3-kombu. Exit code 77 without.
"""
import json
import os
import socket
import subprocess
import sys
import uuid

try:
    import kombu
    from amqp.serialization import dumps, loads
except ImportError:
    print("python3-kombu is not installed")
    sys.exit(77)

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/ingest"))
from _collector import BUILD, Collector, run_tests  # noqa: E402  pylint: disable=wrong-import-position

PREFIX, PARENTS_TRACKED = "nameko.", 10


class Worker:
    """nameko's WorkerContext, as far as headers go."""

    def __init__(self, service, method, headers=None):
        data = {name[len(PREFIX):] if name.startswith(PREFIX) else name: value for name, value in (headers or {}).items()}
        self.service, self.method = service, method
        self.parent_stack = data.pop("call_id_stack", [])
        assert isinstance(self.parent_stack, list) and all(isinstance(one, str) for one in self.parent_stack), self.parent_stack
        self.data, self.call_id = data, f"{service}.{method}.{uuid.uuid4()}"
        self.stack = (self.parent_stack + [self.call_id])[-(PARENTS_TRACKED + 1):]

    def headers(self):
        return {PREFIX + name: value for name, value in {**self.data, "call_id_stack": self.stack}.items() if value is not None}

    def record(self, stage):
        """What nameko-tracer logs of it."""
        more = {"response_status": "success", "response": None, "response_time": 0.5} if stage == "response" else {}
        return {"timestamp": "2026-11-27 12:00:00.500000", "hostname": "h", "service": self.service, "entrypoint_type": "Rpc",
                "entrypoint_name": self.method, "context_data": self.data, "call_id": self.call_id, "call_id_stack": self.stack,
                "origin_call_id": (self.parent_stack or [None])[0], "stage": stage, "call_args": {}, "call_args_redacted": False, **more}


class Bus:
    """A queue of kombu's, in memory; headers as a broker carries them."""

    def __init__(self):
        self.connection = kombu.Connection("memory://" + uuid.uuid4().hex)
        self.queue = self.connection.SimpleQueue("rpc-" + uuid.uuid4().hex)

    def pass_on(self, headers):
        table = dumps("F", [headers])
        (headers,), _ = loads("F", table, 0)
        self.queue.put({"args": [], "kwargs": {}}, headers=headers)
        message = self.queue.get(timeout=10)
        message.ack()
        return message.headers


class Service:
    """The service in C."""

    def __init__(self, segments):
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith("TRACKWAY")}, "TRACKWAY_DIR": segments}
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/prog_call_chain")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=self.env)

    def call(self, headers):
        lines = [f"{name}\t{one}" for name, value in headers.items() for one in (value if isinstance(value, list) else [value])]
        self.process.stdin.write("\n".join(lines) + "\n\n")
        self.process.stdin.flush()
        answer = {}
        while (line := self.process.stdout.readline()) != "\n":
            assert line, "the service has ended"
            name, value = line.rstrip("\n").split("\t", 1)
            if name == "nameko.call_id_stack":
                answer.setdefault(name, []).append(value)
            else:
                answer[name] = value
        return answer

    def calls(self):
        done = subprocess.run([os.path.join(BUILD, "trackway"), "calls"], capture_output=True, text=True, timeout=60, env=self.env, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def end(self):
        self.process.kill()
        self.process.wait()


def from_nameko_through_c_to_nameko_it_is_one_chain(folder):
    os.mkdir(os.path.join(folder, "segments"), 0o700)
    bus, service = Bus(), Service(os.path.join(folder, "segments"))
    try:
        web = Worker("web", "get", {"nameko.user_id": "7", "nameko.language": "ja"})
        sent_on = service.call(bus.pass_on(web.headers()))
        cart = Worker("cart", "items", bus.pass_on(sent_on))
        (request, response) = service.calls()
        lines = [json.dumps(one) for worker in (web, cart) for one in (worker.record("request"), worker.record("response"))]
        lines += [json.dumps(request), json.dumps(response)]

        assert request["call_id"].startswith("shop.total.") and request["call_id_stack"] == [web.call_id, request["call_id"]], request
        assert request["origin_call_id"] == web.call_id and request["context_data"] == {"user_id": "7", "language": "ja"}, request
        assert response["stage"] == "response" and response["call_id"] == request["call_id"] and response["response"] == 17, response
        assert cart.stack == [web.call_id, request["call_id"], cart.call_id], cart.stack
        assert cart.data["user_id"] == "7" and cart.data["language"] == "ja" and cart.data["origin_call_id"] == web.call_id, cart.data
        assert cart.data["traceparent"].split("-")[1] == request["trace_id"], cart.data

        again = service.call(bus.pass_on(cart.headers()))  # nameko hands on what it does not know: the origin, and our context
        last = service.calls()[-1]
        assert again["nameko.call_id_stack"] == cart.stack + [last["call_id"]] and last["origin_call_id"] == web.call_id, last
        assert last["trace_id"] == request["trace_id"], last
    finally:
        service.end()

    with Collector(folder, "json-socket", "--json-socket", os.path.join(folder, "lines")) as collector:
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(collector.where["json-socket"])
            door.sendall("".join(line + "\n" for line in lines).encode())
        collector.wait(spans=6, bad=0)
        _, body = collector.ask("http", "GET", "/api/tw/search?since=0")
        found = [collector.trace(one["trace_id"]) for one in json.loads(body)["traces"]]
        spans = {span["name"]: span for trace in found for span in trace}
        assert set(spans) == {"web.get", "shop.total", "cart.items"}, spans
        assert len(found) == 1, found
        assert spans["shop.total"]["parent_id"] == spans["web.get"]["span_id"], spans
        assert spans["cart.items"]["parent_id"] == spans["shop.total"]["span_id"], spans


def a_chain_longer_than_nameko_tracks_keeps_its_origin(folder):
    bus, service = Bus(), Service(folder)
    try:
        first = Worker("web", "get")
        headers = bus.pass_on(service.call(bus.pass_on(first.headers())))
        for _ in range(9):
            headers = bus.pass_on(service.call(bus.pass_on(Worker("deep", "down", headers).headers())))
        last = Worker("deep", "down", headers)
        assert len(last.stack) == PARENTS_TRACKED + 1 and first.call_id not in last.stack, last.stack
        assert last.data["origin_call_id"] == first.call_id and service.calls()[-1]["origin_call_id"] == first.call_id
    finally:
        service.end()


if __name__ == "__main__":
    sys.exit(run_tests(from_nameko_through_c_to_nameko_it_is_one_chain, a_chain_longer_than_nameko_tracks_keeps_its_origin))
