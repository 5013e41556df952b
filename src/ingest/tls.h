/* tls: a certificate that can be replaced while connections go on; for servers of our own loops. */
#ifndef TW_INGEST_TLS_H
#define TW_INGEST_TLS_H

#include <trackway/read.h>

struct ssl_st; /* OpenSSL's SSL */
struct tw__tls_files;
struct tw__tls;

/* alpn: the one protocol spoken, "h2". Returns 0 and *out, or TW_ERR_NOT_FOUND, TW_ERR_MEMORY with why. */
int tw__tls_open(const struct tw__tls_files *files, const char *alpn, struct tw__tls **out, char why[TW_WHY_MAX]);
/* Reads the files again. On error the old certificate stays. */
int tw__tls_reload(struct tw__tls *tls, char why[TW_WHY_MAX]);
void tw__tls_close(struct tw__tls *tls);

/* The server's side of a new connection over fd; NULL: no memory. Threads  [any thread] */
struct ssl_st *tw__tls_accept(struct tw__tls *tls, int fd);

#endif
