// NNI's web server has no login and no --host option: let it listen on this machine only.
// Used through NODE_OPTIONS="--require .../listen_locally.js", which nnictl hands to NNI's manager (a node process).
const net = require('net');

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
    const hostMissing = typeof port === 'number' && typeof rest[0] !== 'string';
    return listen.call(this, port, ...(hostMissing ? ['127.0.0.1', ...rest] : rest));
};
