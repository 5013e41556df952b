// xray_peer: a program traced by the AWS X-Ray SDK for JavaScript, in automatic mode with captured http.
//
//     node xray_peer.js server [BACK] | client URL        as peer.js says
//
// AWS_XRAY_DAEMON_ADDRESS as usual. PEER_SAMPLED: 0 or 1 for roots; a caller's decision is followed.
'use strict';
const AWSXRay = require('aws-xray-sdk-core');
AWSXRay.middleware.disableCentralizedSampling();
AWSXRay.middleware.setSamplingRules({
    version: 2,
    rules: [],
    default: { fixed_target: process.env.PEER_SAMPLED === '0' ? 0 : 1000, rate: process.env.PEER_SAMPLED === '0' ? 0 : 1 },
});
AWSXRay.captureHTTPsGlobal(require('http'), true);
const name = process.env.AWS_XRAY_TRACING_NAME;
AWSXRay.middleware.setDefaultName(name);

// What aws-xray-sdk-express does for a request.
function serve(request, response, work) {
    response.header = (key, value) => response.setHeader(key, value);
    const segment = AWSXRay.middleware.traceRequestResponseCycle(request, response);
    const namespace = AWSXRay.getNamespace();
    namespace.bindEmitter(request);
    namespace.bindEmitter(response);
    namespace.run(() => {
        AWSXRay.setSegment(segment);
        work();
    });
}

function visit(work) {
    const segment = new AWSXRay.Segment(name);
    segment.notTraced = process.env.PEER_SAMPLED === '0';
    return AWSXRay.getNamespace().runAndReturn(() => {
        AWSXRay.setSegment(segment);
        return work().finally(() => segment.close());
    });
}

require('./peer').run({ visit, serve, flush: () => new Promise((done) => setTimeout(done, 200)) });
