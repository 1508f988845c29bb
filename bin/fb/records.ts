/** Commands over the records: organizations, keys, imports, watermarks. */
import type { Command } from 'commander'
import { OperationError, type ImportedFile, type OperationName, type RefusedFile } from '../../evaluation/operator.ts'
import { listBlueprintFiles, readBlueprintFile } from './files.ts'
import { EXIT, note, printAnswer, progress, table } from './output.ts'
import { fieldsOf, warnWhenAlone, withStore } from './store.ts'

const JSON_OPTION = ['--json', 'print one JSON object instead of words'] as const

interface JsonOption { json?: boolean }
interface KeyCreateOptions extends JsonOption { org: string, name?: string, permissions?: string, ipAllow?: string[], rpm?: string, rph?: string, expires?: string, canary?: boolean, label?: string, signingProfile?: string }

export function addRecordCommands (program: Command): void {
  addOrgCommands(program)
  addKeyCommands(program)

  program.command('import').description('store the shape of blueprint files in an organization, as scenarios')
    .argument('<path...>', 'blueprint files, or folders to walk for *.json')
    .requiredOption('--org <id>', 'organization that owns the scenarios').option(...JSON_OPTION)
    .addHelpText('after', '\nOnly the shape is stored: no value of a module, no pinned or execution data. What a file carries beyond shape is dropped\n' +
      'and its field paths are printed. Exit 1 when nothing was imported, or when a file that you named was refused.\n\nExample:\n  $ fb import --org org_01J… examples/make my-scenario.json')
    .action(async (paths: string[], options: JsonOption & { org: string }) => importPaths(paths, options.org, options.json === true))
}

function addOrgCommands (program: Command): void {
  const org = program.command('org').description('organizations')
  org.command('create').description('create an organization').requiredOption('--name <name>', 'its name').option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  $ fb org create --name "Acme"')
    .action(async (options: JsonOption & { name: string }) => {
      const made = fieldsOf(await withStore((store) => store.run('org.create', { name: options.name })))
      printAnswer(options.json === true, made, () => `organization ${String(made['id'])}  ${String(made['name'])}`)
    })
}

function addKeyCommands (program: Command): void {
  const key = program.command('key').description('API keys of an organization')
  addSigningCommands(key)
  addChangeCommands(key)
  key.command('create').description('create a key; its value is printed this once and never again')
    .requiredOption('--org <id>', 'organization that the key speaks for').option('--name <name>', 'what the key is for')
    .option('--permissions <list>', 'comma-separated: governance:read, governance:evaluate, admin (admin includes both)')
    .option('--canary', 'a key that never works and says so to nobody: whoever uses it has read the place where it was planted')
    .option('--label <where>', 'where the canary key is planted; stands in the event that its use raises')
    .option('--ip-allow <cidr>', 'address or range that may use the key; repeat or separate by commas (default: every address)', collect)
    .option('--rpm <n>', 'requests a minute (default: 60; at most 100000)').option('--rph <n>', 'requests an hour (default: 1000; at most 100000)')
    .option('--expires <date>', 'ISO 8601, in the future, such as 2027-01-31T12:00:00Z (default: never)')
    .option('--signing-profile <profile>', 'published (default), or hardened: requests are signed with a secret of their own, which is printed this once').option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  $ fb key create --org org_01J… --name "nightly audit" --permissions governance:read,governance:evaluate --ip-allow 203.0.113.0/24\n  $ fb key create --org org_01J… --canary --label "wiki, deployment page"')
    .action(createKey)
  key.command('list').description('list the keys of an organization; only prefixes are known').requiredOption('--org <id>', 'organization').option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  $ fb key list --org org_01J…')
    .action(async (options: JsonOption & { org: string }) => {
      const answer = await withStore((store) => store.run('key.list', { org: options.org }))
      printAnswer(options.json === true, answer, () => keyTable(fieldsOf(answer)['keys']))
    })
  key.command('suspend').description('suspend a key until it is resumed; no request that begins after this command returned succeeds').argument('<id-or-prefix>', 'key_… or the first 12 characters')
    .option('--reason <text>', 'why, for the history of the key').option(...JSON_OPTION).addHelpText('after', '\nIts requests are refused like those of an unknown key. Repeating the command is safe.\n\nExample:\n  $ fb key suspend fb_live_ab12')
    .action(async (wanted: string, options: JsonOption & { reason?: string }) => changeKey('key.suspend', wanted, options))
  key.command('resume').description('undo a suspension, by a person or by anomaly detection').argument('<id-or-prefix>', 'key_… or the first 12 characters')
    .option('--reason <text>', 'why, for the history of the key').option(...JSON_OPTION).addHelpText('after', '\nLook at fb anomalies first: what suspended the key may still be going on.\n\nExample:\n  $ fb key resume key_01J…')
    .action(async (wanted: string, options: JsonOption & { reason?: string }) => changeKey('key.resume', wanted, options))
  key.command('revoke').description('revoke a key; no request that begins after this command returned succeeds').argument('<id-or-prefix>', 'key_… or the first 12 characters')
    .option(...JSON_OPTION).addHelpText('after', '\nA revoked key never works again. Repeating the command is safe.\n\nExample:\n  $ fb key revoke key_01J…')
    .action(async (wanted: string, options: JsonOption) => {
      const answer = fieldsOf(await runAndTell('key.revoke', { key: wanted }))
      printAnswer(options.json === true, answer, () => `revoked ${String(answer['id'])}  ${String(answer['prefix'])}…  at ${String(answer['revoked_at'])}`)
    })
}

