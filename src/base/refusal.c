/* refusal: the first thing that is wrong with a text.
 *
 * What follows a mistake is nearly always a consequence of it, so that one is kept and the others are not.
 */
#include "base/refusal.h"

#include <stdarg.h>
#include <stdio.h>

int tw__refuse(struct tw__refusal *refusal, int code, size_t at, const char *format, ...)
{
    va_list args;
    if (refusal->code) return -1;
    refusal->code = code;
    refusal->at = at;
    va_start(args, format);
    (void)vsnprintf(refusal->text, sizeof refusal->text, format, args);
    va_end(args);
    return -1;
}
