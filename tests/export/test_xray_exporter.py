#!/usr/bin/python3
"""The xray exporter of a real program: what comes out of its socket keeps X-Ray's rules, and central sampling is asked of a
daemon that is not ours (fake_xray_daemon.py)."""
import json
import os
import re
import subprocess
import sys
import time

import common

sys.path.insert(0, os.path.join(common.HERE, "../wire"))
import test_xray_rules as rules  # noqa: E402  pylint: disable=wrong-import-position

DAEMON = os.path.join(common.HERE, "fake_xray_daemon.py")


def documents(door):
    """What has come, each held against the rules."""
    found = []
    for datagram in common.datagrams(door):
        rules.document(datagram)
        found.append(json.loads(datagram.split(b"\n", 1)[1]))
    return found


def everything(document):
    yield document
    for child in document.get("subsegments", []):
        yield from everything(child)


def spans_are_documents_of_their_own(folder):
    door, port = common.receiver()
    counters, told = common.run("10", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}")
    found = documents(door)
    assert len(found) == 20 and counters[0]["sent"] == 20 and counters[0]["dropped"] == 0, (len(found), counters, told)
    segments = {d["id"]: d for d in found if "type" not in d}
    children = [d for d in found if d.get("type") == "subsegment"]
    assert len(segments) == len(children) == 10
    for child in children:
        segment = segments[child["parent_id"]]
        assert segment["trace_id"] == child["trace_id"] and segment["name"] == "parent" and child["name"] == "child"
    assert sum(d.get("fault", False) for d in children) == 1
    assert "step" in json.dumps(children[0]["metadata"])
    assert told == "", told


def logs_are_events_with_level_and_text(folder):
    door, port = common.receiver()
    common.run("0", "logs", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}")
    events = [d for d in documents(door) if d["name"] == "logged"][0]["metadata"]["trackway"]["events"]
    assert [(e["name"], e["kind"]) for e in events] == [("%s has %d items, %.1f kg", "log"), ("plain", "log")], events
    assert events[0]["tags"] == {"level": "warning", "message": "ann has 3 items, 2.5 kg", "zone": "west"}, events
    assert events[1]["tags"] == {"level": "debug", "message": "plain"}, events


def the_daemon_may_be_named_in_both_forms(folder):
    door, port = common.receiver()
    for address in (f"tcp:127.0.0.1:1 udp:127.0.0.1:{port}", f"udp:localhost:{port} tcp:localhost:1"):
        common.run("2", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=address)
        assert len(documents(door)) == 4, address
    common.run("2", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS="127.0.0.1:1", TRACKWAY_XRAY_DAEMON=f"127.0.0.1:{port}")
    assert len(documents(door)) == 4
    counters, told = common.run("1", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS="nonsense")
    assert counters == [] and "xray" in told and "nonsense" in told, told


