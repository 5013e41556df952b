"""What tests of doors with senders that are not ours share: their installation, and a collector to send to."""
import fcntl
import hashlib
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(HERE, "../../build"))


def install():
    """npm ci of clients/ into the build folder, once for each lock file. Returns the folder with the programs."""
    source, folder = os.path.join(HERE, "clients"), os.path.join(BUILD, "clients")
    with open(os.path.join(source, "package-lock.json"), "rb") as file:
        lock = file.read()
    assert b'"resolved"' not in lock, "the lock file names a registry"
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        stamp, digest = os.path.join(folder, "installed"), hashlib.sha256(lock).hexdigest()
        for name in os.listdir(source):
            if os.path.isfile(os.path.join(source, name)):
                shutil.copyfile(os.path.join(source, name), os.path.join(folder, name))
        if not os.path.exists(stamp) or open(stamp, encoding="ascii").read() != digest:
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True, timeout=200)
            with open(stamp, "w", encoding="ascii") as file:
                file.write(digest)
    return folder
