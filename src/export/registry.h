/* registry: exporters by name. */
#ifndef TW_EXPORT_REGISTRY_H
#define TW_EXPORT_REGISTRY_H

#include "export/exporter.h"

/* The exporter whose name is len bytes of text, in any case of letters, - for _ allowed. One that another library
 * brings is loaded now.
 * Returns  NULL and *what, in words: there is none, or its library is not installed or not of this version. */
const struct tw__exporter_class *tw__exporter_find(const char *text, size_t len, const char **what);

/* Whether a name is that of "no exporter". */
bool tw__exporter_is_none(const char *text, size_t len);

#endif
