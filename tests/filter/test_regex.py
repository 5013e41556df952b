#!/usr/bin/python3
"""Regular expressions against Python's re: the same expression, the same bytes, the same answer. Expressions by hand and at random."""
import os
import random
import re
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
BUILD = os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build")

EXPRESSIONS = r"""
^GET
^GET /cart$
GET|POST
^(GET|POST) /[a-z]+/\d+$
a{2}
a{2,}
a{0,2}b
a{0}b
^a{2,3}$
(ab){2}
(a|b)*c
(?:a|b)+$
x?y?z
[^a-c]
[]a]
[^]a]
[a\-z]
[\d.]+
[[:alpha:]]+[[:digit:]]
\w+\s\W
\D\S
\x41\x2e
\.\*\[\]\(\)\\
a.c
(?i)get
(?i)[A-C]x
(?i)\x41
^$
$
^
(a*)*b
(a|ab)(c|bcd)d*
(|a)b
()
a||b
.*
é+
(é|è)
a??b
^(a?){20}a{20}$
^(a?){40}a{40}$
[ab]{70}c?
^a{20}b{0,60}a{20}$
(GET|POST|PUT|DELETE|PATCH|HEAD|OPTIONS|CONNECT|TRACE|LOCK|UNLOCK|PROPFIND) /(cart|order)
a{255}b
^(([a-z])+.)+[A-Z]([a-z])+$
""".split("\n")[1:-1]

# Those on which Python, which backtracks, takes exponential time for the long texts.
SLOW = {b"(a*)*b", b"^(a?){20}a{20}$", b"^(a?){40}a{40}$", b"^(([a-z])+.)+[A-Z]([a-z])+$", b"(a|b)*c", b"(?:a|b)+$"}

REFUSED = ["(", ")", "a**", "*", "a{2", "a{3,2}", "[a", "[z-a]", "\\", "\\q", "(?=a)", "(?P<n>a)", "a{999}", "x{255}{2}", "(((a{99}){99}){99})",
           "a\\1", "[[:nope:]]", "\\b", "+a", "a|*", "a{255}bb", "(" * 17 + "a" + ")" * 17]

TEXTS = ["", "a", "b", "ab", "aab", "aaab", "abab", "abc", "GET", "get /", "GET /cart", "GET /cart ", "POST /ab/12", "FORGET", "zzz", "a]c", "x-z", "A.", "1.5",
         "a b!", "a\nc", "a\xff", "\xe9\xe9", "é", "éé", ".*[]()\\", "a" * 20, "a" * 40, "xA1", "abcd", "abcdd", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"]


def ask(process, expression, text):
    process.stdin.write(f"regex {expression.hex()} {text.hex()}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def python_of(expression):
    """$ is the very end here, without a forgiven newline; POSIX classes written out."""
    out = re.sub(rb"(?<!\\)((?:\\\\)*)\$", rb"\1\\Z", expression)
    return re.compile(out.replace(b"[[:alpha:]]", b"[A-Za-z]").replace(b"[[:digit:]]", b"[0-9]").replace("é+".encode(), "(?:é)+".encode()))


def made(rng, depth=0):
    if depth > 2 or rng.random() < 0.3:
        return rng.choice(["a", "b", "c", ".", "[ab]", "[^a]", "\\d", "\\w", "1", " "])
    kind = rng.randrange(4)
    if kind == 0:
        return "".join(made(rng, depth + 1) for _ in range(rng.randint(1, 3)))
    if kind == 1:
        return "(" + "|".join(made(rng, depth + 1) for _ in range(rng.randint(1, 3))) + ")"
    if kind == 2:
        return "(" + made(rng, depth + 1) + ")" + rng.choice(["*", "+", "?", "{2}", "{0,2}"])
    return made(rng, depth + 1)


def main():
    process = subprocess.Popen([os.path.join(BUILD, "tests/oracle_filter")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    failures, compared = [], 0
    rng = random.Random(11)
    texts = [text.encode("utf-8") for text in TEXTS]
    tried = [(text.encode("utf-8"), texts) for text in EXPRESSIONS]
    for _ in range(400):
        expression = rng.choice(["", "^"]) + made(rng) + rng.choice(["", "$"])
        tried.append((expression.encode(), ["".join(rng.choice("abc1 ") for _ in range(rng.randrange(7))).encode() for _ in range(10)]))
    for expression, subjects in tried:
        slow = expression in SLOW
        compiled = python_of(expression)
        for text in subjects:
            if slow and len(text) > 15:
                began = time.monotonic()
                answer = ask(process, expression, text)
                assert time.monotonic() - began < 10 and set(answer.split()) <= {"yes", "no"}, (expression, text, answer)
                continue
            answer, found = ask(process, expression, text), (compiled.search(text), compiled.match(text))
            expected = " ".join("yes" if one else "no" for one in found)
            compared += 1
            if answer != expected:
                failures.append(f"{expression!r} in {text!r}: {answer} and not {expected}")
    for expression in REFUSED:
        answer = ask(process, expression.encode(), b"a")
        compared += 1
        if not answer.startswith("error "):
            failures.append(f"{expression!r} was not refused: {answer}")
    process.stdin.close()
    process.wait(timeout=30)
    print("\n".join(failures[:20]))
    print(f"{compared} compared, {len(failures)} different")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