def children_are_embedded_when_asked(folder):
    door, port = common.receiver()
    counters, _ = common.run("10", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", TRACKWAY_XRAY_CHILDREN="embedded")
    found = documents(door)
    assert len(found) == 10 == counters[0]["sent"], (len(found), counters)
    assert all([child["name"] for child in d["subsegments"]] == ["child"] for d in found)


def an_embedded_child_waits_for_its_parent_over_many_rounds(folder):
    door, port = common.receiver()
    common.run("0", "slow", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", TRACKWAY_XRAY_CHILDREN="embedded",
               TRACKWAY_XRAY_OPEN_AFTER="0")
    found = documents(door)
    assert [d["name"] for d in found] == ["slow"] and found[0]["subsegments"][0]["name"] == "slow child", found
    assert "begun" in json.dumps(found[0]["metadata"]) and "nearly done" in json.dumps(found[0]["metadata"])


def a_long_span_is_sent_in_progress_first_and_again_under_the_same_id(folder):
    door, port = common.receiver()
    common.run("3", "slow", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", TRACKWAY_XRAY_OPEN_AFTER="100ms")
    found = [d for d in documents(door) if d["name"].startswith("slow")]
    open_ones = [d for d in found if d.get("in_progress")]
    assert sorted(d["name"] for d in open_ones) == ["slow", "slow child"], found
    for first in open_ones:
        final = [d for d in found if d["id"] == first["id"] and "end_time" in d]
        assert len(final) == 1 and found.index(final[0]) > found.index(first)
        assert final[0]["start_time"] == first["start_time"] and final[0]["trace_id"] == first["trace_id"]
        assert final[0]["end_time"] - final[0]["start_time"] > 0.25
    common.run("3", "slow", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", TRACKWAY_XRAY_OPEN_AFTER="0")
    assert not any(d.get("in_progress") for d in documents(door))


def what_is_too_large_is_divided_and_then_cut_and_the_span_is_named(folder):
    door, port = common.receiver()
    counters, told = common.run("0", "tree", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", TRACKWAY_XRAY_CHILDREN="embedded")
    found = documents(door)
    spans = [d for document in found for d in everything(document)]
    assert len(found) > 1 and len(spans) == 41 and counters[0]["problem"] == "", (len(found), len(spans), counters)
    assert len({d["id"] for d in spans}) == 41
    assert all(d["metadata"]["default"]["long.text"] == "t" * 4000 for d in spans if d["name"] == "leaf")
    counters, told = common.run("0", "huge", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", TRACKWAY_ARENA="32M")
    found = documents(door)
    assert len(found) == 1 and found[0]["name"] == "huge one", [d["name"] for d in found]
    assert "huge one" in counters[0]["problem"] and "texts cut" in counters[0]["problem"], counters
    assert '"huge one"' in told and told.count("diagnostic") == 1, told


def http_and_faults_are_where_x_ray_looks_for_them(folder):
    door, port = common.receiver()
    common.run("0", "web", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", OTEL_SERVICE_NAME="shop")
    found = {d["name"]: d for d in documents(door)}
    server, client = found["GET /cart"], found["stock"]
    assert server["http"]["response"]["status"] == 503 and server["fault"] and server["service"]["name"] == "shop", server
    assert client["error"] and client["throttle"] and client["namespace"] == "remote", client


def the_resource_of_the_environment_is_in_the_segment(folder):
    door, port = common.receiver()
    common.run("1", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", AWS_XRAY_TRACING_NAME="renamed",
               OTEL_RESOURCE_ATTRIBUTES="service.name=cart%20service,cloud.platform=aws_ec2,host.id=i-0abc,cloud.account.id=123456789012")
    segment = [d for d in documents(door) if "type" not in d][0]
    assert segment["name"] == "renamed" and segment["service"]["name"] == "cart service", segment
    assert segment["origin"] == "AWS::EC2::Instance" and segment["aws"]["ec2"]["instance_id"] == "i-0abc", segment
    assert segment["aws"]["account_id"] == "123456789012", segment


def a_child_process_sends_its_own(folder):
    door, port = common.receiver()
    common.run("5", "fork", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", TRACKWAY_XRAY_CHILDREN="embedded")
    names = [d["name"] for d in documents(door)]
    assert names.count("in the child") == 5 and names.count("parent") % 5 == 0 and names.count("parent"), names


def rules_look_at_the_method_and_the_path_in_the_name(folder):
    door, port = common.receiver()
    path = os.path.join(folder, "rules.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump({"version": 2, "rules": [{"host": "*", "http_method": "GET", "url_path": "/ca*", "fixed_target": 0, "rate": 1}],
                   "default": {"fixed_target": 0, "rate": 0}}, file)
    common.run("0", "web", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", TRACKWAY_SAMPLER=f"xray:{path}")
    assert len(documents(door)) == 2
    with open(path, "w", encoding="ascii") as file:
        json.dump({"version": 2, "rules": [{"host": "*", "http_method": "GET", "url_path": "/stock*", "fixed_target": 0, "rate": 1}],
                   "default": {"fixed_target": 0, "rate": 0}}, file)
    common.run("0", "web", TRACKWAY_EXPORTER="xray", AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{port}", TRACKWAY_SAMPLER=f"xray:{path}")
    assert documents(door) == []


# -- central sampling

class Daemon:
    def __init__(self, mode, *more):
        self.process = subprocess.Popen(["/usr/bin/python3", DAEMON, mode, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.early = []

    def wait_for(self, start):
        """Until it was asked for that, or had something to complain about."""
        while not (self.early and self.early[-1].startswith((start, "wrong"))):
            self.early.append(self.process.stdout.readline().rstrip("\n"))
            assert self.early[-1], self.early

    def lines(self):
        self.process.stdin.close()
        return self.early + self.process.stdout.read().splitlines()


def central_rules_are_fetched_decide_and_are_reported_and_a_quota_comes_back(folder):
    """The fake's rules have a fixed rate of 0: until the first report one trace a second is borrowed, then 7 a second are allowed."""
    door, port = common.receiver()
    daemon = Daemon("plain")
    program = common.Program(200, TRACKWAY_EXPORTER="xray", TRACKWAY_SAMPLER="xray-central",
                      AWS_XRAY_DAEMON_ADDRESS=f"tcp:127.0.0.1:{daemon.port} udp:127.0.0.1:{port}")
    for _ in range(2):  # pages
        daemon.wait_for("ok /GetSamplingRules")
        daemon.early.append("")
    time.sleep(1)  # from the answer to the rules that decide
    program.go_on("borrowed")
    daemon.wait_for("ok /SamplingTargets")
    time.sleep(0.5)
    program.go_on("by quota")
    _, told = program.end()
    asked = [line for line in daemon.lines() if line][:3]
    found = documents(door)
    times = lambda name: [d["start_time"] for d in found if d["name"] == name]
    seconds = lambda name: int(max(times(name)) - min(times(name)))  # as good as none, but for a busy machine
    names = [d["name"] for d in found]
    rules_named = {d["aws"]["xray"].get("rule_name") for d in found if d["name"] == "by quota"}
    assert rules_named == {"cart"}, rules_named
    assert told == "" and all(line.startswith("ok") for line in asked), (told, asked)
    assert [line.split()[1] for line in asked] == ["/GetSamplingRules"] * 2 + ["/SamplingTargets"], asked
    report = {d["RuleName"]: d for d in json.loads(asked[2].split(" ", 2)[2])["SamplingStatisticsDocuments"]}
    requests = sum(d["RequestCount"] for d in report.values())
    assert requests >= 200 and 1 <= names.count("borrowed") == sum(d["BorrowCount"] + d["SampledCount"] for d in report.values()) <= 2 + seconds("borrowed"), (report, names)
    assert 7 <= names.count("by quota") <= 14 + 7 * seconds("by quota"), names.count("by quota")


def without_a_daemon_the_built_in_rule_decides_and_it_is_told_once(folder):
    door, port = common.receiver()
    program = common.Program(100, TRACKWAY_EXPORTER="xray", OTEL_TRACES_SAMPLER="xray", AWS_XRAY_DAEMON_ADDRESS=f"tcp:127.0.0.1:1 udp:127.0.0.1:{port}")
    time.sleep(1)
    program.go_on("later")
    _, told = program.end()
    found = [d for d in documents(door) if "type" not in d]
    assert 1 <= len(found) <= 60, len(found)  # one a second and 5 % of 200
    assert told.count("diagnostic") == 1 and "refused" in told, told


def main():
    tests = [spans_are_documents_of_their_own, the_daemon_may_be_named_in_both_forms, children_are_embedded_when_asked,
             an_embedded_child_waits_for_its_parent_over_many_rounds, a_long_span_is_sent_in_progress_first_and_again_under_the_same_id,
             what_is_too_large_is_divided_and_then_cut_and_the_span_is_named, http_and_faults_are_where_x_ray_looks_for_them,
             the_resource_of_the_environment_is_in_the_segment, rules_look_at_the_method_and_the_path_in_the_name, a_child_process_sends_its_own,
             central_rules_are_fetched_decide_and_are_reported_and_a_quota_comes_back,
             without_a_daemon_the_built_in_rule_decides_and_it_is_told_once]
    return common.run_all([test for test in tests if len(sys.argv) < 2 or re.search(sys.argv[1], test.__name__)])


if __name__ == "__main__":
    sys.exit(main())
