"""What the tests of exporters share: running the program beside them, and receiving datagrams."""
import json
import os
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.environ.get("TRACKWAY_BUILD") or os.path.join(HERE, "../../build")
PROGRAM = os.path.join(BUILD, "tests", "prog_export")


def run(*words, **variables):
    """Runs prog_export. Returns the exporters' counters, and what it said on stderr."""
    # ASan's allocator keeps a lock that another thread held over a fork: a child may hang in it, which is no fault of ours
    patient = "fork" in words and "asan" in BUILD
    for last in ([False] * 4 if patient else []) + [True]:
        done = subprocess.run([PROGRAM, *words], env=dict(os.environ, **variables), capture_output=True, text=True, timeout=60, check=last)
        if done.returncode == 0:
            break
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr


def receiver(family=socket.AF_INET, host="127.0.0.1"):
    door = socket.socket(family, socket.SOCK_DGRAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    door.bind((host, 0))
    door.settimeout(0.3)
    return door, door.getsockname()[1]


def datagrams(door):
    found = []
    try:
        while True:
            found.append(door.recv(65535))
    except socket.timeout:
        return found


class Program:
    """prog_export in its mode rate: works when it is told to."""

    def __init__(self, spans, **variables):
        self.process = subprocess.Popen([PROGRAM, str(spans), "rate"], env=dict(os.environ, **variables), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def go_on(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()

    def end(self):
        """Returns the counters, and what it said on stderr."""
        out, told = self.process.communicate("", timeout=60)
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")], told


def trackway(*words, code=0):
    """What the command prints."""
    done = subprocess.run([os.path.join(BUILD, "trackway"), *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, (words, done)
    return done.stdout


def run_all(tests):
    """Runs the functions, each with a folder of its own; returns the exit code."""
    failed = 0
    for test in tests:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
            try:
                test(folder)
                print("passed ", test.__name__, flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f"FAILED  {test.__name__}: {type(error).__name__}: {error}", file=sys.stdout, flush=True)
    return 1 if failed else 0
