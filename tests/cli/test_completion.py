#!/usr/bin/python3
"""Completion as the shells themselves do it, and the manual page as mandoc reads it.

Needs $TRACKWAY_BUILD (default build/). Each function below is a test; its name says what is promised. A shell that is not there
is told and its tests are left out. Exit code 1 if one failed, 77 if nothing was built.
"""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.realpath(os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build"))
TRACKWAY = os.path.join(BUILD, "trackway")
sys.path.insert(0, os.path.join(ROOT, "tests"))
from _run import run_tests  # noqa: E402


def script(shell):
    return subprocess.run([TRACKWAY, "completion", shell], capture_output=True, text=True, check=True).stdout


def bash(line):
    """What bash would offer behind line."""
    words = line.split(" ")
    ask = f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; _trackway; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", script("bash") + ask], capture_output=True, text=True, check=True).stdout.split()


def fish(home, line):
    with open(os.path.join(home, "trackway.fish"), "w", encoding="utf-8") as file:
        file.write(script("fish"))
    env = dict(os.environ, HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home, PATH=BUILD + ":" + os.environ["PATH"])
    ask = f"source {home}/trackway.fish; complete -C '{line}'"
    done = subprocess.run(["fish", "--no-config", "-c", ask], capture_output=True, text=True, env=env, check=True, timeout=60)
    assert done.stderr == "", done.stderr
    return [row.split("\t") for row in done.stdout.splitlines()]


def zsh(home, *lines):
    """Types each line and TAB into an interactive zsh. Returns the arguments with which trackway would have been called."""
    with open(os.path.join(home, "_trackway"), "w", encoding="utf-8") as file:
        file.write(script("zsh"))
    start = f"PROMPT=; fpath=({home} $fpath); autoload -U compinit; compinit -u -D; unsetopt zle_bracketed_paste; "
    start += "zstyle ':completion:*' menu no; trackway() { print -r -- \"<<$*>>\" }; print READY\n"
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(HOME=home, TERM="dumb", LANG="C.UTF-8", ZDOTDIR=home)
        os.execvp("zsh", ["zsh", "-f", "-i"])
    said = ""

    def read_until(pattern):
        nonlocal said
        end = time.monotonic() + 60
        while not re.search(pattern, said):
            assert time.monotonic() < end, said
            if select.select([terminal], [], [], 1)[0]:
                said += os.read(terminal, 65536).decode("utf-8", "replace")

    try:
        os.write(terminal, start.encode())
        read_until(r"(?m)^READY")
        for number, line in enumerate(lines, 1):
            os.write(terminal, f"{line}\t\r".encode())
            read_until(r"(?s)(<<[^$][^>]*>>.*){%d}" % number)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    return [" ".join(found.split()) for found in re.findall(r"<<([^$][^>]*)>>", said)]


def bash_offers_commands_options_and_values(_):
    assert bash("trackway sh") == ["show"]
    assert bash("trackway traces --st") == ["--status"]
    assert bash("trackway traces --status ") == ["error", "ok", "unset"]
    assert bash("trackway store ex") == ["export"]
    assert bash("trackway serve --otlp-h") == ["--otlp-http"]
    assert bash("trackway completion ") [-3:] == ["bash", "zsh", "fish"]
    assert bash("trackway calls --format ") == ["json", "pretty", "elastic", "plain"]
    assert bash("trackway ingest --format ") == ["records", "calls", "otlp"]  # one name, other words


def what_was_recorded_is_offered_where_it_is_asked_for(folder):
    segments = os.path.join(folder, "segments")
    os.environ.update(TRACKWAY_DIR=segments, PATH=BUILD + ":" + os.environ["PATH"])
    subprocess.run([TRACKWAY, "run", "--service", "front", "true"], check=True)
    process, trace = (json.loads(subprocess.run([TRACKWAY, what, "--json"], capture_output=True, check=True).stdout) for what in ("ps", "traces"))
    pid, trace = str(process["pid"]), trace["trace_id"]
    for line, words in (("trackway show ", [trace]), ("trackway show " + trace[:9], [trace]), ("trackway dump --trace ", [trace]),
                        ("trackway ps --pid ", [pid]), ("trackway traces --service ", ["front"])):
        assert bash(line) == words, (line, bash(line))
        if shutil.which("fish"):
            assert [row[0] for row in fish(folder, line)] == words, (line, fish(folder, line))
        if shutil.which("zsh"):
            assert zsh(folder, line)[0].endswith(words[0]), (line, zsh(folder, line))
    for line in ("trackway traces --name ", "trackway run --service ", "trackway serve --http "):
        assert bash(line) == [], line
    assert bash("trackway show --b") == ["--brief"]


def files_are_offered_where_a_file_is_asked_for(folder):
    here = os.path.join(ROOT, "READ")
    for line in ("trackway ingest ", "trackway store import ", "trackway show --token-file ", "trackway serve --config "):
        assert bash(line + here) == [here + "ME.md"], line
    assert bash("trackway ingest --f") == ["--format"]
    assert bash("trackway store info --data " + os.path.join(ROOT, "exampl")) == [os.path.join(ROOT, "examples")]
    if shutil.which("fish"):
        assert [row[0] for row in fish(folder, "trackway ingest " + here)] == [here + "ME.md"]
    if shutil.which("zsh"):
        assert zsh(folder, "trackway ingest " + here) == [f"ingest {here}ME.md"]


def fish_offers_them_with_what_they_mean(folder):
    if not shutil.which("fish"):
        return "no fish here"
    assert fish(folder, "trackway sho") == [["show", "one request as a waterfall"]]
    assert ["--status", "only those with this status: error, ok or unset"] in fish(folder, "trackway traces --st")
    assert [row[0] for row in fish(folder, "trackway traces --status ")] == ["error", "ok", "unset"]
    assert fish(folder, "trackway store ex")[0][0] == "export"
    assert [row[0] for row in fish(folder, "trackway serve --otlp-h")] == ["--otlp-http"]
    assert fish(folder, "trackway help sto")[0][0] == "store"


def zsh_completes_what_is_typed(folder):
    if not shutil.which("zsh"):
        return "no zsh here"
    said = zsh(folder, "trackway sho", "trackway traces --stat", "trackway store exp", "trackway traces --sort dur", "trackway serve --otlp-h",
               "trackway help sto", "trackway completion fi")
    assert said == ["show", "traces --status", "store export", "traces --sort duration", "serve --otlp-http", "help store", "completion fish"], said


def the_manual_page_is_what_mandoc_understands(_):
    page = subprocess.run([TRACKWAY, "help", "--man"], capture_output=True, text=True, check=True).stdout
    for name in re.findall(r"(?m)^  (\w+)", subprocess.run([TRACKWAY, "help"], capture_output=True, text=True, check=True).stdout):
        assert f".Ss {name}" in page and f".It Cm {name}" in page, name
    if not shutil.which("mandoc"):
        return "no mandoc here"
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=page, capture_output=True, text=True, check=False)
    assert lint.returncode == 0 and lint.stdout == "", lint.stdout
    shown = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=100"], input=page, capture_output=True, text=True, check=True).stdout
    shown = re.sub(r".\x08", "", shown)
    assert "trackway traces --where 'http.status_code>=500 or (name~^SELECT duration>50ms)'" in shown
    assert re.search(r"(?m)^ +--min-duration TIME$", shown) and "TRACKWAY_SERVER" in shown and "EXIT STATUS" in shown


if __name__ == "__main__":
    if not os.path.exists(TRACKWAY):
        sys.exit(77)
    sys.exit(run_tests(bash_offers_commands_options_and_values, what_was_recorded_is_offered_where_it_is_asked_for, files_are_offered_where_a_file_is_asked_for,
                       fish_offers_them_with_what_they_mean, zsh_completes_what_is_typed,
                       the_manual_page_is_what_mandoc_understands))
