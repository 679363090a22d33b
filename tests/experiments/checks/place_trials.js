// NNI's own GPU scheduler on GPUs that the input describes; no process is started, and no GPU is looked at.
// node place_trials.js FOLDER_OF_NNI_NODE < CASES: a JSON list of {gpus, usable, gpuNumber}; prints for each how many
// trials the scheduler places side by side, however often one of them ends and another takes its place.
const Module = require('module');
const path = require('path');

const folder = process.argv[2];
const quiet = new Proxy({}, { get: () => () => {} });
const stubs = {
    'common/log': { getLogger: () => quiet },
    'common/pythonScript': { runPythonModule: () => { throw new Error('no process may start'); } },
};
const load = Module._load;
Module._load = (request, ...others) => stubs[request] ?? load(request, ...others);
const { TaskScheduler, UnitTestHelpers } = require(path.join(folder, 'common/trial_keeper/task_scheduler/scheduler.js'));

const MOST = 12;

async function places({ gpus, usable, gpuNumber }) {
    const all = [...Array(gpus).keys()];
    // Every GPU is in use all the time: by the trials.
    const processes = all.map(gpuIndex => ({ pid: 1, gpuIndex, type: 'compute' }));
    UnitTestHelpers.mockGpuInfo({ gpuNumber: gpus, gpus: all.map(index => ({ index })), processes });
    const scheduler = new TaskScheduler();
    await scheduler.init();
    const place = async trial => {
        try {
            const restrictions = { onlyUseIndices: usable, rejectActive: false };
            return (await scheduler.schedule('experiment', String(trial), gpuNumber, restrictions)) !== null;
        } catch {
            return false; // NNI tries again, as it does after null
        }
    };
    let placed = 0;
    while (placed < MOST && await place(placed)) {
        placed += 1;
    }
    for (let ended = 0; ended < placed; ended += 1) {
        await scheduler.release('experiment', String(ended));
        if (!await place(ended)) {
            return -1;
        }
    }
    return placed;
}

async function main() {
    const answers = [];
    for (const description of JSON.parse(require('fs').readFileSync(0, 'utf8'))) {
        answers.push(await places(description));
    }
    console.log(JSON.stringify(answers));
}

main();