function addChangeCommands (key: Command): void {
  key.command('rotate').description('give a key its successor; both work until the grace is over').argument('<id-or-prefix>', 'key_… or the first 12 characters')
    .option('--grace-hours <n>', 'how long the old key works on, 1 to 168', '24').option('--force', 'end a rotation that is under way at once').option('--reason <text>', 'stands in the history of the key').option(...JSON_OPTION)
    .addHelpText('after', '\nThe successor inherits everything, its expiry included, and is printed this once.\n\nExample:\n  $ fb key rotate key_01J… --grace-hours 48')
    .action(async (wanted: string, options: JsonOption & { graceHours: string, force?: boolean, reason?: string }) => {
      const answer = fieldsOf(await runAndTell('key.rotate', { key: wanted, grace_hours: wholeNumber(options.graceHours, '--grace-hours'), force: options.force === true, reason: options.reason }))
      if (typeof answer['warning'] === 'string') note(`warning: ${answer['warning']}`)
      const secret = answer['signing_secret'] === undefined ? '' : `\n  ${String(answer['signing_secret'])}`
      printAnswer(options.json === true, answer, () => `key ${String(answer['id'])}\n\n  ${String(answer['key'])}${secret}\n\nShown this once. ${String(answer['replaced'])} works until ${String(answer['grace_until'])}.`)
    })
  key.command('change').description('change the name, the limits or the allowlist of a key').argument('<id-or-prefix>', 'key_… or the first 12 characters')
    .option('--name <name>', 'what the key is for').option('--rpm <n>', 'requests a minute').option('--rph <n>', 'requests an hour')
    .option('--ip-allow <cidr>', 'address or range that may use the key; repeat or separate by commas; an empty text for every address', collect)
    .option('--confirm', 'also when the list leaves out addresses from which the key was used in the last week').option('--reason <text>', 'stands in the history of the key').option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  $ fb key change key_01J… --rpm 120 --ip-allow 203.0.113.0/24')
    .action(async (wanted: string, options: JsonOption & { name?: string, rpm?: string, rph?: string, ipAllow?: string[], confirm?: boolean, reason?: string }) => {
      const args = { key: wanted, name: options.name, rpm: wholeNumber(options.rpm, '--rpm'), rph: wholeNumber(options.rph, '--rph'), ip_allow: options.ipAllow === undefined ? undefined : splitList(options.ipAllow), confirm: options.confirm === true, reason: options.reason }
      const answer = fieldsOf(await runAndTell('key.change', args))
      printAnswer(options.json === true, answer, () => `changed ${String(answer['id'])}  ${String(answer['rpm'])} a minute, ${String(answer['rph'])} an hour, from ${cell(answer['ip_allow'])}`)
    })
  key.command('events').description('what was done to a key: when, by whom, why').argument('<id-or-prefix>', 'key_… or the first 12 characters').option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  $ fb key events key_01J…')
    .action(async (wanted: string, options: JsonOption) => {
      const answer = fieldsOf(await withStore((store) => store.run('key.events', { key: wanted })))
      const events = Array.isArray(answer['events']) ? answer['events'] as Array<Record<string, unknown>> : []
      const columns = ['at', 'action', 'actor', 'reason', 'notice_days']
      printAnswer(options.json === true, answer, () => events.length === 0 ? 'no events' : table(columns, events.map((event) => columns.map((column) => cell(event[column])))))
    })
}

