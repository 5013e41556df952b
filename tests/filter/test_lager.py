#!/usr/bin/python3
"""Filters, levels and formats against lager 3.9.2 itself: the same events, the same text, the same answer.

Runs lager_oracle.escript (Debian's erlang-base and erlang-lager) and tests/oracle_filter side by side. What differs on purpose is
listed in DIFFERENCES and checked to differ, so that the list stays true. Exit code 77 when lager is not installed.
"""
import os
import random
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.realpath(os.path.join(HERE, "../.."))
BUILD = os.environ.get("TRACKWAY_BUILD") or os.path.join(ROOT, "build")

# Severity, metadata as lager is given it, message. Each key but request holds values of one type.
EVENTS = [
    ("warning", [("module", "m"), ("function", "go"), ("request", "1"), ("line", "7"), ("pid", '"<0.9.0>"'), ("ratio", "0.5")], "go 1"),
    ("warning", [("module", "m"), ("function", "go"), ("request", "200"), ("line", "8"), ("pid", '"<0.9.0>"'), ("ratio", "1.0")], "go 200"),
    ("info", [("module", "m"), ("function", "other"), ("line", "9"), ("pid", '"<0.10.0>"')], "other"),
    ("debug", [("module", "m"), ("function", "md1"), ("request", '"fromprocess"'), ("callid", '<<"abc">>'), ("zone", '"west"')], "from md"),
    ("debug", [("module", "n"), ("function", "md2"), ("request", "5"), ("ratio", "-2.25"), ("n", "-3"), ("zone", '"eastern"')], "md2"),
    ("error", [("module", "'Elixir.M'"), ("function", "'handle call'"), ("n", "70000000000"), ("callid", '<<"">>')], "odd names"),
    ("emergency", [("module", "n"), ("n", "0"), ("first", "true"), ("ratio", "2.5e-3")], "all is lost"),
    ("notice", [("request", "1"), ("request", "2"), ("callid", '<<"abc">>')], "the first key wins"),
]

# The vectors of the reference, and one of each form.
FILTERS = """
[{function,'*'}]
[{module,m},{function,go}]
[{request,'!=',1}]
[{request,'!'}]
[{all,[{request,'>',0},{request,'<',100}]}]
[{any,[{request,'=',1},{function,'=',other}]}]
[{null,true}]
[{null,false}]
[{module,'*'},{null,true}]
[{module,'Elixir.M'}]
[{function,'handle call'}]
[{callid,<<"abc">>}]
[{callid,<<"">>}]
[{callid,<<>>}]
[{pid,"<0.9.0>"}]
[{pid,'=',"<0.9.0>"}]
[{n,-3}]
[{n,16#10}]
[{n,70000000000}]
[{n,'<',0}]
[{n,'=<',0}]
[{n,'>=',0}]
[{ratio,0.5}]
[{ratio,'>',-2.25}]
[{ratio,'>=',-2.25}]
[{ratio,'<',1}]
[{ratio,'=<',1}]
[{ratio,'=',1}]
[{ratio,1.0}]
[{request,1.0}]
[{request,'!=',1.0}]
[{request,'>=',4.5}, {request, '<', 100}]
[{zone,"west"}]
[{zone,'!=',"west"}]
[{zone,'<',"f"}]
[{zone,'>=',"west"}]
[{first,true}]
[{first,'!=',false}]
[{request,'=','*'}]
[{line,7},{request,1}]
[{any,[{all,[{module,'=',m},{request,'>',100},{request,'<',1000}]},{all,[{module,'=',n},{first,'=',true}]}]}]
[{all,[{any,[{n,'>',0},{n,'<',0}]},{module,'*'}]}]
[{request,'=',$a}]
[{unknown,x}]
[{unknown,'!'},{module,n}]
""".split("\n")[1:-1]

REFUSED = ["[]", "[{null,maybe}]", "[{request,'<>',1}]", '[{"request",1}]', "[1]", "[{request}]", "[{all,[]}]"]

