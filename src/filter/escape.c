/* escape: the way back from a text to what stands for it between quotes in the short form (filter/short.c, quoted). */
#include "filter/filter.h"

void tw__filter_escape(struct tw__buf *out, const char *text, size_t len, bool regex)
{
    for (size_t i = 0; i < len; i++) {
        if (regex && text[i] == '\\' && i + 1 < len)
            tw__buf_char(out, text[i++]);
        else if (text[i] == '"' || (text[i] == '\\' && !regex))
            tw__buf_char(out, '\\');
        tw__buf_char(out, text[i]);
    }
}
