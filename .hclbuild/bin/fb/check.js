import { checkText } from "../../evaluation/check.js";
import { CATALOGUE_VERSION } from "../../evaluation/rules/index.js";
import { OperationError } from "../../evaluation/operator.js";
import { listBlueprintFiles, readBlueprintFile } from "./files.js";
import { EXIT, note, printAnswer, progress } from "./output.js";
const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'];
export function addCheckCommand(program) {
    program.command('check').description('judge blueprint files offline, without any server')
        .argument('<path...>', 'blueprint files, or folders to walk for *.json')
        .option('--fail-on <severity>', `exit 1 when a finding is at least this severe: ${SEVERITIES.join(', ')}, none`, 'none')
        .option('--json', 'print one JSON object instead of words')
        .addHelpText('after', '\nExit codes: 0 judged, and nothing reached --fail-on; 1 something did, or a file that you named was refused while --fail-on is set;\n' +
        '2 the command line was wrong.\n\nExamples:\n  $ fb check examples\n  $ fb check --fail-on high --json scenario.json | jq \'.files[].score\'')
        .action(check);
}
async function check(paths, options) {
    const threshold = readThreshold(options.failOn);
    const listed = await listBlueprintFiles(paths);
    if (listed.length === 0)
        note('fb: no *.json file was found');
    const files = [];
    let isFailed = false;
    const bar = progress(listed.length, 'judging');
    for (const [index, { path, isNamed }] of listed.entries()) {
        const read = await readBlueprintFile(path);
        const file = 'refused' in read ? { path, refused: read.refused } : checkText(path, read.text);
        files.push(file);
        isFailed ||= threshold !== 'none' && (reaches(file, threshold) || (isNamed && file.refused !== undefined));
        bar.step(index + 1);
    }
    bar.done();
    printAnswer(options.json === true, { catalogue_version: CATALOGUE_VERSION, files }, () => describe(files));
    if (isFailed)
        process.exitCode = EXIT.failed;
}
function readThreshold(text) {
    const known = [...SEVERITIES, 'none'].find((one) => one === text);
    if (known === undefined)
        throw new OperationError('usage', `--fail-on must be one of ${SEVERITIES.join(', ')}, none`);
    return known;
}
function reaches(file, threshold) {
    const limit = SEVERITIES.indexOf(threshold);
    return (file.violations ?? []).some(({ severity }) => SEVERITIES.indexOf(severity) <= limit);
}
function describe(files) {
    const judged = files.filter(({ refused }) => refused === undefined);
    const refused = files.length - judged.length;
    return [...files.map(describeFile), `${judged.length} judged, ${refused} refused; catalogue ${CATALOGUE_VERSION}`].join('\n');
}
function describeFile(file) {
    if (file.refused !== undefined)
        return `${file.path}\n  refused: ${file.refused}\n`;
    const violations = file.violations ?? [];
    const head = `${file.path}\n  ${file.platform ?? ''}, score ${file.score ?? '-'}, ${violations.length === 0 ? 'no findings' : `${violations.length} findings`}`;
    const lines = violations.map(({ severity, code, module, message }) => `  ${severity.padEnd(8)}  ${code.padEnd(7)}  ${module === null ? '' : `${module.name}: `}${message}`);
    return [head, ...lines, ''].join('\n');
}
//# sourceMappingURL=check.js.map