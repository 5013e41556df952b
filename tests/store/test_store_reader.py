#!/usr/bin/python3
"""A store, read by tools/read_store.py, which knows docs/format/store.md and none of our code: the same spans, bit by bit.

Needs $TRACKWAY_BUILD (default build/) with tests/store.test_format. Exit code 77 when that, python3-zstandard or python3-xxhash is
missing.
"""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build")
PROGRAM = os.path.join(BUILD, "tests/store.test_format")


def main():
    if not os.path.exists(PROGRAM):
        return 77
    with tempfile.TemporaryDirectory() as folder:
        written = subprocess.run([PROGRAM, folder], stdout=subprocess.PIPE, check=True, timeout=120).stdout.splitlines()
        reader = [sys.executable, os.path.join(ROOT, "tools/read_store.py"), folder]
        done = subprocess.run(reader, stdout=subprocess.PIPE, timeout=120, check=False)
        if done.returncode == 77:
            return 77
        assert done.returncode == 0, done.returncode
        read = done.stdout.splitlines()
        assert len(written) == len(read) == 1400, (len(written), len(read))
        for ours, theirs in zip(sorted(written), read):
            assert ours == theirs, (ours, theirs)
        partitions = os.listdir(os.path.join(folder, "blocks"))
        assert any(name.startswith("odd-") for name in partitions), partitions
        assert sum(name.endswith(".journal") for name in os.listdir(os.path.join(folder, "journal"))) == 1
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
