#!/usr/bin/python3
"""Every document that test_xray writes, held against X-Ray's published rules ("AWS X-Ray segment documents").

Strict: a member that the rules do not name, a text that is too long, a number that is no number, a name twice in an object are
errors. Needs $TRACKWAY_BUILD (default build/) with tests/wire.test_xray. Exit code 77 when that is missing.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unicodedata

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build")
PROGRAM = os.path.join(BUILD, "tests/wire.test_xray")
MAX_DATAGRAM = 65507

ID, TRACE_ID, KEY = re.compile("[0-9a-f]{16}"), re.compile("1-[0-9a-f]{8}-[0-9a-f]{24}"), re.compile("[A-Za-z0-9_]{1,500}")


def need(condition, what):
    if not condition:
        raise AssertionError(what)


def unique(pairs):
    need(len(dict(pairs)) == len(pairs), f"a name twice: {[name for name, _ in pairs]}")
    return dict(pairs)


def refuse(word):
    raise AssertionError(f"{word} is no JSON")


def text(value, most=250, least=0):
    need(isinstance(value, str) and least <= len(value) <= most, f"not a text of {least} to {most} characters: {value!r:.300}")


def flag(value):
    need(value is True, f"not true: {value!r}")


def whole(value, least=0):
    need(isinstance(value, int) and not isinstance(value, bool) and value >= least, f"not a whole number: {value!r}")


def seconds(value):
    need(isinstance(value, float) and 0 <= value < 2**33, f"no time: {value!r}")


def matches(pattern):
    return lambda value: need(isinstance(value, str) and pattern.fullmatch(value), f"not {pattern.pattern}: {value!r:.300}")


def one_of(*words):
    return lambda value: need(value in words, f"{value!r} is none of {words}")


def every(rule):
    def check(value):
        need(isinstance(value, list) and value, f"no list, or empty: {value!r:.100}")
        for item in value:
            rule(item)
    return check


def table(required=(), **members):
    def check(value):
        need(isinstance(value, dict) and value, f"no object, or empty: {value!r:.100}")
        for name, item in value.items():
            need(name in members, f"the rules know no member {name}")
            members[name](item)
        for name in required:
            need(name in value, f"{name} is missing")
    return check


def name_rule(value):
    text(value, 200, 1)
    for c in value:
        allowed = unicodedata.category(c)[0] in "LN" or c == " " or c in "_.:/%&#=+\\-@"
        need(allowed, f"{c!r} is not allowed in names")


def annotations(value):
    need(isinstance(value, dict) and 0 < len(value) <= 50, "no annotations, or more than 50")
    for key, item in value.items():
        need(KEY.fullmatch(key), f"annotation key {key!r}")
        if isinstance(item, str):
            text(item, 1000)
        else:
            need(isinstance(item, (bool, int, float)), f"annotation {key}: {item!r:.100}")


def metadata(value):
    need(isinstance(value, dict) and value, "no metadata, or empty")
    for namespace, items in value.items():
        need(not namespace.startswith("AWS."), "the namespace AWS. is reserved")
        need(isinstance(items, dict) and items, f"metadata {namespace}: no object, or empty")


request = dict(method=text, url=text, user_agent=text, client_ip=text)
response = table(status=whole, content_length=lambda value: whole(value, -1))
frame = table(path=text, line=whole, label=text)
exception = table(id=matches(ID), message=text, type=text, remote=lambda value: need(isinstance(value, bool), "remote"), truncated=whole,
                  skipped=whole, cause=matches(ID), stack=every(frame), required=["id"])


def cause(value):
    if isinstance(value, str):
        matches(ID)(value)
    else:
        table(working_directory=text, paths=every(text), exceptions=every(exception))(value)


COMMON = dict(name=name_rule, id=matches(ID), start_time=seconds, end_time=seconds, in_progress=flag, error=flag, throttle=flag, fault=flag,
              cause=cause, annotations=annotations, metadata=metadata)
SEGMENT = dict(COMMON, trace_id=matches(TRACE_ID), parent_id=matches(ID), user=text, origin=text, resource_arn=text,
               service=table(version=text, runtime=text, runtime_version=text, name=text),
               http=table(request=table(**request, x_forwarded_for=flag), response=response),
               aws=table(account_id=text, ec2=table(instance_id=text, instance_size=text, ami_id=text, availability_zone=text),
                         ecs=table(container=text, container_id=text, container_arn=text),
                         eks=table(pod=text, cluster_name=text, container_id=text),
                         elastic_beanstalk=table(environment_name=text, version_label=text, deployment_id=whole),
                         xray=table(sdk=text, sdk_version=text, rule_name=text, package=text)))
INSIDE = dict(COMMON, namespace=one_of("aws", "remote"), precursor_ids=every(matches(ID)),
              http=table(request=table(**request, traced=lambda value: need(isinstance(value, bool), "traced")), response=response),
              sql=table(connection_string=text, url=text, sanitized_query=text, database_type=text, database_version=text, driver_version=text,
                        user=text, preparation=one_of("call", "statement")),
              aws=table(operation=text, account_id=text, region=text, request_id=text, queue_url=text, table_name=text, resource_names=every(text)))
ALONE = dict(INSIDE, trace_id=matches(TRACE_ID), parent_id=matches(ID), type=one_of("subsegment"))


def span(value, members, required):
    """Returns the ids of the span and everything in it."""
    children = value.get("subsegments")
    table(**members, required=required)({name: item for name, item in value.items() if name != "subsegments"})
    need(("end_time" in value) != ("in_progress" in value), "neither or both of end_time and in_progress")
    need(value.get("end_time", 2**33) >= value["start_time"], "ends before it begins")
    need(not value.get("throttle") or value.get("error") or "http" not in value, "throttle without error")
    ids = [value["id"]]
    if children is not None:
        need(isinstance(children, list) and children, "subsegments: no list, or empty")
        for child in children:
            ids += span(child, INSIDE, ["name", "id", "start_time"])
    return ids


def document(datagram):
    need(len(datagram) <= MAX_DATAGRAM, "too long for a datagram")
    head, body = datagram.split(b"\n", 1)
    need(json.loads(head) == {"format": "json", "version": 1}, "the header line")
    value = json.loads(body.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    need(re.search(rb'"start_time":\d+\.\d{6,}[,}]', body), "times with at least six decimals")
    if value.get("type") == "subsegment":
        ids = span(value, ALONE, ["name", "id", "start_time", "trace_id", "parent_id", "type"])
    else:
        ids = span(value, SEGMENT, ["name", "id", "start_time", "trace_id"])
    need(len(ids) == len(set(ids)), "a span twice in a document")


def refuses_what_is_wrong():
    good = {"name": "n", "id": "0" * 16, "trace_id": "1-00000000-" + "0" * 24, "start_time": 1.5, "end_time": 2.0}
    head = b'{"format": "json", "version": 1}\n'
    encode = lambda value: head + json.dumps(value).replace(": 1.5", ":1.500000").encode()
    document(encode(good))
    for change in ({"name": "n?"}, {"name": ""}, {"id": "x" * 16}, {"in_progress": True}, {"other": 1}, {"annotations": {"a.b": 1}},
                   {"annotations": {"a": [1]}}, {"metadata": {"a": 1}}, {"end_time": 1.0}, {"type": "subsegment"}, {"sql": {"user": "u"}},
                   {"http": {"request": {"url": "u" * 251}}}, {"subsegments": [good]}, {"cause": {"exceptions": [{}]}}):
        try:
            document(encode(dict(good, **change)))
        except AssertionError:
            continue
        raise AssertionError(f"was not refused: {change}")


def main():
    refuses_what_is_wrong()
    if not os.path.exists(PROGRAM):
        return 77
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PROGRAM], env=dict(os.environ, TRACKWAY_WIRE_DUMP=folder), check=True, capture_output=True)
        names = [name for name in os.listdir(folder) if name.endswith(".xray")]
        need(len(names) > 100, "too few documents")
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                datagram = file.read()
            try:
                document(datagram)
            except Exception:
                print(f"{name}: {datagram[:2000]!r}")
                raise
    print(f"{len(names)} documents keep the rules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
