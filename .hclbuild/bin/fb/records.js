import { OperationError } from "../../evaluation/operator.js";
import { listBlueprintFiles, readBlueprintFile } from "./files.js";
import { EXIT, note, printAnswer, progress, table } from "./output.js";
import { fieldsOf, warnWhenAlone, withStore } from "./store.js";
const JSON_OPTION = ['--json', 'print one JSON object instead of words'];
export function addRecordCommands(program) {
    addOrgCommands(program);
    addKeyCommands(program);
    program.command('import').description('store the shape of blueprint files in an organization, as scenarios')
        .argument('<path...>', 'blueprint files, or folders to walk for *.json')
        .requiredOption('--org <id>', 'organization that owns the scenarios').option(...JSON_OPTION)
        .addHelpText('after', '\nOnly the shape is stored: no value of a module, no pinned or execution data. What a file carries beyond shape is dropped\n' +
        'and its field paths are printed. Exit 1 when nothing was imported, or when a file that you named was refused.\n\nExample:\n  $ fb import --org org_01J… examples/make my-scenario.json')
        .action(async (paths, options) => importPaths(paths, options.org, options.json === true));
    program.command('trace').description('show the audit row behind a watermark').argument('<watermark>', 'wm_… from X-FB-Watermark or meta.watermark')
        .option(...JSON_OPTION).addHelpText('after', '\nExample:\n  $ fb trace wm_0m8x…')
        .action(async (watermark, options) => {
        const row = await withStore((store) => store.run('trace', { watermark }));
        printAnswer(options.json === true, row, () => Object.entries(row).map(([name, value]) => `${name.padEnd(12)} ${String(value ?? '-')}`).join('\n'));
    });
}
function addOrgCommands(program) {
    const org = program.command('org').description('organizations');
    org.command('create').description('create an organization').requiredOption('--name <name>', 'its name').option(...JSON_OPTION)
        .addHelpText('after', '\nExample:\n  $ fb org create --name "Acme"')
        .action(async (options) => {
        const made = fieldsOf(await withStore((store) => store.run('org.create', { name: options.name })));
        printAnswer(options.json === true, made, () => `organization ${String(made['id'])}  ${String(made['name'])}`);
    });
}
function addKeyCommands(program) {
    const key = program.command('key').description('API keys of an organization');
    key.command('create').description('create a key; its value is printed this once and never again')
        .requiredOption('--org <id>', 'organization that the key speaks for').requiredOption('--name <name>', 'what the key is for')
        .requiredOption('--permissions <list>', 'comma-separated: governance:read, governance:evaluate, admin (admin includes both)')
        .option('--ip-allow <cidr>', 'address or range that may use the key; repeat or separate by commas (default: every address)', collect)
        .option('--rpm <n>', 'requests a minute (default: 60)').option('--rph <n>', 'requests an hour (default: 1000)')
        .option('--expires <date>', 'ISO 8601, in the future, such as 2027-01-31T12:00:00Z (default: never)').option(...JSON_OPTION)
        .addHelpText('after', '\nExample:\n  $ fb key create --org org_01J… --name "nightly audit" --permissions governance:read,governance:evaluate --ip-allow 203.0.113.0/24')
        .action(createKey);
    key.command('list').description('list the keys of an organization; only prefixes are known').requiredOption('--org <id>', 'organization').option(...JSON_OPTION)
        .action(async (options) => {
        const answer = await withStore((store) => store.run('key.list', { org: options.org }));
        printAnswer(options.json === true, answer, () => keyTable(fieldsOf(answer)['keys']));
    });
    key.command('revoke').description('revoke a key; no request that begins after this command returned succeeds').argument('<id-or-prefix>', 'key_… or the first 12 characters')
        .option(...JSON_OPTION).addHelpText('after', '\nRepeating the command is safe. Example:\n  $ fb key revoke key_01J…')
        .action(async (wanted, options) => {
        const answer = fieldsOf(await withStore(async (store) => {
            const revoked = await store.run('key.revoke', { key: wanted });
            warnWhenAlone(store);
            return revoked;
        }));
        printAnswer(options.json === true, answer, () => `revoked ${String(answer['id'])}  ${String(answer['prefix'])}…  at ${String(answer['revoked_at'])}`);
    });
}
async function createKey(options) {
    const args = {
        org: options.org,
        name: options.name,
        permissions: splitList([options.permissions]),
        ip_allow: splitList(options.ipAllow ?? []),
        rpm: wholeNumber(options.rpm, '--rpm'),
        rph: wholeNumber(options.rph, '--rph'),
        expires: options.expires
    };
    const made = fieldsOf(await withStore((store) => store.run('key.create', args)));
    printAnswer(options.json === true, made, () => `key ${String(made['id'])}\n\n  ${String(made['key'])}\n\nThis value is shown once; only its digest is stored. ` +
        `Prefix ${String(made['prefix'])}, permissions ${String(made['permissions'])}, expires ${String(made['expires_at'] ?? 'never')}.`);
}
async function importPaths(paths, org, json) {
    const files = await listBlueprintFiles(paths);
    const imported = [];
    const refused = [];
    const bar = progress(files.length, 'importing');
    await withStore(async (store) => {
        // An empty import checks the organization before any file is read.
        await store.run('import', { org, files: [] });
        for (const [index, { path }] of files.entries()) {
            const read = await readBlueprintFile(path);
            if ('refused' in read) {
                refused.push({ path, reason: read.refused });
            }
            else {
                const answer = await store.run('import', { org, files: [{ path, text: read.text }] });
                imported.push(...answer.imported);
                refused.push(...answer.refused);
            }
            bar.step(index + 1);
        }
    });
    bar.done();
    printAnswer(json, { imported, refused }, () => describeImport(imported, refused));
    const named = new Set(files.filter(({ isNamed }) => isNamed).map(({ path }) => path));
    if (imported.length === 0)
        note('fb: nothing was imported');
    if (imported.length === 0 || refused.some(({ path }) => named.has(path)))
        process.exitCode = EXIT.failed;
}
function describeImport(imported, refused) {
    const lines = imported.flatMap((file) => [
        `imported  ${file.id}  ${file.platform.padEnd(4)}  ${String(file.modules).padStart(3)} modules  ${file.path}${file.problems > 0 ? `  (${file.problems} parts not understood)` : ''}`,
        ...file.dropped.map((pointer) => `          dropped ${pointer}`)
    ]);
    return [...lines, ...refused.map(({ path, reason }) => `refused   ${path}: ${reason}`), `${imported.length} imported, ${refused.length} refused`].join('\n');
}
function keyTable(keys) {
    if (!Array.isArray(keys) || keys.length === 0)
        return 'no keys';
    const columns = ['id', 'prefix', 'name', 'permissions', 'state', 'rpm', 'rph', 'ip_allow', 'expires_at'];
    return table(columns, keys.map((key) => columns.map((column) => cell(key[column]))));
}
function cell(value) {
    const text = Array.isArray(value) ? value.join(',') : String(value ?? '');
    return text === '' ? '-' : text;
}
function collect(value, before = []) {
    return [...before, value];
}
function splitList(values) {
    return values.flatMap((value) => value.split(',')).map((one) => one.trim()).filter((one) => one !== '');
}
function wholeNumber(text, option) {
    if (text === undefined)
        return undefined;
    if (!/^\d{1,9}$/.test(text))
        throw new OperationError('usage', `${option} must be a whole number`);
    return Number(text);
}
//# sourceMappingURL=records.js.map