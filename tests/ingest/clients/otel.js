// otel: spans by the OpenTelemetry SDK for JavaScript, sent as its documentation sets it up.
//
//     node otel.js proto|json|grpc none|gzip URL COUNT [TOKEN]
//
// Sends COUNT traces of three spans: a server, a client under it with a link, an event and tags of each type, and a failed one.
// Prints the trace ids; exit code 1 when the exporter reports a failure.
'use strict';
const { trace, SpanKind, SpanStatusCode, diag, DiagLogLevel } = require('@opentelemetry/api');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { resourceFromAttributes } = require('@opentelemetry/resources');

const [form, compression, url, count, token] = process.argv.slice(2);
const { OTLPTraceExporter } = require({
    proto: '@opentelemetry/exporter-trace-otlp-proto',
    json: '@opentelemetry/exporter-trace-otlp-http',
    grpc: '@opentelemetry/exporter-trace-otlp-grpc',
}[form]);

let failed = false;
const complain = (text) => { failed = true; process.stderr.write(`${text}\n`); };
diag.setLogger({ error: complain, warn: complain, info() {}, debug() {}, verbose() {} }, DiagLogLevel.WARN);

const options = { url, compression };
if (token && form !== 'grpc') options.headers = { authorization: `Bearer ${token}` };
if (token && form === 'grpc') {
    const { Metadata } = require('@grpc/grpc-js');
    options.metadata = new Metadata();
    options.metadata.set('authorization', `Bearer ${token}`);
}
const exporter = new OTLPTraceExporter(options);
const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': `otel-${form}`, 'numbers': [1, 2, 3] }),
    spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: 100000, maxExportBatchSize: 512 })],
});
provider.register();
const tracer = trace.getTracer('clients', '1.0');
for (let i = 0; i < Number(count); i++) {
    tracer.startActiveSpan('GET /cart', { kind: SpanKind.SERVER }, (server) => {
        const links = [{ context: server.spanContext(), attributes: { why: 'test' } }];
        const attributes = { text: 'caf\u00e9 \ud83d\ude00', int: 42, half: 0.5, yes: true, list: ['a', 'b'], large: 9007199254740991 };
        tracer.startActiveSpan('SELECT', { kind: SpanKind.CLIENT, links, attributes }, (client) => {
            client.addEvent('cache.miss', { key: 'cart' });
            client.end();
        });
        const bad = tracer.startSpan('pay');
        bad.recordException(new Error('no money'));
        bad.setStatus({ code: SpanStatusCode.ERROR, message: 'no money' });
        bad.end();
        console.log(server.spanContext().traceId);
        server.end();
    });
}
provider.forceFlush().catch((error) => complain(String(error))).then(() => provider.shutdown()).then(() => process.exit(failed ? 1 : 0));
