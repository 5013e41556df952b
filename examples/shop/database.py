#!/usr/bin/python3
"""database.py ADDR:PORT: plays what FoundationDB's processes sent (database.hex) to a collector, as if it happened now.

A span is one UDP datagram of MessagePack: an array of 7, 8 (up to release 7.1) or 12 elements (from 7.2 on). Nothing is changed
but the times: the two doubles of a span, begin and end; in an array of 7 or 8 the second is a duration. Until release 7.4
the header of the links counts links where their numbers follow, three each, so that libraries for MessagePack refuse what
is sent; only what stands before the links is read here.

Prints the datagrams sent, and the trace of the commit, which several transactions caused.
"""
import os
import socket
import struct
import sys
import time

LEAD_S = 1  # the last span ended a moment ago


def skip(bytes_, at):
    """The end of the element at this offset. Texts, integers, doubles, and maps and arrays of them."""
    tag = bytes_[at]
    if tag in (0xCF, 0xCB):  # 64 bits: integer, double
        return at + 9
    if tag == 0xCC:  # 8 bits
        return at + 2
    if tag == 0xD9:  # a text of up to 255 bytes
        return at + 2 + bytes_[at + 1]
    if 0xA0 <= tag < 0xC0:  # a text of up to 31 bytes
        return at + 1 + (tag & 31)
    raise ValueError(f"no element of a span: {tag:02x}")


def times(datagram):
    """Offsets of the numbers that are points in time."""
    modern = datagram[0] == 0x9C
    at = 1
    for _ in range(5 if modern else 3):  # ids, and the name or address before the times
        at = skip(datagram, at)
    return (at + 1, at + 10) if modern else (at + 1,)


def read(path):
    with open(path, encoding="ascii") as file:
        return [bytearray.fromhex(line) for line in file if not line.startswith("#")]


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    recording = read(os.path.join(os.path.dirname(os.path.realpath(__file__)), "database.hex"))
    then = max(struct.unpack_from(">d", datagram, times(datagram)[0])[0] for datagram in recording)
    shift = time.time() - LEAD_S - then
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for datagram in recording:
            for at in times(datagram):
                struct.pack_into(">d", datagram, at, struct.unpack_from(">d", datagram, at)[0] + shift)
            udp.sendto(datagram, (host.strip("[]"), int(port)))
    commit = next(datagram for datagram in recording if b"MP:commitBatch" in datagram)
    print(f"{len(recording)} datagrams; the commit is trace {commit[2:10].hex()}{commit[11:19].hex()}")


main()
