/** Commands of the kill switch: throw it, lift it, look at it, drill it. */
import type { Command } from 'commander'
import { OperationError, type OperationName } from '../../evaluation/operator.ts'
import { EXIT, note, printAnswer, table } from './output.ts'
import { withStore } from './store.ts'

const JSON_OPTION = ['--json', 'print one JSON object instead of words'] as const
const PER_SECOND = 1000

interface Scope { org?: string, key?: string, json?: boolean }
interface OnOptions extends Scope { reason: string, writesOnly?: boolean, for?: string }
interface OffOptions extends Scope { all?: boolean, reason?: string }

interface Thrown { target: string, kind: string, writes_only: boolean, reason: string, actor: string, at: string, until: string | null, detail?: DrillResult }
interface Arrival { id: string, role: string, ms: number | null }
interface Effect { stores: Record<string, 'written' | 'away'>, instances: Arrival[], in_effect: boolean }
interface OnAnswer extends Effect { switch: Thrown, verified: boolean }
interface OffAnswer extends Effect { lifted: Thrown[], disabled_by_environment: string[] }
interface Instance { id: string, role: string, running: boolean, silent_ms: number, state_known: boolean, version: number, up_to_date: boolean, environment_enabled: boolean }
interface StatusAnswer { on: Thrown[], version: number, environment_enabled: boolean, instances: Instance[], stores: Record<string, string>, history: Thrown[] | null }
interface DrillResult { instances: Array<{ id: string, role: string, on_ms: number | null, off_ms: number | null }>, slowest_ms: number | null, bar_ms: number, passed: boolean }

export function addKillCommands (program: Command): void {
  const kill = program.command('kill').description('the kill switch of the running service').addHelpText('after', `
A switch is thrown for everything, for one organization or for one key, and takes effect on every running instance within two
seconds, without a restart. What it refuses is answered 503 "Public API is disabled". Requests that had begun are finished. Nothing is
lost: evaluations and webhook deliveries of what is refused wait, and go on when it is lifted.

It works while PostgreSQL or Redis is away, as long as one of them answers. PUBLIC_API_ENABLED=false in an instance's environment
is absolute: no command lifts it.

Examples:
  $ fb kill on --reason "key material in a public gist" --org org_01J…
  $ fb kill status
  $ fb kill off --org org_01J…`)

  kill.command('on').description('throw the switch; throwing it again for the same target replaces its terms')
    .requiredOption('--reason <text>', 'why; stands in the history, with who did it')
    .option('--org <id>', 'refuse this organization only, its result tokens included').option('--key <id-or-prefix>', 'refuse this key only')
    .option('--writes-only', 'refuse only requests that change state (POST, PUT, PATCH, DELETE)').option('--for <duration>', 'lift itself after 90s, 30m, 12h or 7d (default: never)').option(...JSON_OPTION)
    .addHelpText('after', '\nThe command returns when every running instance has the switch, and says how long each took. Exit 1 when one did not confirm it in 5 s.\n\n' +
      'Examples:\n  $ fb kill on --reason "database maintenance" --writes-only --for 30m\n  $ fb kill on --reason "incident 42"')
    .action(throwSwitch)

  kill.command('off').description('lift the switch for everything, or the one for an organization or a key')
    .option('--org <id>', 'the one for this organization').option('--key <id-or-prefix>', 'the one for this key').option('--all', 'every switch that is thrown')
    .option('--reason <text>', 'why; stands in the history').option(...JSON_OPTION)
    .addHelpText('after', '\nExit 1 when nothing is thrown for the target. Says so when an environment keeps everything refused all the same.\n\nExample:\n  $ fb kill off --reason "incident 42 is over"')
    .action(liftSwitch)

  kill.command('status').description('what is thrown, the instances that were heard of, and the history').option('--history <n>', 'events of the history (default: 10)').option(...JSON_OPTION)
    .action(showStatus)

  kill.command('drill').description('throw the switch for an organization that does not exist, time every running instance, lift it, record the result').option(...JSON_OPTION)
    .addHelpText('after', '\nNobody is refused by a drill. Times count from the start of the change to the moment at which the instance was seen to act on it. Exit 1 when one took\nmore than two seconds or did not confirm.')
    .action(drill)
}

async function throwSwitch (options: OnOptions): Promise<void> {
  const answer = await operate<OnAnswer>('kill.on', { ...scopeOf(options), reason: options.reason, writes_only: options.writesOnly === true, for: options.for })
  printAnswer(options.json === true, answer, () => `kill switch ON for ${describe(answer.switch)}\n${effectLines(answer)}`)
  if (!answer.verified) note('warning: PostgreSQL is away, so it was not checked that this id exists.')
  warnOfEffect(answer)
}