# Text, what lager selects, what we select, why.
DIFFERENCES = [
    ("[{request,'>',100}]", "1 3", "1", "a text is no number: what cannot compare does not match"),
    ("[{zone,'<',x}]", "", "3 4", "atoms and strings are one kind of text"),
    ("[{module,\"m\"}]", "", "0 1 2 3", "atoms and strings are one kind of text"),
    ("[{callid,\"abc\"}]", "", "3 7", "strings and binaries are one kind of text"),
    ("[{pid,'0.9.0'}]", "", "0 1", "both spellings of a pid"),
    ("[{any,[{request,1},{function,other}]}]", "error", "0 2 7", "pairs inside any and all"),
    ("{module,n}", "error", "4 6", "one tuple without a list"),
    ("[{request,'~',\"^from\"}]", "error", "3", "regular expressions"),
    ("[{level,'>=',error}]", "", "5 6", "levels in filters"),
]

FORMATS = r"""
[time," [",severity,"] |",from_app,"|",{callid,<<"0000000000">>},"|",mod,":",func,":",line," (",pid,") ",message,"\n"]
[date," ",time," ",sev," ",severity_upper," ",message]
[module,":",function,":",line," ",request," ",ratio," ",n," ",first," ",callid," ",zone]
[{request,"none"},"|",{unknown,"none"},"|",{unknown,{callid,"x"}}]
[{request,["r=",request],["none"]}]
[{unknown,["r=",request],["none"]}]
[{zone,[zone],["no"],{right,10}},"|"]
[{zone,[zone],["no"],{centre,10}},"|"]
[{zone,[zone],["no"],{left,3}},"|"]
[{zone,[zone],["none"],{right,3}},"|"]
[{zone,[zone],["none"],{centre,3}},"|"]
[blank,{blank,"--"},"x",<<"y">>,10]
[{pterm,nothing},{pterm,nothing,"dd"}]
[color,message]
""".split("\n")[1:-1]

# Format, event, what lager writes, what we write, why.
FORMAT_DIFFERENCES = [
    ("[mod,from_app]", 0, "UndefinedUndefined", "mUndefined", "mod, func and from_app fall back to module, function, application"),
    ('[{request,[request],["no"],6},"|"]', 1, "200     |", "200   |", "a formatted number counts as one character there"),
    ('[{zone,[zone,"-"],["no"],6},"|"]', 3, "west  -     |", "west- |", "there each element is padded, here the whole"),
    ("[{message,[\"m\"],[\"none\"]}]", 0, "none", "m", "message, severity and time are no metadata there"),
    ('[{severity,"none"}]', 0, "none", "warning", "message, severity and time are no metadata there"),
    ("[level]", 0, "Undefined", "warning", "level is another name of severity"),
    ("[metadata]", 3, 'callid=<<"abc">> function=md1 module=m request="fromprocess" zone="west"',
     "callid=abc function=md1 module=m request=fromprocess zone=west", "texts are quoted when they need it"),
    ("[[message]]", 0, "error", "go 1", "a list inside a list"),
]

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency", "none", "bogus", "silence"]
RELATIONS = ["", "=", "!=", "<", "<=", "=<", ">", ">=", "=>", "!", "!<", "!>=", "!<="]

# For filters made at random: values of the type that a key holds everywhere, so that both must agree.
VALUES = {"n": ["-3", "0", "1", "70000000000", "-0.5", "1.0e9"], "ratio": ["0.5", "1.0", "1", "-2.25", "1.0e9", "0"],
          "zone": ['"west"', '"eastern"', '"f"', '""'], "callid": ['<<"abc">>', '<<"">>', '<<"b">>'], "line": ["7", "8", "8.5", "100"],
          "function": ["go", "other", "md1", "'handle call'"], "module": ["m", "n", "'Elixir.M'"]}


class Side:
    def __init__(self, command, **kwargs):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, bufsize=1, env=dict(os.environ, TZ="UTC", **kwargs))

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"no answer to {line}"
        return answer.strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def ours_of(key, value):
    """An Erlang value as oracle_filter's events have it: atoms, strings and binaries are text."""
    if value.startswith("<<"):
        value = value[2:-2]
    elif value.startswith("'"):
        value = '"' + value[1:-1] + '"'
    return f"{key}={value}"


