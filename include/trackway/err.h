#ifndef TRACKWAY_ERR_H
#define TRACKWAY_ERR_H

/* Result codes. A function that can fail returns 0 (or a count) on success and one of these, negative, otherwise.
 * The numbers are stable. The table is the only place where codes, names and texts live. */

#ifdef __cplusplus
extern "C" {
#endif

#define TW_ERR_TABLE(X)                                                                     \
    X(TW_ERR_SYNTAX, -1, "not in a form that is understood")                                \
    X(TW_ERR_RANGE, -2, "out of range")                                                     \
    X(TW_ERR_SPACE, -3, "not enough room")                                                  \
    X(TW_ERR_MEMORY, -4, "out of memory")                                                   \
    X(TW_ERR_SYSTEM, -5, "the operating system refused")                                    \
    X(TW_ERR_NOT_FOUND, -6, "not found")                                                    \
    X(TW_ERR_OFF, -7, "recording is off")                                                   \
    X(TW_ERR_FOREIGN, -8, "not a Trackway segment")                                         \
    X(TW_ERR_VERSION, -9, "a Trackway segment of another version")                          \
    X(TW_ERR_CORRUPT, -10, "damaged")                                                       \
    X(TW_ERR_PERMISSION, -11, "permission denied")                                          \
    X(TW_ERR_TIMEOUT, -12, "not done in the given time")                                    \
    X(TW_ERR_STATE, -13, "not possible in this state")                                      \
    X(TW_ERR_OUT_OF_TRACE, -14, "this thread is in no trace")

enum tw_err {
    TW_OK = 0,
#define TW__ERR_ENUM(name, value, text) name = value,
    TW_ERR_TABLE(TW__ERR_ENUM)
#undef TW__ERR_ENUM
};

/* The text of a code, for people.
 * Shape    a static string, never NULL; an unknown code has a text too.
 * Threads  [any thread] [async-signal-safe] */
const char *tw_err_text(int code);

#ifdef __cplusplus
}
#endif
#endif