function addSigningCommands (key: Command): void {
  key.command('rotate-signing-secret').description('give a hardened key a new signing secret; it is printed this once').argument('<id-or-prefix>', 'key_… or the first 12 characters')
    .option('--grace <duration>', 'how long the secret before works on, such as 30m, 24h or 7d (at most), or none', '24h').option('--reason <text>', 'why, for the history of the key').option(...JSON_OPTION)
    .addHelpText('after', '\nAt most two secrets work at a time: a second rotation ends the oldest at once.\n\nExample:\n  $ fb key rotate-signing-secret key_01J… --grace 2h')
    .action(async (wanted: string, options: JsonOption & { grace: string, reason?: string }) => {
      const answer = fieldsOf(await runAndTell('key.rotate-signing-secret', { key: wanted, grace: options.grace, reason: options.reason }))
      if (typeof answer['warning'] === 'string') note(`warning: ${answer['warning']}`)
      printAnswer(options.json === true, answer, () => `signing secret of ${String(answer['id'])}\n\n  ${String(answer['signing_secret'])}\n\nThis value is shown once. ` +
        (answer['previous_until'] === null ? 'The secret before no longer works.' : `The secret before works until ${String(answer['previous_until'])}.`))
    })
  key.command('debug').description('for a time, record what differed in each refused signature of a key').argument('<id-or-prefix>', 'key_… or the first 12 characters')
    .requiredOption('--for <duration>', 'such as 30m (at most 24h), or off').option('--reason <text>', 'why, for the history of the key').option(...JSON_OPTION)
    .addHelpText('after', '\nThe partner sees the published sentences only; the reason stands in the audit row: fb doctor <watermark> reads it.\n\nExample:\n  $ fb key debug fb_live_ab12 --for 30m')
    .action(async (wanted: string, options: JsonOption & { for: string, reason?: string }) => {
      const answer = fieldsOf(await runAndTell('key.debug', { key: wanted, for: options.for, reason: options.reason }))
      printAnswer(options.json === true, answer, () => answer['debug_until'] === null ? `refused signatures of ${String(answer['id'])} are no longer explained` : `refused signatures of ${String(answer['id'])} are explained until ${String(answer['debug_until'])}`)
    })
}

/** Runs an operation that changes a key, and says so when running instances do not learn of it. */
async function runAndTell (operation: OperationName, args: object): Promise<object> {
  return await withStore(async (store) => {
    const changed = await store.run(operation, args)
    warnWhenAlone(store)
    return changed
  })
}

async function changeKey (operation: 'key.suspend' | 'key.resume', wanted: string, options: JsonOption & { reason?: string }): Promise<void> {
  const answer = fieldsOf(await runAndTell(operation, { key: wanted, reason: options.reason }))
  printAnswer(options.json === true, answer, () => `${String(answer['state'])} ${String(answer['id'])}  ${String(answer['prefix'])}…`)
}

