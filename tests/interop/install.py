#!/usr/bin/python3
"""install.py FOLDER: the npm packages of package-lock.json into FOLDER/node_modules, once for each lock file. The tests here and
the demo share what is below the build folder."""
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error",
         "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000")


def install(folder):
    """Raises CalledProcessError, TimeoutExpired, or OSError where there is no npm."""
    with open(os.path.join(HERE, "package-lock.json"), "rb") as file:
        lock = file.read()
    assert b'"resolved"' not in lock, "the lock file names a registry"
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # the builds' tests and the demo may run side by side
        stamp, digest = os.path.join(folder, "installed"), hashlib.sha256(lock).hexdigest()
        if os.path.exists(stamp) and open(stamp, encoding="ascii").read() == digest:
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(os.path.join(HERE, name), os.path.join(folder, name))
        subprocess.run(["npm", "ci", *QUIET], cwd=folder, check=True, timeout=200)
        with open(stamp, "w", encoding="ascii") as file:
            file.write(digest)


if __name__ == "__main__":
    install(os.path.abspath(sys.argv[1]))