async function liftSwitch (options: OffOptions): Promise<void> {
  const answer = await operate<OffAnswer>('kill.off', { ...scopeOf(options), all: options.all === true, reason: options.reason })
  printAnswer(options.json === true, answer, () => `kill switch OFF for ${answer.lifted.map(({ target }) => target).join(', ')}\n${effectLines(answer)}`)
  if (answer.disabled_by_environment.length > 0) {
    note(`warning: PUBLIC_API_ENABLED=false keeps everything refused in ${answer.disabled_by_environment.join(', ')}. No command lifts that: change the environment and restart.`)
  }
  warnOfEffect(answer)
}

async function showStatus (options: { history?: string, json?: boolean }): Promise<void> {
  if (options.history !== undefined && !/^\d{1,4}$/.test(options.history)) throw new OperationError('usage', '--history must be a whole number from 1 to 1000')
  const answer = await operate<StatusAnswer>('kill.status', options.history === undefined ? {} : { history: Number(options.history) })
  printAnswer(options.json === true, answer, () => statusLines(answer))
}

async function drill (options: { json?: boolean }): Promise<void> {
  const answer = await operate<DrillResult>('kill.drill', {})
  printAnswer(options.json === true, answer, () => `${drillTable(answer)}\n${drillVerdict(answer)}`)
  if (!answer.passed) process.exitCode = EXIT.failed
}

/** PostgreSQL may be away, so the schema is not brought up to date first. */
async function operate<Answer> (name: OperationName, args: object): Promise<Answer> {
  return await withStore((store) => store.run(name, args), { migrate: false }) as Answer
}

function scopeOf ({ org, key }: Scope): object {
  return { ...(org === undefined ? {} : { org }), ...(key === undefined ? {} : { key }) }
}

function describe ({ target, writes_only: writesOnly, reason, actor, at, until }: Thrown): string {
  return `${target === 'all' ? 'everything' : target}${writesOnly ? ' (writes only)' : ''} since ${at} by ${actor}: ${reason}${until === null ? '' : `; lifts itself at ${until}`}`
}

function effectLines ({ stores, instances }: Effect): string {
  const written = Object.entries(stores).map(([name, outcome]) => `${name} ${outcome}`).join(', ')
  const arrived = instances.length === 0 ? 'no running instance was heard of' : instances.map(({ id, role, ms }) => `  ${id} (${role}): ${ms === null ? 'NOT CONFIRMED' : seconds(ms)}`).join('\n')
  return `stores: ${written}\nin effect after:\n${arrived}`
}

function warnOfEffect (effect: Effect): void {
  if (Object.values(effect.stores).includes('away')) note('warning: one store is away; instances learn of this from the other, and the history is completed when it is back.')
  if (effect.in_effect) return
  note('fb: not every running instance confirmed the change; look again with fb kill status')
  process.exitCode = EXIT.failed
}

function statusLines ({ on, environment_enabled: isEnabled, instances, stores, history }: StatusAnswer): string {
  const switches = on.length === 0 ? ['kill switch OFF'] : ['kill switch ON', ...on.map((one) => `  ${describe(one)}`)]
  const heard = instances.length === 0
    ? 'no instance was heard of'
    : table(['instance', 'role', 'heard of', 'state', 'environment'], instances.map((one) => [one.id, one.role,
      `${seconds(one.silent_ms)} ago${one.running ? '' : ', NOT RUNNING or cut off'}`, stateOf(one), one.environment_enabled ? 'enabled' : 'DISABLED, absolute']))
  const past = history === null
    ? ['history: PostgreSQL is away']
    : ['history, newest first:', ...history.map((one) => `  ${one.at}  ${one.kind.padEnd(5)}  ${one.target}${one.writes_only ? ' (writes only)' : ''}  ${one.actor}: ${one.reason}${one.until === null ? '' : `  until ${one.until}`}${one.detail === undefined ? '' : `  ${drillVerdict(one.detail)}`}`)]
  return [...switches, ...(isEnabled ? [] : ['PUBLIC_API_ENABLED=false in the environment of this command']), `stores: ${Object.entries(stores).map(([name, state]) => `${name} ${state}`).join(', ')}`, '', heard, '', ...past].join('\n')
}

function stateOf ({ state_known: isKnown, up_to_date: isUpToDate }: Instance): string {
  if (!isKnown) return 'UNKNOWN, refuses'
  return isUpToDate ? 'up to date' : 'BEHIND'
}

function drillTable ({ instances }: DrillResult): string {
  return table(['instance', 'role', 'on after', 'off after'], instances.map(({ id, role, on_ms: on, off_ms: off }) => [id, role, ...[on, off].map((ms) => ms === null ? 'NOT CONFIRMED' : seconds(ms))]))
}

function drillVerdict ({ slowest_ms: slowest, bar_ms: bar, passed }: DrillResult): string {
  return `${passed ? 'passed' : 'FAILED'}: slowest ${slowest === null ? 'not confirmed' : seconds(slowest)}, bar ${seconds(bar)}`
}

function seconds (ms: number): string {
  return `${(ms / PER_SECOND).toFixed(2)} s`
}
