#!/usr/bin/python3
"""xray_peer: a program traced by the AWS X-Ray SDK for Python (Debian's python3-aws-xray-sdk).

    xray_peer.py server [BACK] | client URL     as peer.js says; environment as for xray_peer.js
"""
import http.server
import os
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models import http as fields
from aws_xray_sdk.ext.util import calculate_sampling_decision, construct_xray_header, inject_trace_header

NAME, SAMPLED = os.environ["AWS_XRAY_TRACING_NAME"], int(os.environ.get("PEER_SAMPLED") != "0")
xray_recorder.configure(service=NAME, sampling=False, context_missing="RUNTIME_ERROR", daemon_address=os.environ["AWS_XRAY_DAEMON_ADDRESS"])


def get(url):
    """What the SDK's patch of an http client does: a remote subsegment around the request, the header with its id."""
    subsegment = xray_recorder.begin_subsegment(urllib.parse.urlparse(url).hostname, namespace="remote")
    headers = {}
    inject_trace_header(headers, subsegment)
    subsegment.put_http_meta(fields.METHOD, "GET")
    subsegment.put_http_meta(fields.URL, url)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    subsegment.put_http_meta(fields.STATUS, status)
    xray_recorder.end_subsegment()
    return status, body


class Server(http.server.BaseHTTPRequestHandler):
    back = None

    def do_GET(self):
        """What the SDK's middleware for Flask does."""
        header = construct_xray_header(self.headers)
        sampled = calculate_sampling_decision(header, xray_recorder, self.headers["Host"], self.command, self.path)
        segment = xray_recorder.begin_segment(NAME, traceid=header.root, parent_id=header.parent, sampling=sampled)
        segment.put_http_meta(fields.METHOD, "GET")
        segment.put_http_meta(fields.URL, f"http://{self.headers['Host']}{self.path}")
        if self.path.startswith("/call/"):
            status, body = get(f"{self.back}/{self.path.removeprefix('/call/')}")
        else:
            status, body = 200, "".join(f"{name.lower()}: {value}\n" for name, value in self.headers.items()).encode()
        segment.put_http_meta(fields.STATUS, status)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        xray_recorder.end_segment()
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    if sys.argv[1] == "client":
        xray_recorder.begin_segment(NAME, sampling=SAMPLED)
        _, body = get(sys.argv[2])
        xray_recorder.end_segment()
        sys.stdout.buffer.write(body)
        return
    Server.back = sys.argv[2] if len(sys.argv) > 2 else None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


main()
