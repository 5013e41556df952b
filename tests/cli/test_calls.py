#!/usr/bin/python3
"""Calls as users of nameko-tracer read them: `trackway calls`, and a real logging set-up of Python's that takes our lines.

What nameko-tracer itself does (its version 1.4, tables of its keys, redaction, formatters and filters) is written down here as
expectations, with its leaks and its invalid JSON closed.
"""
import datetime
import io
import json
import logging
import logging.config
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build"))
TRACKWAY, CALLS = os.path.join(BUILD, "trackway"), os.path.join(BUILD, "tests/prog_calls")
NAMEKO = "ナメコ"
REQUEST_KEYS = ["timestamp", "hostname", "service", "entrypoint_type", "entrypoint_name", "context_data", "call_id", "call_id_stack",
                "origin_call_id", "stage", "call_args", "call_args_redacted"]
OURS = ["redacted_count", "cut", "trace_id", "span_id"]
folder = ""


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRACKWAY")}
    env.update(TRACKWAY_DIR=folder, LANG="C.UTF-8", **more)
    return env


def trackway(*args, still=True):
    """What it prints. Two runs compare the clocks anew and may differ by a microsecond: still puts one time in their place."""
    done = subprocess.run([TRACKWAY, *args], capture_output=True, env=environment(), timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    text = done.stdout.decode("utf-8")  # strict
    return re.sub(r'("timestamp": ?)"[^"]*"', r'\1"then"', text) if still else text


def refuse(word):
    raise ValueError(word)


def strict(line):
    def once(pairs):
        assert len(dict(pairs)) == len(pairs), "a name twice"
        return dict(pairs)
    return json.loads(line, object_pairs_hook=once, parse_constant=refuse)


def calls(*args, still=True):
    return [strict(line) for line in trackway("calls", *args, still=still).splitlines()]


def one(stage, name, *args):
    found = [c for c in calls(*args) if c["stage"] == stage and c["entrypoint_name"] == name]
    assert len(found) == 1, found
    return found[0]


def keys(call):
    return [k for k in call if k not in OURS]


def the_request_has_the_keys_of_the_source_in_their_order():
    request = one("request", "hello")
    assert keys(request) == REQUEST_KEYS, keys(request)
    assert request["service"] == "traced" and request["entrypoint_type"] == "Rpc"
    assert request["hostname"] == os.uname().nodename
    assert request["call_args"] == {"name": NAMEKO} and request["call_args_redacted"] is False
    assert request["context_data"] == {"language": "ja", "auth_token": "********"}
    prefix, _, last = request["call_id"].rpartition(".")
    assert prefix == "traced.hello" and uuid.UUID(last).version == 4 and str(uuid.UUID(last)) == last
    assert request["call_id_stack"] == ["standalone_rpc_proxy.call.14caabf9-892f-4ab2-b04b-e0fb90167fe5", request["call_id"]]
    assert request["origin_call_id"] == request["call_id_stack"][0]
    inner = one("request", "tick")
    assert inner["call_id_stack"] == request["call_id_stack"] + [inner["call_id"]]
    assert inner["origin_call_id"] == request["origin_call_id"] and inner["trace_id"] == request["trace_id"]
    assert one("request", "login")["origin_call_id"] is None


def times_read_as_python_writes_them():
    now = datetime.datetime.utcnow()
    for call in calls(still=False):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?", call["timestamp"])
        at = datetime.datetime.fromisoformat(call["timestamp"])
        assert abs((now - at).total_seconds()) < 3600 and str(at) == call["timestamp"]
    for call in calls("--iso", still=False):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", call["timestamp"])


def a_response_repeats_its_request_and_adds_what_came_of_it():
    request, response = one("request", "hello"), one("response", "hello")
    assert keys(response) == REQUEST_KEYS + ["response_status", "response", "response_time"], keys(response)
    assert response["response_status"] == "success" and response["response"] == f"Hello, {NAMEKO}!"
    assert isinstance(response["response_time"], float) and 0 <= response["response_time"] < 60
    for key in REQUEST_KEYS:
        assert key in ("timestamp", "stage") or request[key] == response[key], key
    assert one("response", "tick")["response"] is None


def an_error_has_the_six_keys_of_its_exception_and_no_response():
    response = one("response", "login")
    assert keys(response) == REQUEST_KEYS + ["response_status", "exception_type", "exception_path", "exception_args", "exception_value",
                                             "exception_traceback", "exception_expected", "response_time"], keys(response)
    assert response["response_status"] == "error" and response["exception_expected"] is True
    assert response["exception_type"] == "BadPassword" and response["exception_path"] == "traced.errors.BadPassword"


def nothing_sensitive_is_shown_anywhere():
    response = one("response", "login")
    assert response["call_args"] == {"user": "ann", "password": "********", "card": {"items": [{"number": "********", "n": 2}]}}
    assert response["call_args_redacted"] is True and response["redacted_count"] == 5
    assert response["exception_args"] == ["ann", "********"] and response["exception_value"] == "******** is wrong"
    assert response["exception_traceback"] == 'Traceback:\n  check("********")'
    text = trackway("calls") + trackway("dump") + trackway("traces", "--json")
    for name in os.listdir(folder):
        text += open(os.path.join(folder, name), "rb").read().decode("latin-1")
    for secret in ("s3cret-word", "s3cret-token", "s3cret-header", "s3cret-body", "4111-1111"):
        assert secret not in text, secret


def an_http_request_is_the_argument_request():
    request, response = one("request", "page"), one("response", "page")
    assert request["call_args"] == {"request": {
        "url": "http://localhost/page?x=1", "method": "POST", "data": {"user": "ann", "password": "********"},
        "headers": {"authorization": "********", "content_type": "application/json"},
        "env": {"remote_addr": "127.0.0.1", "server_name": "localhost", "server_port": 8000}}, "id": 7}
    assert response["response"] == {"content_type": "text/plain", "data": "ok\\xff", "status_code": 200, "content_length": 3}
    assert request["entrypoint_type"] == "HttpRequestHandler"


def odd_values_are_strict_json():
    args = one("request", "strange")["call_args"]
    assert args == {"nan": None, "big": 2**64 - 1, "text": 'line\nfeed "quoted" \x01 \ufffd', "t": True}, args


def a_long_response_of_a_query_is_cut_with_its_flags():
    response = one("response", "get_all")
    whole = str(["x" * 300, 1.5])
    assert response["response"] == whole[:100] and response["response_truncated"] is True
    assert response["response_length"] == len(whole)
    assert keys(response)[-3:] == ["response_time", "response_truncated", "response_length"]
    assert "response_truncated" not in one("response", "hello")


def the_legacy_names_are_those_of_the_documentation():
    sample = {"call_args_redacted", "context_data", "entrypoint", "call_id", "provider", "timestamp", "service", "call_stack", "call_args",
              "lifecycle_stage", "provider_name"}
    records = calls("--legacy", "--name", "traced.hello")
    assert [set(keys(r)) for r in records] == [sample, sample | {"return_args", "response_time", "status"}], records
    request, response = records
    assert request["entrypoint"] == "traced.hello" and request["provider_name"] == "hello" and request["provider"] == "Rpc"
    assert request["lifecycle_stage"] == "request" and response["lifecycle_stage"] == "response"
    assert response["return_args"] == f"Hello, {NAMEKO}!" and response["status"] == "success"


def pretty_is_what_python_makes_of_the_line():
    lines = [strict(line) for line in trackway("calls").splitlines()]
    pretty = trackway("calls", "--format", "pretty")
    assert pretty == "".join(json.dumps(line, indent=4, sort_keys=True, ensure_ascii=False).replace("\x7f", "\\u007f") + "\n" for line in lines)


def elastic_documents_hold_json_in_texts():
    plain, documents = calls(), calls("--format", "elastic")
    assert len(plain) == len(documents)
    for a, b in zip(plain, documents):
        assert list(a) == list(b)
        for key, value in a.items():
            if key in ("context_data", "call_args", "response", "exception_args"):
                assert isinstance(b[key], str) and strict(b[key]) == value, (key, b[key])
            else:
                assert b[key] == value
    assert calls("--format", "elastic") == documents  # and again


def filters_choose():
    assert {c["entrypoint_name"] for c in calls("--name", "traced.[hl]*")} == {"hello", "login"}
    assert [c["entrypoint_name"] for c in calls("--status", "error")] == ["login", "strange"]
    assert [c["entrypoint_name"] for c in calls("--level", "WARNING")] == ["login", "strange"]  # expected ones too
    assert len(calls("--level", "INFO")) == len(calls()) - 2
    assert len(calls("--limit", "3")) == 3 and calls("--limit", "3") == calls()[-3:]
    trace = one("request", "hello")["trace_id"]
    assert {c["entrypoint_name"] for c in calls("--trace", trace)} == {"hello", "tick"}
    assert calls("--min-duration", "1h") == []


def the_other_commands_show_them_too():
    trace = one("request", "login")["trace_id"]
    text = trackway("show", trace)
    assert 'request traced.login {"user":"ann","password":"********"' in text, text
    assert "response error BadPassword: ******** is wrong" in text, text
    lines = [strict(line) for line in trackway("dump", "--trace", trace).splitlines()]
    assert [line["kind"] for line in lines if line["kind"] in ("request", "response", "span")] == ["span", "request", "response"]
    assert [line["call"]["stage"] for line in lines if "call" in line] == ["request", "response"]


def an_expected_error_does_not_fail_the_span():
    status = {row["name"]: row["status"] for row in (strict(l) for l in trackway("dump").splitlines()) if row["kind"] == "span"}
    assert status["traced.login"] == "unset" and status["traced.strange"] == "error", status


class JSONFormatter(logging.Formatter):
    """As nameko_tracer.formatters.JSONFormatter: the attribute of the record as one line."""

    def format(self, record):
        return json.dumps(record.nameko_trace, default=str)


def logging_takes_our_lines():
    """The configuration of the source document, with our lines in the place of the service."""
    sample, asjson = io.StringIO(), io.StringIO()
    logging.config.dictConfig({
        "version": 1,
        "formatters": {"plain": {"format": "%(levelname)s %(name)s %(message)s"}, "tracer": {"format": "[%(name)-12s] %(nameko_trace)s"},
                       "json": {"()": JSONFormatter}},
        "handlers": {"plain": {"class": "logging.StreamHandler", "formatter": "plain", "stream": sample},
                     "tracer": {"class": "logging.StreamHandler", "formatter": "tracer", "stream": io.StringIO()},
                     "json": {"class": "logging.StreamHandler", "formatter": "json", "stream": asjson}},
        "loggers": {"nameko_tracer": {"level": "INFO", "handlers": ["plain", "tracer", "json"], "propagate": False}}})
    logger, lines = logging.getLogger("nameko_tracer"), trackway("calls").splitlines()
    for line in lines:
        trace = strict(line)
        error = trace["stage"] == "response" and trace["response_status"] == "error"
        text = "[%s] entrypoint call trace" if trace["stage"] == "request" else "[%s] entrypoint result trace"
        logger.log(logging.WARNING if error else logging.INFO, text, trace["call_id"], extra={"nameko_trace": trace})
    plain = trackway("calls", "--format", "plain").splitlines()
    assert [l.split(" nameko_tracer ", 1)[1] for l in sample.getvalue().splitlines()] == plain
    warned = [l for l in sample.getvalue().splitlines() if l.startswith("WARNING")]
    assert [w.split(" nameko_tracer ", 1)[1] for w in warned] == trackway("calls", "--level", "WARNING", "--format", "plain").splitlines()
    assert [json.loads(l) for l in asjson.getvalue().splitlines()] == [strict(l) for l in lines]


def the_exporter_to_a_file_has_them():
    path = os.path.join(folder, "exported.jsonl")
    own = tempfile.mkdtemp(dir=folder)
    subprocess.run([CALLS, "exit"], env={**environment(TRACKWAY_EXPORTER="file", TRACKWAY_FILE=path), "TRACKWAY_DIR": own}, check=True, timeout=60)
    lines = [strict(line) for line in open(path, encoding="utf-8")]
    shutil.rmtree(own)
    os.remove(path)
    found = [line["call"] for line in lines if line["kind"] in ("request", "response")]
    assert len(found) == len(calls()), len(found)
    assert keys(found[0]) == REQUEST_KEYS
    assert "s3cret" not in json.dumps(lines)


def a_trace_or_a_call_that_is_not_there_is_told():
    for args, code in ((("calls", "--trace", "1" * 32), 1), (("calls", "--trace", "1-11111111-" + "1" * 24), 1),
                       (("calls", "--trace", "no trace"), 2), (("calls", "--follow", "--trace", "1234abcd", "--for", "100s"), 2)):
        done = subprocess.run([TRACKWAY, *args], capture_output=True, env=environment(), timeout=60)
        assert done.returncode == code and done.stdout == b"" and b"trace" in done.stderr, (args, done)
    done = subprocess.run([TRACKWAY, "calls", "--name", "no.such"], capture_output=True, env=environment(), timeout=60)
    assert done.returncode == 0 and done.stdout == b"" and done.stderr == b"trackway: no call matches\n", done


def following_prints_them_as_they_come():
    own = tempfile.mkdtemp(dir=folder)
    env = {**environment(), "TRACKWAY_DIR": own}
    with subprocess.Popen([CALLS, "follow"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout.readline() == "ready\n"
        follow = [TRACKWAY, "calls", "--follow", "--for", "100s"]
        with subprocess.Popen(follow, env=env, stdout=subprocess.PIPE, text=True) as follower, \
                subprocess.Popen([*follow, "--trace", "1" * 32], env=env, stdout=subprocess.PIPE, text=True) as of_another_trace:
            for one_of in (follower, of_another_trace):
                while ".segment" not in open(f"/proc/{one_of.pid}/maps", encoding="utf-8").read():
                    assert one_of.poll() is None
                    time.sleep(0.01)
            time.sleep(0.5)  # from finding the process to having read what it had said so far
            service.stdin.write("go\n")
            service.stdin.flush()
            first = strict(follower.stdout.readline())
            assert first["stage"] == "request" and first["entrypoint_name"] == "hello"
            time.sleep(0.5)
            follower.send_signal(signal.SIGINT)
            follower.stdout.read()
            of_another_trace.send_signal(signal.SIGINT)
            assert of_another_trace.stdout.read() == ""
        assert follower.returncode == 0 and of_another_trace.returncode == 0
        service.kill()
    shutil.rmtree(own)


def main():
    global folder
    if not os.path.exists(TRACKWAY) or not os.path.exists(CALLS):
        print("test_calls: skipped: nothing is built")
        return 77
    failed = 0
    base = os.environ.get("TRACKWAY_DIR")
    folder = tempfile.mkdtemp(prefix="trackway-calls-", dir=os.path.dirname(base) if base else "/dev/shm")
    service = subprocess.Popen([CALLS], stdout=subprocess.PIPE, env=environment(), text=True)
    try:
        assert service.stdout.readline() == "ready\n"
        tests = [f for n, f in list(globals().items()) if callable(f) and getattr(f, "__module__", "") == "__main__" and "_" in n
                 and n not in ("main",)]
        for test in tests:
            try:
                test()
                print(f"ok   {test.__name__}")
            except Exception as problem:  # pylint: disable=broad-except
                failed += 1
                line = problem.__traceback__.tb_next.tb_lineno
                print(f"FAIL {test.__name__}:{line}: {type(problem).__name__}: {problem}")
    finally:
        service.kill()
        service.wait()
        shutil.rmtree(folder)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
