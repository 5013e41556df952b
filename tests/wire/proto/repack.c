/* repack: reads an ExportTraceServiceRequest from standard input with protobuf-c, packs it again and writes it out.
 * What we wrote comes back byte for byte exactly when protobuf-c understood every field and would have written it in
 * the same way. Compiled by test_otlp_protoc.py. */
#include <stdio.h>

#include "trace.pb-c.h"

static uint8_t in[16 << 20], out[16 << 20];

int main(void)
{
    size_t len = fread(in, 1, sizeof in, stdin);
    Otlp__ExportTraceServiceRequest *request = otlp__export_trace_service_request__unpack(NULL, len, in);
    if (!request || otlp__export_trace_service_request__get_packed_size(request) > sizeof out) return 1;
    len = otlp__export_trace_service_request__pack(request, out);
    otlp__export_trace_service_request__free_unpacked(request, NULL);
    return fwrite(out, 1, len, stdout) == len ? 0 : 1;
}
