#!/usr/bin/python3
"""Our OTLP requests, read by protoc and by protobuf-c: what test_otlp writes is what somebody else reads.

protobuf-c reads every request and writes it again; the bytes have to be the same, so that each field was understood and each
length has its shortest form. protoc prints one of them, which has to say what was recorded.

Needs $TRACKWAY_BUILD (default build/) with tests/wire.test_otlp. Exit code 77 when that, protoc or protobuf-c is missing.
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.environ.get("TRACKWAY_BUILD") or os.path.join(HERE, "../../build")
PROGRAM = os.path.join(BUILD, "tests/wire.test_otlp")
PROTO = os.path.join(HERE, "proto")

STORY = r"""
resource_spans {
  resource {
    attributes { key: "service.name" value { string_value: "shop" } }
    attributes { key: "process.pid" value { int_value: 17 } }
  }
  scope_spans {
    scope { name: "trackway" version: "0.1.0" }
    spans {
      trace_id: "j\000\000\000\001\002\003\004\005\006\007\010\t\n\013\014"
      span_id: "\021\022\023\024\025\026\027\030"
      parent_span_id: "!\"#$%&\'("
      name: "load cart"
      kind: SPAN_KIND_CLIENT
      start_time_unix_nano: 1795225832500000001
      end_time_unix_nano: 1795225832750000002
      attributes { key: "thread.id" value { int_value: 4711 } }
      attributes { key: "thread.name" value { string_value: "worker-1" } }
      attributes { key: "code.function.name" value { string_value: "load_cart" } }
      attributes { key: "code.line.number" value { int_value: 42 } }
      attributes { key: "items" value { int_value: -3 } }
      attributes { key: "huge" value { string_value: "18446744073709551615" } }
      attributes { key: "ratio" value { double_value: 0.1 } }
      attributes { key: "cached" value { bool_value: true } }
      attributes { key: "digest" value { bytes_value: "\000\377\200" } }
      attributes { key: "user.id" value { string_value: "caf\303\251 \357\277\275" } }
      dropped_attributes_count: 1
      events {
        time_unix_nano: 1795225832600000000
        name: "cache.miss"
        attributes { key: "attempt" value { int_value: 2 } }
        attributes { key: "host" value { string_value: "h1" } }
      }
      events {
        time_unix_nano: 1795225832650000000
        name: "here"
        attributes { key: "trackway.kind" value { string_value: "mark" } }
      }
      events {
        time_unix_nano: 1795225832700000000
        name: "send"
        attributes { key: "trackway.kind" value { string_value: "send" } }
        attributes { key: "id" value { int_value: 99 } }
        attributes { key: "size" value { int_value: 1000 } }
      }
      links {
        trace_id: "j\000\000\000\001\002\003\004\005\006\007\010\t\n\013\014"
        span_id: "\000\000\000\000\000\000\0001"
        flags: 1
      }
      links {
        trace_id: "j\000\000\000\377\377\377\377\377\377\377\377\377\377\377\377"
        span_id: "\000\000\000\000\000\000\0002"
        flags: 1
      }
      status { message: "cart not found" code: STATUS_CODE_ERROR }
      flags: 1
    }
  }
}
"""


def read(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def decode(bytes_, message="otlp.ExportTraceServiceRequest"):
    done = subprocess.run(["protoc", f"--proto_path={PROTO}", f"--decode={message}", "trace.proto"], input=bytes_, capture_output=True,
                          check=True)
    return done.stdout.decode().split()


def protoc_prints_what_was_recorded(folder, repack):
    printed = decode(read(folder, "request1"))
    assert printed == STORY.split(), "\n".join(f"{a} | {b}" for a, b in zip(printed, STORY.split()) if a != b)


def protobuf_c_writes_the_same_bytes(folder, repack):
    for name in ("request0", "request1", "request30", "request1000", "lengths", "limits"):
        ours = read(folder, name)
        theirs = subprocess.run([repack], input=ours, capture_output=True, check=True).stdout
        assert ours == theirs, f"{name}: {len(ours)} bytes, again {len(theirs)}"


def limits_are_kept_and_counted(folder, repack):
    printed = " ".join(decode(read(folder, "limits")))
    for word in ("dropped_attributes_count: 2", "dropped_events_count: 2", "dropped_links_count: 2"):
        assert word in printed, printed
    assert printed.count("events {") == 2 and printed.count("links {") == 2
    assert 'key: "b" value { int_value: 1 }' in printed and 'int_value: 0' in printed


def main():
    if not os.path.exists(PROGRAM) or not shutil.which("protoc") or not shutil.which("protoc-c"):
        return 77
    with tempfile.TemporaryDirectory() as folder:
        repack = os.path.join(folder, "repack")
        subprocess.run(["protoc-c", f"--proto_path={PROTO}", f"--c_out={folder}", "trace.proto"], check=True)
        subprocess.run(["cc", "-O1", "-I", folder, "-o", repack, os.path.join(PROTO, "repack.c"), os.path.join(folder, "trace.pb-c.c"),
                        "-lprotobuf-c"], check=True)
        subprocess.run([PROGRAM], env=dict(os.environ, TRACKWAY_WIRE_DUMP=folder), check=True, capture_output=True)
        for test in (protoc_prints_what_was_recorded, protobuf_c_writes_the_same_bytes, limits_are_kept_and_counted):
            test(folder, repack)
            print("passed", test.__name__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
