#!/usr/bin/python3
"""bench_nginx.py [--json] [--seconds S]: requests a second of Debian's nginx with the module on, as a ratio to without.

One worker serves two ports, alike but for `trackway on`. Each has a wrk of its own that runs all the time and is stopped while it is
the other's turn; turns are 20 ms long, off-on, on-off, and so on. So both are served by the same process, with its memory where
it is, and what else the machine does hits both. A ratio is the median over all pairs of turns; +- is the standard error of that.
(Two processes, each the same but for its addresses, differ by up to 4 % on one and the same machine; turns of a second by more.)

    file     a page of 612 bytes from a file: the least nginx can do, so where the module weighs most
    proxy    the same through proxy_pass, where the context is handed on; the nginx behind it shares the worker's processor

    requests    by nginx's own count            cpu    processor time of the worker for one, by the kernel's
    loaded      two processes, one without the module: what it costs where it is loaded and off; no limit, and see above

The limit: with the module at most 3 % fewer requests a second, so far as the error lets one say. wrk asks as curl
does, with User-Agent and Accept: a request without them fills nginx's blocks of memory to the last hundred bytes, and any
header more takes a block more, which says nothing about others.

Exit code 1 when a limit is missed; 77 when nginx, nginx-dev or wrk is missing. Not run in CI: a shared machine's word on 3 % is worth nothing.
"""
import argparse
import json
import os
import re
import shutil
import signal
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
SLOT, SETTLE = 0.02, 0.004
CONFIG = """
{load}
env TRACKWAY_DIR; daemon off; worker_processes 1; {user} pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    access_log off; keepalive_requests 100000000; open_file_cache max=10;
    upstream behind {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
    server {{ listen 127.0.0.1:{count}; location / {{ stub_status; }} }}
    {servers}
}}
"""
SERVER = """
    server {{
        listen 127.0.0.1:{port}; root {folder}; {directives}
        location /file {{ }}
        location /proxy {{ proxy_pass http://behind/file; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    """A master and a worker. directives: what each of its ports has of its own."""

    def __init__(self, base, name, module, upstream, directives):
        self.folder, self.ports, count = os.path.join(base, name), [free_port() for _ in directives], free_port()
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, "file"), "w", encoding="ascii") as page:
            page.write("x" * 612)
        servers = "".join(SERVER.format(port=port, folder=self.folder, directives=text) for port, text in zip(self.ports, directives))
        config = os.path.join(self.folder, "conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(load=f"load_module {module};" if module else "", folder=self.folder, count=count, servers=servers,
                                     upstream=upstream or self.ports[0], user="user root;" if os.getuid() == 0 else ""))
        self.process = subprocess.Popen([NGINX, "-p", self.folder, "-c", config], env=dict(os.environ, TRACKWAY_DIR=os.path.join(base, "segments")))
        for _ in range(200):
            try:
                self.counting = socket.create_connection(("127.0.0.1", count))
                break
            except OSError:
                time.sleep(0.02)
        else:
            sys.exit("bench_nginx: nginx does not start")
        self.requests()
        children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii").read()
        self.worker = int(children.split()[0])
        if len(os.sched_getaffinity(0)) > 1:
            os.sched_setaffinity(self.worker, {min(os.sched_getaffinity(0))})

    def requests(self):
        self.counting.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        text, found = "", None
        while not found:
            text += self.counting.recv(4096).decode()
            found = re.search(r"requests\s+\d+ \d+ (\d+).*Waiting", text, re.S)
        return int(found[1])

    def cpu_ns(self):
        return int(open(f"/proc/{self.worker}/schedstat", encoding="ascii").read().split()[0])

    def end(self):
        self.process.terminate()
        self.process.wait()


class Contender:
    """One port, and the wrk that asks it when it is its turn."""

    def __init__(self, nginx, port, path):
        others = sorted(os.sched_getaffinity(0))[1:]
        pin = ["taskset", "-c", ",".join(map(str, others))] if others and shutil.which("taskset") else []
        self.nginx, self.turns = nginx, []
        self.wrk = subprocess.Popen([*pin, "wrk", "-t", "1", "-c", "16", "-d", "100000", "--timeout", "300", "-H", "User-Agent: curl/7.88.1",
                                     "-H", "Accept: */*", f"http://127.0.0.1:{port}/{path}"], stdout=subprocess.DEVNULL)

    def turn(self):
        self.wrk.send_signal(signal.SIGCONT)
        time.sleep(SETTLE)
        began, requests, cpu = time.perf_counter(), self.nginx.requests(), self.nginx.cpu_ns()
        time.sleep(SLOT)
        requests, cpu, took = self.nginx.requests() - requests, self.nginx.cpu_ns() - cpu, time.perf_counter() - began
        self.wrk.send_signal(signal.SIGSTOP)
        time.sleep(SETTLE / 2)
        self.turns.append((requests / took, cpu / max(requests, 1)))

    def end(self):
        self.wrk.kill()
        self.wrk.wait()


def in_turn(pair, path, seconds):
    """(nginx, port) twice. Per pair of turns (requests, cpu) of either."""
    contenders = [Contender(nginx, port, path) for nginx, port in pair]
    try:
        time.sleep(0.5)  # warm
        for contender in contenders:
            contender.wrk.send_signal(signal.SIGSTOP)
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end or n < 8:
            for contender in contenders if n % 2 == 0 else reversed(contenders):
                contender.turn()
            n += 1
        return list(zip(*(contender.turns for contender in contenders)))
    finally:
        for contender in contenders:
            contender.end()


def rows_of(name, pairs, at, unit, limit):
    ratios = [on[at] / off[at] for off, on in pairs if off[at]]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    row = {"name": name, "value": round(statistics.median(on[at] for _, on in pairs), 1), "unit": unit,
           "baseline": round(statistics.median(off[at] for off, _ in pairs), 1), "ratio": round(ratio, 4),
           "error": round((high - low) / 1.349 * 1.253 / len(ratios) ** 0.5, 4)}
    if limit is not None:
        row.update({"limit": limit, "pass": ratio + row["error"] >= limit})
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line: name, value, unit, baseline, ratio, limit, pass")
    parser.add_argument("--seconds", type=float, default=20, help="of each of the three comparisons")
    arguments = parser.parse_args()
    if not os.access(NGINX, os.X_OK) or not shutil.which("wrk"):
        print("bench_nginx: nginx or wrk is not installed", file=sys.stderr)
        return 77
    built = subprocess.run([os.path.join(ROOT, "integrations/nginx/build.sh"), BUILD], stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        return built.returncode
    module = built.stdout.strip()
    base, servers, passed = tempfile.mkdtemp(prefix="bench-nginx-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None), [], True
    try:
        servers.append(Nginx(base, "behind", None, None, [""]))
        behind = servers[0].ports[0]
        servers.append(Nginx(base, "both", module, behind, ["", "trackway on;"]))
        servers.append(Nginx(base, "without", None, behind, [""]))
        both, without = servers[1:]
        off, on, none = (both, both.ports[0]), (both, both.ports[1]), (without, without.ports[0])
        for name, path, pair, limit in (("file", "file", (off, on), LIMIT), ("proxy", "proxy", (off, on), LIMIT), ("loaded", "file", (none, off), None)):
            pairs = in_turn(pair, path, arguments.seconds)
            for row in (rows_of(f"nginx.{name}.requests", pairs, 0, "1/s", limit), rows_of(f"nginx.{name}.cpu", pairs, 1, "ns", None)):
                passed = passed and row.get("pass", True)
                if arguments.json:
                    print(json.dumps(row, separators=(",", ":")), flush=True)
                else:
                    print(f"{row['name']:24}{row['value']:12.0f} {row['unit']:4} off {row['baseline']:10.0f}  ratio {row['ratio']:.3f} +- {row['error']:.3f}" +
                          (f"  at least {limit}  {'ok' if row['pass'] else 'TOO FEW'}" if "pass" in row else ""), flush=True)
    finally:
        for server in servers:
            server.end()
        shutil.rmtree(base, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
