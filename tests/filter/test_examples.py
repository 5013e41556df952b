#!/usr/bin/python3
"""The examples of docs/filter.md: each matches, does not match, or is refused, as the page says."""
import os
import re
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
BUILD = os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build")


def main():
    with open(os.path.join(ROOT, "docs/filter.md"), encoding="utf-8") as file:
        page = file.read()
    span = re.search(r"match the span `([^`]*)`", page)[1]
    oracle = subprocess.Popen([os.path.join(BUILD, "tests/oracle_filter")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(line):
        oracle.stdin.write(line + "\n")
        oracle.stdin.flush()
        return oracle.stdout.readline().strip()

    assert ask("event " + span) == "0"
    failures = count = 0
    for kind, wanted in (("filter", "0"), ("nofilter", ""), ("wrong", "error")):
        block = re.search(r"```" + kind + r"\n(.*?)```", page, re.S)[1]
        for line in block.strip().split("\n"):
            answer = ask("filter " + line)
            count += 1
            if answer.split(" ")[0] != wanted:
                failures += 1
                print(f"{line}: {answer!r}, wanted {wanted!r}")
    formats = re.findall(r"```\n(\{time\}.*|\[time.*)\n```", page)
    assert len(formats) == 2
    lines = {bytes.fromhex(ask("format 0 " + text)) for text in formats}
    if len(lines) != 1:
        failures += 1
        print(f"the two formats differ: {lines}")
    oracle.stdin.close()
    oracle.wait(timeout=30)
    print(f"{count + 1} examples, {failures} wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
