// xray_client: what the AWS X-Ray SDK for JavaScript sends to the door and asks of it.
//
//     node xray_client.js documents     a web request with children inside it; then one whose children are sent before it
//     node xray_client.js sampling N    decides N times by the door's rules; prints what was decided, as JSON
//
// AWS_XRAY_DAEMON_ADDRESS as usual. The SDK is found through NODE_PATH.
'use strict';
const AWSXRay = require('aws-xray-sdk-core');

function request(name) {
    const segment = new AWSXRay.Segment(name);
    segment.http = { request: { method: 'GET', url: 'http://h/q', client_ip: '127.0.0.1', user_agent: '' }, response: { status: 503 } };
    segment.addAnnotation('k', 1);
    segment.addAnnotation('b', true);
    segment.addMetadata('m', { a: [1, 2] });
    segment.setUser('u1');
    const db = segment.addNewSubsegment('db');
    db.namespace = 'remote';
    db.addSqlData({ url: 'pg://h/db', sanitized_query: 'select ?', database_type: 'PostgreSQL' });
    db.addNewSubsegment('inside').close();
    db.close();
    segment.addNewSubsegment('bad').close(new Error('bad thing'));
    segment.addFaultFlag();
    return segment;
}

function documents() {
    const whole = request('whole');
    whole.close();
    AWSXRay.setStreamingThreshold(0);
    const pieces = request('pieces');
    setTimeout(() => {
        pieces.close();
        console.log(JSON.stringify({ whole: whole.trace_id, pieces: pieces.trace_id }));
        setTimeout(() => process.exit(0), 300);
    }, 200);
}

function sampling(count) {
    const sampler = require('aws-xray-sdk-core/dist/lib/middleware/sampling/default_sampler');
    const decided = [];
    sampler.start();
    setTimeout(() => {
        for (let i = 0; i < count; i++) decided.push(String(sampler.shouldSample({ host: 'h', httpMethod: 'GET', urlPath: '/cart/1', serviceName: 's' })));
    }, 1500);
    setTimeout(() => {
        console.log(JSON.stringify(decided));
        process.exit(0);
    }, 12500); // the SDK reports every 10 s
}

if (process.argv[2] === 'documents') documents();
else sampling(Number(process.argv[3]));
