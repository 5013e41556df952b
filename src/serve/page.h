/* page: the files of the page, as tools/build_page wrote them into the program. */
#ifndef TW_SERVE_PAGE_H
#define TW_SERVE_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct tw__page_file {
    const char *path; /* "/": what every view begins with; others are named by their content */
    const char *type;
    const char *etag;           /* with its quotes */
    const unsigned char *bytes; /* gzip */
    size_t len, raw_len;        /* as stored, and unpacked */
};

extern const struct tw__page_file tw__page_files[]; /* the first is "/" */
extern const size_t tw__page_file_count;

#endif
