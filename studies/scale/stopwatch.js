// Times what NNI's manager does, and appends it to the file $G2L_STOPWATCH: what, how many of it, and how many milliseconds
// they took together. The manager begins things before others are done, which then wait for it or for its database. Here
// each counts from the end of the one before, as if it did one thing after another: the sum is the time it was at work.
// Used through NODE_OPTIONS="--require .../stopwatch.js".
const fs = require('fs');
const Module = require('module');

let done = 0; // when the last thing was

function note(what, count, began) {
    const now = performance.now();
    fs.appendFileSync(process.env.G2L_STOPWATCH, `${what} ${count} ${(now - Math.max(began, done)).toFixed(3)}\n`);
    done = now;
}

function timed(owner, method, what, countOf = () => 1) {
    const untimed = owner.prototype[method];
    owner.prototype[method] = async function (...words) {
        const began = performance.now();
        const result = await untimed.apply(this, words);
        note(what, countOf(result), began);
        return result;
    };
}

let created; // when the last trial began to be started

function noting(owner) {
    const create = owner.prototype.createTrial;
    owner.prototype.createTrial = function (...words) {
        created = performance.now();
        return create.apply(this, words);
    };
}

const HOOKS = {
    NNIManager: owner => {
        timed(owner, 'requestTrialJobsStatus', 'end', count => count);
        timed(owner, 'onTrialJobMetrics', 'report');
    },
    NNIDataStore: owner => {
        timed(owner, 'listTrialJobs', 'listing', jobs => jobs.length);
        const store = owner.prototype.storeTrialJobEvent;
        owner.prototype.storeTrialJobEvent = async function (...words) {
            await store.apply(this, words);
            if (words[2] !== undefined && created !== undefined) { // with its parameters: the last step of a submission
                note('submission', 1, created);
            }
        };
    },
    LocalTrainingServiceV3: noting,
    RemoteTrainingServiceV3: noting,
    Worker: owner => { // another machine
        timed(owner, 'start', 'machine');
        timed(owner, 'upload', 'upload');
    },
};

const load = Module._load;
Module._load = function (...words) {
    const loaded = load.apply(this, words);
    for (const [name, hook] of Object.entries(HOOKS)) {
        if (loaded !== null && typeof loaded === 'object' && typeof loaded[name] === 'function' && !loaded[name].timed) {
            loaded[name].timed = true;
            hook(loaded[name]);
        }
    }
    return loaded;
};
