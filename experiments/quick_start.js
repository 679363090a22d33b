// NNI's manager starts Python processes of NNI, among them the tuner's. With this they import NNI several times faster.
// Used through NODE_OPTIONS, as listen_locally.js is.
const childProcess = require('child_process');
const path = require('path');

const QUICK = path.join(__dirname, '..', 'nni_api', 'quick_nni.py');

const spawn = childProcess.spawn;
childProcess.spawn = (command, words, options, ...rest) => {
    const ofNni = Array.isArray(words) && words[0] === '-m' && /^nni(\.|$)/.test(words[1]);
    const file = options?.shell ? `'${QUICK.replaceAll("'", "'\\''")}'` : QUICK;
    return spawn(command, ofNni ? [file, ...words.slice(1)] : words, options, ...rest);
};