def random_filter(rng, depth=0):
    if depth < 3 and rng.random() < 0.35:
        return "{%s,[%s]}" % (rng.choice(["all", "any"]), ",".join(random_filter(rng, depth + 1) for _ in range(rng.randint(1, 3))))
    key = rng.choice(list(VALUES))
    if depth == 0 and rng.random() < 0.2:
        return "{%s,'%s'}" % (key, rng.choice("*!"))
    ops = ["=", "!="] if key in ("function", "module") else ["=", "!=", "<", "=<", ">", ">="]
    return "{%s,'%s',%s}" % (key, rng.choice(ops), rng.choice(VALUES[key]))


def main():
    if not shutil.which("escript") or subprocess.run(["dpkg-query", "-W", "erlang-lager"], capture_output=True).returncode:
        print("erlang-lager is not installed")
        return 77
    lager = Side(["escript", os.path.join(HERE, "lager_oracle.escript")])
    ours = Side([os.path.join(BUILD, "tests/oracle_filter")])
    failures, compared = [], 0

    def same(what, theirs, mine):
        nonlocal compared
        compared += 1
        if theirs != mine:
            failures.append(f"{what}\n  lager: {theirs}\n  ours:  {mine}")

    for severity, metadata, message in EVENTS:
        number = lager.ask("{event, %s, [%s], \"%s\"}." % (severity, ",".join("{%s,%s}" % pair for pair in metadata), message))
        text = " ".join([f"time=1700100000123456000 level={severity}", f'message="{message}"'] + [ours_of(*pair) for pair in metadata])
        assert ours.ask("event " + text) == number

    rng = random.Random(7)
    for text in FILTERS + ["[%s]" % ",".join(random_filter(rng) for _ in range(rng.randint(1, 3))) for _ in range(100)]:  # lager compiles a module for each
        same(text, lager.ask("{trace, %s, debug}." % text), ours.ask("filter " + text))
    for text in REFUSED:
        same(text, lager.ask("{trace, %s, debug}." % text), ours.ask("filter " + text).split(" ")[0])
    for text, theirs, mine, why in DIFFERENCES:
        same(f"{text} (differs: {why})", (lager.ask("{trace, %s, debug}." % text), ours.ask("filter " + text)), (theirs, mine))

    # The level of a trace is a filter of its own there; here it is a condition, or the mask beside it.
    same("trace at silence", lager.ask("{trace, [{module,'*'}], silence}."), ours.ask("levels silence"))
    for relation in RELATIONS:
        for level in LEVELS:
            mask = ours.ask(f"levels {relation}{level}")
            same(f"level {relation}{level}", lager.ask('{levels, "%s%s"}.' % (relation, level)), mask)
            if level not in ("bogus", "silence") and relation in ("=", "<", "<=", ">", ">=", "!="):
                chosen = ours.ask(f"filter module and level{relation}{level}")
                same(f"trace at {relation}{level}", lager.ask("{trace, [{module,'*'}], '%s%s'}." % (relation, level)), chosen)

    for text in FORMATS:
        # Kazoo's own names are not on these lines; ours fall back to what the lines have.
        named = text.replace("mod,", "module,").replace("func,", "function,").replace("from_app", "application")
        for number in range(len(EVENTS)):
            same(f"{text} of event {number}", lager.ask("{format, %s, %d}." % (named, number)), ours.ask(f"format {number} {text}"))
    for text, number, theirs, mine, why in FORMAT_DIFFERENCES:
        answers = [lager.ask("{format, %s, %d}." % (text, number)), ours.ask(f"format {number} {text}")]
        same(f"{text} (differs: {why})", [a if a == "error" else bytes.fromhex(a).decode() for a in answers], [theirs, mine])

    lager.close()
    ours.close()
    print("\n".join(failures[:20]))
    print(f"{compared} compared, {len(failures)} different")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
