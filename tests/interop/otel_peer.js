// otel_peer: a program traced by the OpenTelemetry SDK for JavaScript, as its documentation sets it up: instrumentation of http,
// W3C propagation, export over OTLP.
//
//     node otel_peer.js server [BACK]   answers; /call/PATH gets BACK/PATH first. Prints its port, serves until its input ends
//     node otel_peer.js client URL      a root span "visit" around one request. Prints what came back
//
// PEER_ENCODING: proto or json. PEER_SAMPLED: 0 to sample nothing. OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_SERVICE_NAME as usual.
'use strict';
const { trace } = require('@opentelemetry/api');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { SimpleSpanProcessor, AlwaysOnSampler, AlwaysOffSampler, ParentBasedSampler } = require('@opentelemetry/sdk-trace-base');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { registerInstrumentations } = require('@opentelemetry/instrumentation');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { OTLPTraceExporter } = process.env.PEER_ENCODING === 'json'
    ? require('@opentelemetry/exporter-trace-otlp-http')
    : require('@opentelemetry/exporter-trace-otlp-proto');

const root = process.env.PEER_SAMPLED === '0' ? new AlwaysOffSampler() : new AlwaysOnSampler();
const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': process.env.OTEL_SERVICE_NAME }),
    sampler: new ParentBasedSampler({ root }),
    spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter())],
});
provider.register();
registerInstrumentations({
    tracerProvider: provider,
    instrumentations: [new HttpInstrumentation({ ignoreOutgoingRequestHook: (options) => /v1\/traces/.test(options.path || '') })],
});

require('./peer').run({
    visit: (work) => trace.getTracer('peer').startActiveSpan('visit', (span) => work().finally(() => span.end())),
    serve: (request, response, work) => work(),
    flush: () => provider.forceFlush().then(() => provider.shutdown()),
});
