// peer: what the peers have in common: an http server and client that know nothing of tracing.
'use strict';
const http = require('http');

function get(url) {
    return new Promise((resolve, reject) => {
        http.get(url, (answer) => {
            let body = '';
            answer.setEncoding('utf8');
            answer.on('data', (piece) => { body += piece; });
            answer.on('end', () => resolve({ status: answer.statusCode, body }));
        }).on('error', reject);
    });
}

function reply(response, status, body) {
    response.writeHead(status, { 'Content-Type': 'text/plain' });
    response.end(body);
}

// Everything that came in headers, so that a test can see what was handed on.
function headers(request) {
    const lines = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2)
        lines.push(`${request.rawHeaders[i].toLowerCase()}: ${request.rawHeaders[i + 1]}\n`);
    return lines.join('');
}

function answer(request, response, back) {
    const status = /^\/status\/(\d+)/.exec(request.url);
    if (status) return reply(response, Number(status[1]), 'as asked\n');
    if (!request.url.startsWith('/call/')) return reply(response, 200, headers(request));
    return get(`${back}/${request.url.slice('/call/'.length)}`)
        .then((got) => reply(response, got.status, got.body))
        .catch((error) => reply(response, 502, `${error.message}\n`));
}

exports.run = ({ visit, serve, flush }) => {
    const [, , mode, url] = process.argv;
    const finish = () => flush().then(() => process.exit(0));
    if (mode === 'client') {
        visit(() => get(url)).then((got) => {
            process.stdout.write(got.body);
            return finish();
        }).catch((error) => {
            console.error(error);
            process.exit(1);
        });
        return;
    }
    const server = http.createServer((request, response) => serve(request, response, () => answer(request, response, url)));
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
    process.stdin.resume();
    process.stdin.on('end', finish);
};
