// customer SHOP: a customer of the shop, traced by the OpenTelemetry SDK for JavaScript as its documentation sets it up:
// instrumentation of http, W3C propagation, export over OTLP. Nothing here knows of Trackway.
//
//     OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 NODE_PATH=.../node_modules node customer.js http://127.0.0.1:8080
//
// Prints the trace id. The packages and their versions are those of tests/interop/package.json.
'use strict';
const { trace, SpanStatusCode } = require('@opentelemetry/api');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto');

const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'shop-customer' }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();
registerInstrumentations({
    instrumentations: [new HttpInstrumentation({ ignoreOutgoingRequestHook: (options) => /v1\/traces/.test(options.path || '') })],
});

const http = require('http'); // after the instrumentation, which wraps it
const tracer = trace.getTracer('customer');
const shop = process.argv[2];

function ask(method, path, headers = {}) {
    return new Promise((resolve, reject) => {
        http.request(shop + path, { method, headers }, (answer) => {
            answer.resume();
            answer.on('end', () => resolve(answer.statusCode));
        }).on('error', reject).end();
    });
}

async function visit(span) {
    span.setAttribute('customer.name', 'Ann');
    await ask('GET', '/basket/3,14,15');
    await ask('POST', '/order/14?quantity=2');
    const status = await ask('POST', '/pay/14', { 'X-Card': '4111111111111112' }); // a digit is wrong
    if (status !== 200) span.setStatus({ code: SpanStatusCode.ERROR, message: `not paid: ${status}` });
}

tracer.startActiveSpan('visit', (span) => visit(span).finally(() => span.end())
    .then(() => console.log(span.spanContext().traceId)))
    .catch((error) => {
        console.error(error.message);
        process.exitCode = 1;
    })
    .finally(() => provider.shutdown());
