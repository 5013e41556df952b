/* tls: see the header. TLS 1.2 and above; a peer that does not offer our protocol by ALPN is refused. */
#include "ingest/tls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "ingest/httpd.h"

struct tw__tls {
    const struct tw__tls_files *files;
    unsigned char alpn[16]; /* its length, and it */
    pthread_mutex_t lock;   /* of context */
    SSL_CTX *context;
};

static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
                  unsigned int offered_len, void *data)
{
    const struct tw__tls *tls = data;
    (void)ssl;
    for (unsigned i = 0; i < offered_len; i += 1U + offered[i]) {
        if (offered[i] != tls->alpn[0] || i + offered[i] >= offered_len) continue;
        if (memcmp(offered + i + 1, tls->alpn + 1, tls->alpn[0]) != 0) continue;
        *out = offered + i + 1;
        *out_len = offered[i];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *make(struct tw__tls *tls, char why[TW_WHY_MAX])
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!context) return NULL;
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_alpn_select_cb(context, choose, tls);
    bool read = SSL_CTX_use_certificate_chain_file(context, tls->files->certificate) == 1;
    if (!read)
        (void)snprintf(why, TW_WHY_MAX, "%.180s is not a certificate in PEM", tls->files->certificate);
    else if (SSL_CTX_use_PrivateKey_file(context, tls->files->key, SSL_FILETYPE_PEM) != 1)
        (void)snprintf(why, TW_WHY_MAX, "%.180s is not the key of the certificate", tls->files->key);
    else
        return context;
    ERR_clear_error();
    SSL_CTX_free(context);
    return NULL;
}

int tw__tls_open(const struct tw__tls_files *files, const char *alpn, struct tw__tls **out, char why[TW_WHY_MAX])
{
    struct tw__tls *tls = calloc(1, sizeof *tls);
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!tls) return TW_ERR_MEMORY;
    tls->files = files;
    tls->alpn[0] = (unsigned char)strlen(alpn);
    memcpy(tls->alpn + 1, alpn, tls->alpn[0]);
    (void)pthread_mutex_init(&tls->lock, NULL);
    tls->context = make(tls, why);
    if (!tls->context) {
        tw__tls_close(tls);
        return TW_ERR_NOT_FOUND;
    }
    *out = tls;
    return 0;
}

int tw__tls_reload(struct tw__tls *tls, char why[TW_WHY_MAX])
{
    SSL_CTX *context = make(tls, why);
    if (!context) return TW_ERR_NOT_FOUND;
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *before = tls->context;
    tls->context = context;
    (void)pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(before); /* connections have references of their own */
    return 0;
}

void tw__tls_close(struct tw__tls *tls)
{
    if (!tls) return;
    SSL_CTX_free(tls->context);
    (void)pthread_mutex_destroy(&tls->lock);
    free(tls);
}

struct ssl_st *tw__tls_accept(struct tw__tls *tls, int fd)
{
    (void)pthread_mutex_lock(&tls->lock);
    SSL *ssl = SSL_new(tls->context);
    (void)pthread_mutex_unlock(&tls->lock);
    if (!ssl) return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
