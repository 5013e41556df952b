// zipkin: spans by the OpenTelemetry SDK for JavaScript, sent by its exporter for Zipkin.
//
//     node zipkin.js URL COUNT
//
// Sends COUNT traces of three spans: a server, a client under it, and a failed one. Prints the trace ids; exit code 1 when the
// exporter reports a failure.
'use strict';
const { trace, SpanKind, SpanStatusCode, diag, DiagLogLevel } = require('@opentelemetry/api');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { ZipkinExporter } = require('@opentelemetry/exporter-zipkin');

const [url, count] = process.argv.slice(2);
let failed = false;
const complain = (text) => { failed = true; process.stderr.write(`${text}\n`); };
diag.setLogger({ error: complain, warn: complain, info() {}, debug() {}, verbose() {} }, DiagLogLevel.ERROR);
const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'otel-zipkin' }),
    spanProcessors: [new BatchSpanProcessor(new ZipkinExporter({ url }), { maxQueueSize: 100000, maxExportBatchSize: 512 })],
});
provider.register();
const tracer = trace.getTracer('clients', '1.0');
for (let i = 0; i < Number(count); i++) {
    tracer.startActiveSpan('GET /cart', { kind: SpanKind.SERVER }, (server) => {
        tracer.startActiveSpan('SELECT', { kind: SpanKind.CLIENT, attributes: { text: 'caf\u00e9', int: 42 } }, (client) => {
            client.addEvent('cache.miss');
            client.end();
        });
        const bad = tracer.startSpan('pay');
        bad.setStatus({ code: SpanStatusCode.ERROR, message: 'no money' });
        bad.end();
        console.log(server.spanContext().traceId);
        server.end();
    });
}
provider.forceFlush().catch((error) => complain(String(error))).then(() => provider.shutdown()).then(() => process.exit(failed ? 1 : 0));
