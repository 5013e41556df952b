#!/usr/bin/python3
"""fake_xray_daemon MODE: the TCP port of an X-Ray daemon, with the shapes of reference 3.7. Prints its port, then a line for
each request: what was wrong with it, or "ok PATH BODY". Ends with its standard input.

plain     two pages of rules, targets with quota      chunked   the same, chunked, in small pieces
slow      one byte every 20 ms                        silent    takes the request and says nothing
cut       closes in the middle of the answer          garbage   no HTTP
error     500                                         huge      an answer without end
"""
import json
import re
import socket
import sys
import threading
import time

MODE = sys.argv[1]
STATISTICS = {"RuleName": str, "ClientID": str, "RequestCount": int, "BorrowCount": int, "SampledCount": int, "Timestamp": int}


def record(name, priority, **more):
    rule = {"RuleName": name, "RuleARN": f"arn:aws:xray:us-east-1:123456789012:sampling-rule/{name}", "ResourceARN": "*", "Priority": priority,
            "FixedRate": 0.0, "ReservoirSize": 50, "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*",
            "Version": 1, "Attributes": {}}
    return {"SamplingRule": dict(rule, **more), "CreatedAt": 0.0, "ModifiedAt": 1.7e9}


def rules(body):
    assert set(body) <= {"NextToken"}, body
    if not body.get("NextToken"):
        return {"SamplingRuleRecords": [record("Default", 10000, ReservoirSize=1, FixedRate=0.05)], "NextToken": "page \"2\""}
    assert body["NextToken"] == "page \"2\"", body
    return {"SamplingRuleRecords": [record("cart", 10, URLPath="/cart*"), record("other", 20, Version=2)], "NextToken": None}


def targets(body):
    assert set(body) == {"SamplingStatisticsDocuments"}, body
    documents = body["SamplingStatisticsDocuments"]
    assert 1 <= len(documents) <= 25
    for document in documents:
        assert {key: type(value) for key, value in document.items()} == STATISTICS, document
        assert re.fullmatch("[0-9a-f]{24}", document["ClientID"]), document
        assert document["BorrowCount"] + document["SampledCount"] <= document["RequestCount"], document
    return {"SamplingTargetDocuments": [{"RuleName": d["RuleName"], "FixedRate": 0.0, "ReservoirQuota": 7,
                                         "ReservoirQuotaTTL": float(d["Timestamp"] + 60), "Interval": 10} for d in documents],
            "LastRuleModification": 1.7e9, "UnprocessedStatistics": []}


def request(connection):
    """Reads one HTTP request strictly; returns path and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(4096)
    head, rest = data.split(b"\r\n\r\n", 1)
    lines = head.decode("ascii").split("\r\n")
    method, path, version = lines[0].split(" ")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
    assert method == "POST" and version == "HTTP/1.1", lines[0]
    host, port = connection.getsockname()
    assert headers["host"] in (f"{host}:{port}", f"localhost:{port}"), headers
    assert headers["content-type"] == "application/json", headers
    length = int(headers["content-length"])
    while len(rest) < length:
        rest += connection.recv(4096)
    assert len(rest) == length
    return path, json.loads(rest), rest.decode()


def answer(connection, text):
    body = text.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sat, 21 Nov 2026 05:00:00 GMT\r\n"
    plain = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if MODE == "plain":
        connection.sendall(plain)
    elif MODE == "chunked":
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        for i in range(0, len(body), 100):
            connection.sendall(b"%x\r\n" % len(body[i:i + 100]) + body[i:i + 100] + b"\r\n")
            time.sleep(0.005)
        connection.sendall(b"0\r\n\r\n")
    elif MODE == "slow":
        for i in range(len(plain)):
            connection.sendall(plain[i:i + 1])
            time.sleep(0.02)
    elif MODE == "silent":
        time.sleep(60)
    elif MODE == "cut":
        connection.sendall(plain[:-5])
    elif MODE == "garbage":
        connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n")
    elif MODE == "error":
        connection.sendall(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops")
    elif MODE == "huge":
        connection.sendall(head + b"\r\n")
        while True:
            connection.sendall(b" " * 65536)


def serve(connection):
    try:
        path, body, text = request(connection)
        reply = {"/GetSamplingRules": rules, "/SamplingTargets": targets}[path](body)
        print("ok", path, text, flush=True)
        answer(connection, json.dumps(reply))
    except (BrokenPipeError, ConnectionResetError):
        pass
    except Exception as error:  # the test reads it
        print("wrong:", repr(error), flush=True)
    connection.close()


def main():
    door = socket.create_server(("127.0.0.1", 0))
    print(door.getsockname()[1], flush=True)
    threading.Thread(target=lambda: [threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start() for _ in iter(int, 1)],
                     daemon=True).start()
    sys.stdin.read()


main()
