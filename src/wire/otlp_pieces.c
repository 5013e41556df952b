/* otlp_pieces: see the header. Elements of resourceSpans are told by their brackets alone.
 *
 * Invariant: text is "," and elements that were not handed on, up to whole, and behind them the beginning of one more.
 * A text that does not begin as ours do (spaces, other members first) is not cut: it is gathered, and handed on at the
 * end.
 * Rejected: the pull reader of wire/json_read.h on a text that grows (it keeps the text from the beginning).
 */
#include "wire/otlp_pieces.h"

#include <string.h>

static const char head[] = "{\"resourceSpans\":[";
enum { HEAD = sizeof head - 1 };

/* What stands before end, as a request. */
static int hand_on(struct tw__otlp_pieces *p, size_t end, const char *close)
{
    size_t from = end && p->text.ptr[0] == ',' ? 1 : 0;
    tw__buf_reset(&p->piece);
    tw__buf_cstr(&p->piece, head);
    tw__buf_add(&p->piece, p->text.ptr + from, end - from);
    tw__buf_cstr(&p->piece, close);
    if (p->piece.failed) return TW_ERR_MEMORY;
    memmove(p->text.ptr, p->text.ptr + end, p->text.len - end);
    p->text.len -= end;
    p->at -= end;
    p->whole = 0;
    return p->take(p->data, p->piece.ptr, p->piece.len);
}

static void look(struct tw__otlp_pieces *p)
{
    for (; p->at < p->text.len && !p->ended; p->at++) {
        char c = p->text.ptr[p->at];
        if (p->in_string) {
            if (!p->escaped && c == '"') p->in_string = false;
            p->escaped = !p->escaped && c == '\\';
        } else if (c == '"') {
            p->in_string = true;
        } else if (c == '{' || c == '[') {
            p->depth++;
        } else if ((c == '}' || c == ']') && p->depth == 0) {
            p->ended = true;
            p->at--;
        } else if (c == '}' || c == ']') {
            if (--p->depth == 0) p->whole = p->at + 1;
        }
    }
}

/* Whether it is known how the text begins. */
static bool begin(struct tw__otlp_pieces *p)
{
    if (p->begun || p->uncut) return true;
    size_t len = p->text.len < HEAD ? p->text.len : HEAD;
    p->uncut = memcmp(p->text.ptr, head, len) != 0;
    if (p->uncut || len < HEAD) return p->uncut;
    p->begun = true;
    memmove(p->text.ptr, p->text.ptr + HEAD, p->text.len - HEAD);
    p->text.len -= HEAD;
    return true;
}

int tw__otlp_pieces_feed(struct tw__otlp_pieces *p, const char *bytes, size_t len)
{
    if (len == 0) return 0;
    if (p->text.len > p->limit_bytes || len > p->limit_bytes - p->text.len) return TW_ERR_MEMORY;
    tw__buf_add(&p->text, bytes, len);
    if (p->text.failed) return TW_ERR_MEMORY;
    if (!begin(p) || p->uncut) return 0;
    look(p);
    return p->whole >= p->piece_bytes ? hand_on(p, p->whole, "]}") : 0;
}

int tw__otlp_pieces_end(struct tw__otlp_pieces *p)
{
    if (!p->begun) return p->take(p->data, p->text.ptr, p->text.len);
    p->at = p->text.len;
    return hand_on(p, p->text.len, "");
}

void tw__otlp_pieces_fini(struct tw__otlp_pieces *p)
{
    tw__buf_fini(&p->text);
    tw__buf_fini(&p->piece);
    *p = (struct tw__otlp_pieces){0};
}
