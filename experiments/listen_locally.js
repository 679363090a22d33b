// NNI's web server has no login and no --host option: let it listen on this machine only; likewise the TensorBoard that
// its TensorBoard button starts with --bind_all.
// Used through NODE_OPTIONS="--require .../listen_locally.js", which nnictl hands to NNI's manager (a node process).
const childProcess = require('child_process');
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
