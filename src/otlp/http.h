/* http: requests over libcurl, several at once, never waiting longer than they are told. */
#ifndef TW_OTLP_HTTP_H
#define TW_OTLP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

enum { TW__OTLP_AT_ONCE = 4, TW__OTLP_ANSWER_MAX = 16 << 10, TW__OTLP_SOCKETS = 32 };

struct tw__otlp_http_options {
    const char *url;
    const char *headers;                         /* key=value,key=value, percent-encoded */
    const char *authorities, *certificate, *key; /* files; "" none */
    uint64_t timeout_ns;
    bool gzip; /* bodies are */
};

struct tw__otlp_transfer {
    CURL *easy;
    void *tag; /* of the request it carries; NULL: free */
    size_t answer_len;
    char answer[TW__OTLP_ANSWER_MAX];
    char error[CURL_ERROR_SIZE];
};

struct tw__otlp_http {
    CURLM *multi;
    struct curl_slist *headers;
    struct tw__otlp_transfer transfers[TW__OTLP_AT_ONCE];
    unsigned running;
    int sockets[TW__OTLP_SOCKETS]; /* that curl has open; -1: none. For tw__otlp_http_forget */
};

/* How a request ended. Texts are valid during the call. */
struct tw__otlp_result {
    void *tag;
    long status;      /* 0: there was no answer, and error says why */
    bool hopeless;    /* no answer, and none will ever come: the URL, a file that cannot be read */
    uint64_t after_s; /* Retry-After; 0: none */
    const char *body;
    size_t body_len; /* at most TW__OTLP_ANSWER_MAX of it */
    const char *error;
};

/* Returns 0, TW_ERR_MEMORY, TW_ERR_SYSTEM (curl cannot be used), TW_ERR_SYNTAX (the URL; why says how). */
int tw__otlp_http_open(struct tw__otlp_http *http, const struct tw__otlp_http_options *options, char *why,
                       size_t why_cap);
void tw__otlp_http_close(struct tw__otlp_http *http);
/* In a forked child: closes the sockets, without a byte to the peer, and leaves everything else. */
void tw__otlp_http_forget(struct tw__otlp_http *http);

/* Begins a request. body stays where it is until the result. False: TW__OTLP_AT_ONCE are running, or no memory. */
bool tw__otlp_http_post(struct tw__otlp_http *http, const void *body, size_t len, void *tag);

/* Goes on with all of them, waiting at most wait_ns for something to happen. Calls done for each that has ended. */
void tw__otlp_http_work(struct tw__otlp_http *http, uint64_t wait_ns,
                        void (*done)(void *data, const struct tw__otlp_result *result), void *data);

#endif
