"""What the scripts of this folder share: real servers on loopback, and what they recorded.

Everything started here is stopped by its process id when the script ends, however it ends.
"""
import atexit
import http.client
import http.server
import json
import os
import signal
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build"))
TRACKWAY, WEB, FETCH = os.path.join(BUILD, "trackway"), os.path.join(BUILD, "tests/integrations/web"), os.path.join(BUILD, "tests/integrations/fetch")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SANITIZED = os.path.exists(TRACKWAY) and b"__asan_init" in open(TRACKWAY, "rb").read()
folder, segments = "", ""
processes = []


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def set_up():
    """A folder for files and one for segments; both gone at the end."""
    global folder, segments
    if not os.path.exists(TRACKWAY) or not os.path.exists(WEB):
        skip("not built; libcurl or libmicrohttpd is missing")
    folder = tempfile.mkdtemp(prefix="trackway-web-")
    segments = os.path.join(tempfile.mkdtemp(prefix="trackway-web-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None), "s")
    atexit.register(tear_down)


def tear_down():
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(os.path.dirname(segments), ignore_errors=True)


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TRACKWAY", "OTEL_", "TRACEPARENT")) and not k.lower().endswith("_proxy")}
    return dict(env, TRACKWAY_DIR=segments, **more)


def start(*command, **env):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(**env), text=True)
    processes.append(process)
    return process


def web(mode, *back, service="web", **env):
    """Starts a `web`; returns its process and URL."""
    process = start(WEB, mode, *back, TRACKWAY_SERVICE=service, **env)
    return process, f"http://127.0.0.1:{int(process.stdout.readline())}"


def stop(process):
    process.stdin.close()
    assert process.wait(60) == 0, f"exit code {process.returncode}"


def await_true(what, seconds=60):
    """Returns the first true answer; what was asked for may take a moment to be recorded."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, "gave up waiting"
        time.sleep(0.02)


def records():
    done = subprocess.run([TRACKWAY, "dump", "--json"], capture_output=True, env=environment(), timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]


def spans(**members):
    """Finished spans with these members; tag("key") is spelt tag_key with dots as double underscores."""
    found = []
    for record in records():
        if record.get("kind") != "span":
            continue
        record.setdefault("tags", {})
        if all(record["tags"].get(k[4:].replace("__", ".")) == v if k.startswith("tag_") else record.get(k) == v for k, v in members.items()):
            found.append(record)
    return found


def span(**members):
    """The only span like that, once it is there."""
    await_true(lambda: spans(**members))
    found = spans(**members)
    assert len(found) == 1, f"{len(found)} spans with {members}: {found}"
    return found[0]


def get(url, method="GET", headers=(), body=None):
    """One request on a connection of its own; headers is a list of pairs, a name may come twice. Returns status, body, headers."""
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.putrequest(method, "/" + path, skip_host="host" in [name.lower() for name, _ in headers], skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode("latin-1")
    connection.close()
    return answer.status, text, answer.headers


class Mirror(http.server.BaseHTTPRequestHandler):
    """Answers with the headers it got, as JSON: a list of pairs, names in lower case, nothing joined."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps([[name.lower(), value] for name, value in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def mirror():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


kept = []


def dead_port():
    """One at which nobody listens, nor will while this runs: it is taken, without being listened at."""
    kept.append(socket.socket())
    kept[-1].bind(("127.0.0.1", 0))
    return kept[-1].getsockname()[1]


def run_tests(namespace):
    """Runs the functions of a script in their order: each name is a promise. Exits with 1 when one was not kept."""
    import traceback
    failed = 0
    for name, test in list(namespace.items()):
        if not name.startswith("test_") or not callable(test):
            continue
        try:
            test()
            print(f"ok      {name[5:]}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {name[5:]}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)
