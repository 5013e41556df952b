#!/usr/bin/python3
"""bench_nginx.py [--json] [--rounds N] [--seconds S]: requests a second of Debian's nginx with the module, as a ratio to without.

Two nginx of one worker each, alike but for the module, are asked by wrk in turn, off-on, on-off, and so on; the ratio is the
median over the pairs, so that what else runs on the machine hits both. Beside it the same for the processor time the worker
spent on a request, from the kernel's own count: it tells the module's cost apart from the noise of the rest.

    file     a page of 612 bytes from a file: the least nginx can do, so where the module weighs most
    proxy    the same through proxy_pass, where the context is handed on

    requests, cpu         medians, the ratio of pairs        most, least_cpu    of each the best round: what noise has touched least

The limit is that of the issue: with the module at most 3 % fewer requests a second. Exit code 1 when it is exceeded; 77 when
nginx, nginx-dev or wrk is missing. Not run in CI: a shared machine's word on 3 % is worth nothing.
"""
import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build"))
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
LIMIT = 0.97
CONFIG = """
{load}
env TRACKWAY_DIR; daemon off; worker_processes 1; {user} pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    access_log off; keepalive_requests 1000000; open_file_cache max=10; {on}
    upstream behind {{ server 127.0.0.1:{upstream}; keepalive 32; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port}; root {folder};
        location /file {{ }}
        location /proxy {{ proxy_pass http://behind/file; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    def __init__(self, base, name, module, upstream):
        self.folder, self.port = os.path.join(base, name), free_port()
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, "file"), "w", encoding="ascii") as page:
            page.write("x" * 612)
        config = os.path.join(self.folder, "conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(load=f"load_module {module};" if module else "", on="trackway on;" if module else "", folder=self.folder, port=self.port,
                                     upstream=upstream or self.port, user="user root;" if os.getuid() == 0 else ""))
        self.process = subprocess.Popen([NGINX, "-p", self.folder, "-c", config], env=dict(os.environ, TRACKWAY_DIR=os.path.join(base, "segments")))
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.02)
        else:
            sys.exit("bench_nginx: nginx does not start")
        children = ""
        while not children:  # the master listens before it has one
            time.sleep(0.02)
            children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii").read()
        self.worker = int(children.split()[0])
        if len(os.sched_getaffinity(0)) > 1:
            os.sched_setaffinity(self.worker, {min(os.sched_getaffinity(0))})

    def cpu_ns(self):
        return int(open(f"/proc/{self.worker}/schedstat", encoding="ascii").read().split()[0])

    def measure(self, path, seconds):
        """Requests a second, and nanoseconds of the worker a request."""
        others = sorted(os.sched_getaffinity(0))[1:]
        pin = ["taskset", "-c", ",".join(map(str, others))] if others and shutil.which("taskset") else []
        requests = 0
        while requests == 0:  # on a machine that had no time for it
            before = self.cpu_ns()
            text = subprocess.run([*pin, "wrk", "-t", "1", "-c", "16", "-d", str(seconds), f"http://127.0.0.1:{self.port}/{path}"],
                                  capture_output=True, text=True, check=True).stdout
            spent = self.cpu_ns() - before
            assert "Non-2xx" not in text and "Socket errors" not in text, text
            requests = int(re.search(r"(\d+) requests in", text)[1])
        return float(re.search(r"Requests/sec: *([\d.]+)", text)[1]), spent / requests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line: name, value, unit, baseline, ratio, limit, pass")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=1, help="of each measurement")
    arguments = parser.parse_args()
    if not os.access(NGINX, os.X_OK) or not shutil.which("wrk"):
        print("bench_nginx: nginx or wrk is not installed", file=sys.stderr)
        return 77
    built = subprocess.run([os.path.join(ROOT, "integrations/nginx/build.sh"), BUILD], stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        return built.returncode
    base, servers, passed = tempfile.mkdtemp(prefix="bench-nginx-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None), [], True
    try:
        behind = Nginx(base, "behind", None, None)
        servers.append(behind)
        for name, module in (("off", None), ("on", built.stdout.strip())):
            servers.append(Nginx(base, name, module, behind.port))
        off, on = servers[1:]
        for path in ("file", "proxy"):
            for server in (off, on):  # warm
                server.measure(path, 1)
            pairs = []
            for n in range(arguments.rounds):
                order = (off, on) if n % 2 == 0 else (on, off)
                got = {server: server.measure(path, arguments.seconds) for server in order}
                pairs.append((got[off], got[on]))
            for what, unit, at, limit, best in (("requests", "1/s", 0, LIMIT, None), ("most", "1/s", 0, None, max), ("cpu", "ns", 1, None, None),
                                                ("least_cpu", "ns", 1, None, min)):
                baseline, value = ((best or statistics.median)(pair[side][at] for pair in pairs) for side in (0, 1))
                ratio = value / baseline if best else statistics.median(pair[1][at] / pair[0][at] for pair in pairs)
                good = limit is None or ratio >= limit
                passed = passed and good
                row = {"name": f"nginx.{path}.{what}", "value": round(value, 1), "unit": unit, "baseline": round(baseline, 1), "ratio": round(ratio, 4)}
                if limit is not None:
                    row.update({"limit": limit, "pass": good})
                if arguments.json:
                    print(json.dumps(row, separators=(",", ":")), flush=True)
                else:
                    print(f"{row['name']:24}{value:12.0f} {unit:4} off {baseline:10.0f}  ratio {ratio:.3f}" +
                          (f"  at least {limit}  {'ok' if good else 'TOO FEW'}" if limit else ""), flush=True)
    finally:
        for server in servers:
            server.process.terminate()
        for server in servers:
            server.process.wait()
        shutil.rmtree(base, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
