// NNI's web server has no login and no --host option, and answers whoever reaches it. With this
// - it listens on this machine only, likewise the TensorBoard that its TensorBoard button starts with --bind_all;
// - it answers processes of its own user and of root only (on Linux, whose /proc/net tells whose a connection is);
// - it answers no name but those of this machine (a name of somebody else can be made to point here: DNS rebinding),
//   and no requests that pages of other sites make in a browser;
// - it starts its own experiment, and no second one that another nnictl takes it for.
// Used through NODE_OPTIONS="--require .../listen_locally.js", which nnictl hands to NNI's manager (a node process).
const childProcess = require('child_process');
const fs = require('fs');
const http = require('http');
const net = require('net');

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
    const hostMissing = typeof port === 'number' && typeof rest[0] !== 'string';
    return listen.call(this, port, ...(hostMissing ? ['127.0.0.1', ...rest] : rest));
};

const spawn = childProcess.spawn;
childProcess.spawn = (command, words, ...rest) => {
    const local = command === 'tensorboard' ? words.map(word => word.replace('--bind_all', '--host=127.0.0.1')) : words;
    return spawn(command, local, ...rest);
};

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, first, second, ...rest) {
    if (event === 'connection' && !isOfThisUser(first)) {
        const socket = first;
        refuse(socket, `NNI answers the user who started it (uid ${process.getuid()}) and root only`);
        socket.setTimeout(1000, () => socket.destroy());
        socket.on('error', () => socket.destroy());
        socket.resume(); // closed with something unread, it would be reset before our answer is read
        return true;
    }
    const fault = ['request', 'upgrade'].includes(event) && faultOf(first);
    if (fault && event === 'upgrade') {
        refuse(second, fault);
        return true;
    }
    if (fault) {
        second.writeHead(403, { 'Content-Type': 'text/plain', 'Connection': 'close' }).end(`${fault}\n`);
        return true;
    }
    return emit.call(this, event, first, second, ...rest);
};

function refuse(socket, fault) {
    const head = `HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: ${fault.length + 1}\r\n`;
    socket.end(`${head}Connection: close\r\n\r\n${fault}\n`);
}

let started = false;

// Why a request is refused; null for a good one.
function faultOf(request) {
    const { host = '', origin, 'sec-fetch-site': site, 'sec-fetch-dest': destination } = request.headers;
    if (!/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host)) {
        return 'NNI answers here as localhost, 127.0.0.1 or [::1] only';
    }
    // A link on another site may open the page, but not within a frame.
    const isLink = request.method === 'GET' && destination === 'document' && origin === undefined;
    const ofOtherSite = ![undefined, 'same-origin', 'none'].includes(site) && !isLink;
    if (ofOtherSite || ![undefined, `http://${host}`].includes(origin)) {
        return 'NNI answers no requests of other sites';
    }
    if (request.method === 'POST' && request.url.endsWith('/api/v1/nni/experiment')) {
        if (started) {
            return 'another experiment runs on this port';
        }
        started = true;
    }
    return null;
}

const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'].filter(isReadable);
const IPV4_IN_IPV6 = '0000000000000000FFFF0000';

// Whether the other end of a connection over this machine's loopback belongs to this user, or to root. The system looks
// through all of its table for it, which takes 10 to 15 ms where there is memory for 262144 connections.
function isOfThisUser(socket) {
    if (TABLES.length === 0) {
        return true;
    }
    const there = asInTables(socket.remoteAddress, socket.remotePort);
    const here = asInTables(socket.localAddress, socket.localPort);
    const rows = [`: ${there} ${here} `, `: ${IPV4_IN_IPV6}${there} ${IPV4_IN_IPV6}${here} `];
    for (const path of [...TABLES, ...TABLES]) { // twice, as a table that changes while it is read can lack a row
        const found = linesOf(path).find(line => rows.some(row => line.includes(row)));
        if (found !== undefined) {
            const fields = found.trim().split(/\s+/);
            const [uid, inode] = [Number(fields[7]), fields[9]];
            // A connection that its process has closed seems to be root's, but has no inode.
            return inode !== '0' && [0, process.getuid()].includes(uid);
        }
    }
    return false;
}

function isReadable(path) {
    try {
        fs.accessSync(path, fs.constants.R_OK);
        return true;
    } catch {
        return false;
    }
}

function linesOf(path) {
    try {
        return fs.readFileSync(path, 'latin1').split('\n');
    } catch { // too many open files: nobody is let in before their user is known
        return [];
    }
}

function asInTables(address = '', port = 0) {
    const hex = (number, digits) => Number(number).toString(16).toUpperCase().padStart(digits, '0');
    const bytes = address.split('.').reverse().map(byte => hex(byte, 2));
    return `${bytes.join('')}:${hex(port, 4)}`;
}
