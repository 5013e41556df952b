/* settings: everything that can be configured, in one table.
 *
 *     X(id, variables, default, field, text)
 *
 *     variables   ours first, then those of others that are honoured where ours are not set; the first that is not
 *                 empty counts
 *     default     as it would be written; "" is nothing, or what text says
 *     field       of struct tw_config, which wins where set; "" there is none, only tw_config.variables
 *
 * env.c reads it, tools/write_configuration makes docs/configuration.md of it, and CI compares both. A new setting is a
 * line here; its text is reached with tw__setting. */
#ifndef TW_TRACE_SETTINGS_H
#define TW_TRACE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define TW__SETTING_TABLE(X) \
    X(ON, "TRACKWAY", "on", "off", "off: record nothing") \
    X(SDK_DISABLED, "OTEL_SDK_DISABLED", "false", "", "true: record nothing, unless TRACKWAY says something") \
    X(SERVICE, "TRACKWAY_SERVICE OTEL_SERVICE_NAME", "", "service", "name of the service; default service.name of the resource, then the program's name") \
    X(RESOURCE, "TRACKWAY_RESOURCE OTEL_RESOURCE_ATTRIBUTES", "", "", "what exporters say of the process beside its service: key=value,key=value, percent-encoded") \
    X(ARENA, "TRACKWAY_ARENA", "16M", "arena_bytes", "memory for records, with K, M or G; 512K to 4G") \
    X(DIR, "TRACKWAY_DIR", "", "dir", "folder of the segment; default /dev/shm/trackway-UID") \
    X(KEEP, "TRACKWAY_KEEP", "off", "keep_file", "on: keep the segment's file on a clean exit") \
    X(KEEP_DEAD, "TRACKWAY_KEEP_DEAD", "16", "", "recordings of dead processes that stay in the folder: when a process begins one, the oldest beyond that go; 0: all stay") \
    X(DIAGNOSTICS, "TRACKWAY_DIAGNOSTICS", "", "", "file to which is appended what cannot be used, and why nothing is recorded; /dev/stderr, /dev/stdout and /dev/fd/N are the descriptor itself; no symbolic link but to a device, at most 511 bytes; default nowhere") \
    X(PAYLOAD, "TRACKWAY_PAYLOAD", "0", "payload_max", "bytes of each message to keep") \
    X(TSC, "TRACKWAY_TSC", "on", "", "off: read the kernel's clock even where the TSC can be trusted") \
    X(LOG_LEVEL, "TRACKWAY_LOG_LEVEL", "info", "", "the least severe lines that are recorded: debug, info, notice, warning, error, critical, alert, emergency or none") \
    X(RANDOM_IDS, "TRACKWAY_RANDOM_IDS", "off", "random_trace_ids", "on: fully random trace ids, without the time in front") \
    X(SAMPLE_RATE, "TRACKWAY_SAMPLE_RATE", "", "sample_rate", "share of the traces begun here that is exported, 0 to 1; default 1") \
    X(SAMPLER, "TRACKWAY_SAMPLER OTEL_TRACES_SAMPLER", "", "", "rate=0.1, always_on, always_off, traceidratio, parentbased_..., xray:/path/rules.json, xray-central; where no rate is set") \
    X(SAMPLER_ARG, "OTEL_TRACES_SAMPLER_ARG", "", "", "rate of traceidratio and parentbased_traceidratio") \
    X(PROPAGATORS, "TRACKWAY_PROPAGATORS OTEL_PROPAGATORS", "", "", "formats of the context, read in this order and written: tracecontext, xray, b3, b3multi, baggage, none; default tracecontext,xray,b3,baggage read, tracecontext,baggage written") \
    X(PROPAGATORS_READ, "TRACKWAY_PROPAGATORS_READ", "", "", "the same, only of what is read") \
    X(PROPAGATORS_WRITE, "TRACKWAY_PROPAGATORS_WRITE", "", "", "the same, only of what is written") \
    X(CONTEXT_MISSING, "TRACKWAY_CONTEXT_MISSING AWS_XRAY_CONTEXT_MISSING", "ignore", "", "a subsegment outside of a trace: ignore (IGNORE_ERROR); diagnose (LOG_ERROR, RUNTIME_ERROR): told once for each place in the source; root: begins a trace") \
    X(EXPORTER, "TRACKWAY_EXPORTER OTEL_TRACES_EXPORTER", "none", "exporter", "exporters by name, with commas: none, file, network_lossy, xray, otlp") \
    X(FILE, "TRACKWAY_FILE", "", "", "file: its path; default trackway-SERVICE-PID.jsonl in the current folder") \
    X(FILE_MAX, "TRACKWAY_FILE_MAX", "0", "", "file: begin a new one when it has so many bytes, with K, M or G; 0 never") \
    X(FDB, "TRACKWAY_FDB", "127.0.0.1:8889", "", "network_lossy: host:port, [IPv6]:port") \
    X(FDB_LAYOUT, "TRACKWAY_FDB_LAYOUT", "7", "", "network_lossy: elements of a datagram: 7 (and 8 with parents), or 12") \
    X(XRAY_DAEMON, "TRACKWAY_XRAY_DAEMON AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000", "", "xray, and the sampler xray-central: host:port, or tcp:host:port udp:host:port") \
    X(XRAY_NAME, "TRACKWAY_XRAY_NAME AWS_XRAY_TRACING_NAME", "", "", "xray: name of segments instead of their spans' own") \
    X(XRAY_CHILDREN, "TRACKWAY_XRAY_CHILDREN", "alone", "", "xray: alone: each span is a document; embedded: children stand in their segment's") \
    X(XRAY_HOLD, "TRACKWAY_XRAY_HOLD", "1s", "", "xray: how long embedded children wait for their parent to end") \
    X(XRAY_OPEN_AFTER, "TRACKWAY_XRAY_OPEN_AFTER", "1s", "", "xray: spans that take longer are sent in progress first; 0 never") \
    X(OTLP_ENDPOINT, "TRACKWAY_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "", "otlp: the whole URL; default the next line's and /v1/traces") \
    X(OTLP_BASE, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", "", "otlp: URL to which /v1/traces is added") \
    X(OTLP_PROTOCOL, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "", "otlp: there is no other; grpc and http/json are told in the diagnostics") \
    X(OTLP_HEADERS, "TRACKWAY_OTLP_HEADERS OTEL_EXPORTER_OTLP_TRACES_HEADERS OTEL_EXPORTER_OTLP_HEADERS", "", "", "otlp: key=value,key=value, percent-encoded") \
    X(OTLP_COMPRESSION, "TRACKWAY_OTLP_COMPRESSION OTEL_EXPORTER_OTLP_TRACES_COMPRESSION OTEL_EXPORTER_OTLP_COMPRESSION", "none", "", "otlp: none or gzip") \
    X(OTLP_TIMEOUT, "TRACKWAY_OTLP_TIMEOUT OTEL_EXPORTER_OTLP_TRACES_TIMEOUT OTEL_EXPORTER_OTLP_TIMEOUT", "10000", "", "otlp: for one request; milliseconds, or with ms, s, m") \
    X(OTLP_CERTIFICATE, "TRACKWAY_OTLP_CERTIFICATE OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE OTEL_EXPORTER_OTLP_CERTIFICATE", "", "", "otlp: file of authorities that the receiver's certificate is checked with; default the system's") \
    X(OTLP_CLIENT_CERTIFICATE, "TRACKWAY_OTLP_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "", "", "otlp: file of the certificate to show") \
    X(OTLP_CLIENT_KEY, "TRACKWAY_OTLP_CLIENT_KEY OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY OTEL_EXPORTER_OTLP_CLIENT_KEY", "", "", "otlp: file of its private key") \
    X(OTLP_BATCH, "TRACKWAY_OTLP_BATCH", "512K", "", "otlp: bytes of a request, before compression; 16K to 64M") \
    X(OTLP_AGE, "TRACKWAY_OTLP_AGE", "1s", "", "otlp: a request that is not full is sent after this time")
/* clang-format on */

enum tw__setting {
#define TW__SETTING_ENUM(id, variables, usual, field, text) TW__SETTING_##id,
    TW__SETTING_TABLE(TW__SETTING_ENUM)
#undef TW__SETTING_ENUM
        TW__SETTING_COUNT
};

enum { TW__SETTINGS_ROOM = 8192 };

/* The texts that are in force: own copies, so that a forked child can begin anew with the same. */
struct tw__texts {
    uint16_t at[TW__SETTING_COUNT];
    uint16_t used;
    char room[TW__SETTINGS_ROOM];
};

#endif
