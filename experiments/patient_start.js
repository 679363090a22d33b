// NNI's manager gives a tuner 10 seconds to start and connect, and else ends the experiment. That is too short on a busy
// machine, where Python may take that long to import NNI and the tuner. With this it waits for two minutes.
// Used through NODE_OPTIONS, as listen_locally.js is; whoever watches the experiment sees a tuner that has died.
const start = globalThis.setTimeout;

const patient = (callback, milliseconds, ...rest) =>
    start(callback, String(callback).includes('Tuner did not connect') ? 120000 : milliseconds, ...rest);

globalThis.setTimeout = Object.defineProperties(patient, Object.getOwnPropertyDescriptors(start));
