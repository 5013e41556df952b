/* human: numbers as people read and write them. */
#ifndef TW_WIRE_HUMAN_H
#define TW_WIRE_HUMAN_H

#include <stddef.h>
#include <stdint.h>

/* A short text by value: tw__human_duration(ns).text is valid to the end of the full expression. */
struct tw__short {
    char text[32];
};

struct tw__short tw__human_duration(uint64_t ns);                /* 840ns 12.3us 4.50ms 1.20s 2m05s 3h12m 4d03h */
struct tw__short tw__human_ago(uint64_t ns);                     /* 12s 3m 2h 5d: one unit, rounded down */
struct tw__short tw__human_clock(uint64_t ns);                   /* local HH:MM:SS.mmm */
struct tw__short tw__human_date(uint64_t ns);                    /* local YYYY-MM-DD HH:MM:SS.mmm */
struct tw__short tw__human_moment(uint64_t ns, uint64_t now_ns); /* as the clock; of another day YYYY-MM-DD HH:MM:SS */
struct tw__short tw__human_rate(double per_second);              /* 0 0.4 12 1.2k 3.4M */
struct tw__short tw__human_bytes(uint64_t bytes);                /* 512 16K 1.5M 3.0G */

/* Reads a duration: a number, also with a fraction, and one of ns us ms s m h d, or several, the larger units first, as
 * tw__human_duration writes them: 2m05s. "0" needs no unit.
 * Returns  0 and *ns, or TW_ERR_SYNTAX, TW_ERR_RANGE (above 2^63 ns); then *ns is untouched. */
int tw__human_parse_duration(const char *text, uint64_t *ns);

#endif
