/* page: the page, from the program itself: no folder, no network, nothing that could be missing.
 *
 *     GET /, /map, /trace/ID  index.html: asked for again each time (no-cache), answered with 304 while it is the same
 *     GET /assets/...         scripts and styles: their names change with their content, so browsers keep them
 *
 * Files are stored packed and sent so; who does not take gzip gets them unpacked. A path is looked up in a table: there
 * is nothing to climb out of. The page's own data comes from /api/tw like everybody's. */
#include "serve/page.h"

#include <string.h>

#include "ingest/inflate.h"
#include "serve/api.h"

static const struct tw__page_file *find(const char *path)
{
    for (size_t i = 0; i < tw__page_file_count; i++)
        if (strcmp(tw__page_files[i].path, path) == 0) return &tw__page_files[i];
    return NULL;
}

/* "gzip" or "*" among the codings, and not refused with q=0. */
static bool takes_gzip(const struct tw__request *request)
{
    const char *codings = tw__request_header(request, "Accept-Encoding");
    const char *found = codings ? strstr(codings, "gzip") : NULL;
    if (!found) return codings && strcmp(codings, "*") == 0;
    found += strcspn(found, ";,");
    if (*found != ';') return true;
    found += 1 + strspn(found + 1, " ");
    return strncmp(found, "q=0", 3) != 0 || strspn(found + 3, ".0") != strcspn(found + 3, ",");
}

static void unpacked(const struct tw__page_file *file, struct tw__reply *reply)
{
    struct tw__inflate inflate = {0};
    struct tw_text out, in = {(const char *)file->bytes, file->len};
    if (tw__inflate(&inflate, TW__PACKING_GZIP, in, file->raw_len, &out) < 0)
        tw__reply_error(reply, 503, "out of memory");
    else
        tw__buf_add(&reply->body, out.ptr, out.len);
    tw__inflate_fini(&inflate);
}

static void answer(const struct tw__page_file *file, const struct tw__request *request, struct tw__reply *reply)
{
    reply->type = file->type;
    reply->etag = file->etag;
    if (takes_gzip(request)) {
        reply->fixed = (struct tw_text){(const char *)file->bytes, file->len};
        reply->encoding = "gzip";
    } else {
        unpacked(file, reply);
    }
}

static void view(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    (void)context;
    reply->cache = "no-cache";
    answer(&tw__page_files[0], request, reply);
}

static void asset(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    (void)context;
    const struct tw__page_file *file = find(request->path);
    if (!file) {
        tw__reply_error(reply, 404, "not found");
        return;
    }
    reply->cache = "private, max-age=31536000, immutable";
    answer(file, request, reply);
}

const struct tw__route tw__page_routes[] = {
    {"GET", "/", TW__ROLE_READ, 0, view},
    {"GET", "/map", TW__ROLE_READ, 0, view},
    {"GET", "/trace/*", TW__ROLE_READ, 0, view},
    {"GET", "/assets/*", TW__ROLE_READ, 0, asset},
    {0},
};