async function createKey (options: KeyCreateOptions): Promise<void> {
  const isCanary = options.canary === true
  if (isCanary !== (options.label !== undefined)) throw new OperationError('usage', '--canary and --label belong together')
  if (!isCanary && (options.name === undefined || options.permissions === undefined)) throw new OperationError('usage', 'a key needs --name and --permissions')
  const args = {
    org: options.org,
    name: options.name ?? 'canary',
    permissions: splitList([options.permissions ?? 'governance:read']),
    canary_label: options.label,
    ip_allow: splitList(options.ipAllow ?? []),
    rpm: wholeNumber(options.rpm, '--rpm'),
    rph: wholeNumber(options.rph, '--rph'),
    expires: options.expires,
    signing_profile: options.signingProfile
  }
  const made = fieldsOf(await withStore((store) => store.run('key.create', args)))
  const secret = made['signing_secret'] === undefined ? '' : `signing secret, shown once as well\n\n  ${String(made['signing_secret'])}\n\n`
  printAnswer(options.json === true, made, () => `key ${String(made['id'])}\n\n  ${String(made['key'])}\n\nThis value is shown once; only its digest is stored.\n${secret}` +
    `Prefix ${String(made['prefix'])}, permissions ${String(made['permissions'])}, expires ${String(made['expires_at'] ?? 'never')}.`)
}

async function importPaths (paths: string[], org: string, json: boolean): Promise<void> {
  const files = await listBlueprintFiles(paths)
  const imported: ImportedFile[] = []
  const refused: RefusedFile[] = []
  const bar = progress(files.length, 'importing')
  await withStore(async (store) => {
    // An empty import checks the organization before any file is read.
    await store.run('import', { org, files: [] })
    for (const [index, { path }] of files.entries()) {
      const read = await readBlueprintFile(path)
      if ('refused' in read) {
        refused.push({ path, reason: read.refused })
      } else {
        const answer = await store.run('import', { org, files: [{ path, text: read.text }] }) as { imported: ImportedFile[], refused: RefusedFile[] }
        imported.push(...answer.imported)
        refused.push(...answer.refused)
      }
      bar.step(index + 1)
    }
  })
  bar.done()
  printAnswer(json, { imported, refused }, () => describeImport(imported, refused))
  const named = new Set(files.filter(({ isNamed }) => isNamed).map(({ path }) => path))
  if (imported.length === 0) note('fb: nothing was imported')
  if (imported.length === 0 || refused.some(({ path }) => named.has(path))) process.exitCode = EXIT.failed
}

function describeImport (imported: ImportedFile[], refused: RefusedFile[]): string {
  const lines = imported.flatMap((file) => [
    `imported  ${file.id}  ${file.platform.padEnd(4)}  ${String(file.modules).padStart(3)} modules  ${file.path}${file.problems > 0 ? `  (${file.problems} parts not understood)` : ''}`,
    ...file.dropped.map((pointer) => `          dropped ${pointer}`)
  ])
  return [...lines, ...refused.map(({ path, reason }) => `refused   ${path}: ${reason}`), `${imported.length} imported, ${refused.length} refused`].join('\n')
}

function keyTable (keys: unknown): string {
  if (!Array.isArray(keys) || keys.length === 0) return 'no keys'
  const columns = ['id', 'prefix', 'name', 'permissions', 'state', 'signing_profile', 'rpm', 'rph', 'ip_allow', 'expires_at']
  return table(columns, keys.map((key: Record<string, unknown>) => columns.map((column) => cell(key[column]))))
}

function cell (value: unknown): string {
  const text = Array.isArray(value) ? value.join(',') : String(value ?? '')
  return text === '' ? '-' : text
}

function collect (value: string, before: string[] = []): string[] {
  return [...before, value]
}

function splitList (values: string[]): string[] {
  return values.flatMap((value) => value.split(',')).map((one) => one.trim()).filter((one) => one !== '')
}

function wholeNumber (text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new OperationError('usage', `${option} must be a whole number`)
  return Number(text)
}
