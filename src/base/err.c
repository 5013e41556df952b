/* err: the texts of the result codes.
 *
 * Generated from TW_ERR_TABLE, the only place where codes, names and texts live, so that none can be without a text.
 * Invariant: the result is a static string, never NULL, whatever the code. strerror was rejected: our codes are not
 * errno, and it is neither thread-safe nor async-signal-safe.
 */
#include <trackway/err.h>

const char *tw_err_text(int code)
{
    switch (code) {
    case TW_OK:
        return "no error";
#define TEXT(name, value, text) \
    case name:                  \
        return text;
        TW_ERR_TABLE(TEXT)
#undef TEXT
    default:
        return code > 0 ? "no error" : "unknown error";
    }
}
