/** Commands about anomalies: what was noticed, and what a change would have done. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import type { KeyReport } from '../../evaluation/backtest.ts'
import { LIST_DEFAULT, LIST_MAX } from '../../evaluation/operator-anomalies.ts'
import { readLimitOrNull } from '../../evaluation/operator-arguments.ts'
import { OperationError } from '../../evaluation/operator.ts'
import { seenBefore } from './seen.ts'
import { EXIT, note, printAnswer, progress, table } from './output.ts'
import { fieldsOf, withStore, type Store } from './store.ts'

const FOLLOW_MS = 1000
const STEPS = 1000

interface Shown { id: number, at: string, signal: string, severity: string, certain: boolean, org_id: string | null, key_id: string | null, numbers: object, watermarks: string[], ip: string | null, label: string | null, action: string }
interface Notice { id: string, at: string, org_id: string, key_id: string, prefix: string, days: number, expires_at: string | null }
interface ListOptions { org?: string, since?: string, limit?: string, follow?: boolean, json?: boolean }
interface BacktestOptions { days: string, threshold?: string[], autoSuspend?: boolean, rpm?: string, rph?: string, ipAllow?: string[], removeScope?: string, key?: string, suggest?: boolean, json?: boolean }

export function addAnomalyCommands (program: Command): void {
  program.command('anomalies').description('what anomaly detection noticed, and keys that expire soon, newest first')
    .option('--org <id>', 'of one organization only').option('--since <time>', 'ISO 8601, such as 2027-01-31T12:00:00Z')
    .option('--limit <n>', 'at most this many (default: 50)').option('--follow', 'keep running and print what comes')
    .option('--json', 'print one JSON object; with --follow one object a line')
    .addHelpText('after', '\nEach event holds the numbers and thresholds that caused it and the watermarks of the requests behind it (fb trace).\n' +
      'action: what was done (suspended, declined_last_key, not_active) or would have\nbeen done with auto-suspend on (would_suspend, would_decline_last_key).\n\nExample:\n  $ fb anomalies --follow')
    .action(listAnomalies)

  program.command('backtest').description('what a proposed change would have done to past requests; changes nothing')
    .requiredOption('--days <n>', 'how far to look back, at most 90')
    .option('--threshold <signal.field=number>', 'a threshold of anomaly detection, such as rate_storm.count=500; repeat', collect)
    .option('--auto-suspend', 'suspend as PUBLIC_API_ANOMALY_AUTO_SUSPEND would').option('--rpm <n>', 'a limit of requests a minute').option('--rph <n>', 'a limit of requests an hour')
    .option('--ip-allow <cidr>', 'an allowlist; repeat or separate by commas', collect).option('--remove-scope <permission>', 'a permission taken away')
    .option('--key <id-or-prefix>', 'change this key only (default: every key)').option('--suggest', 'also print an allowlist from the addresses that were seen, and permissions that were not used')
    .option('--json', 'print one JSON object instead of words')
    .addHelpText('after', '\nPast requests are judged by the functions that judge live ones. "only current" is an anomaly that the change would silence, "only proposed" one that it\nwould add. Exit 1 when the change would have refused a request or suspended a key.\n\n' +
      'Examples:\n  $ fb backtest --days 30 --auto-suspend\n  $ fb backtest --days 7 --key fb_live_ab12 --rpm 30 --ip-allow 203.0.113.0/24\n  $ fb backtest --days 30 --suggest')
    .action(backtest)
}

async function listAnomalies (options: ListOptions): Promise<void> {
  const json = options.json === true
  const wanted = { ...(options.org === undefined ? {} : { org: options.org }), ...(options.since === undefined ? {} : { since: options.since }) }
  const limit = options.limit === undefined ? LIST_DEFAULT : readLimitOrNull(wholeNumber(options.limit, '--limit'), '--limit', LIST_MAX) ?? LIST_DEFAULT
  await withStore(async (store) => {
    if (options.follow === true) return await follow(store, { wanted, limit, json })
    const { anomalies, notices } = await store.run('anomalies.list', { ...wanted, limit }) as Listed
    const lines = inOrder(anomalies, notices)
    printAnswer(json, { anomalies, notices }, () => lines.length === 0 ? 'no anomalies' : lines.reverse().map(({ text }) => text).join('\n'))
  })
}

/** Before the first line is printed: whoever has read it may end it at once. */
function endOfFollowing (): AbortSignal {
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
  // Nobody reads any more (`fb anomalies --follow | head -1`).
  process.stdout.once('error', () => ending.abort())
  return ending.signal
}

interface Listed { anomalies: Shown[], notices: Notice[] }

/** Both kinds by their time, oldest first. */
function inOrder (anomalies: readonly Shown[], notices: readonly Notice[]): Array<{ one: Shown | Notice, text: string }> {
  return [...anomalies.map((one) => ({ one, text: describe(one) })), ...notices.map((one) => ({ one, text: describeNotice(one) }))].sort((one, other) => one.one.at < other.one.at ? -1 : 1)
}

/** Prints the newest so many, then each event once it is committed, in the order in which it is found. */
async function follow (store: Store, { wanted, limit, json }: { wanted: object, limit: number, json: boolean }): Promise<void> {
  const print = (anomalies: readonly Shown[], notices: readonly Notice[]): void => { for (const { one, text } of inOrder(anomalies, notices)) printAnswer(json, one, () => text) }
  const past = await store.run('anomalies.list', { ...wanted, limit: LIST_MAX }) as Listed
  const ending = endOfFollowing()
  print(past.anomalies.slice(0, limit), past.notices.slice(0, limit))
  // What is older than a full answer has settled long ago.
  const anomaliesSeen = seenBefore(past.anomalies, past.anomalies[LIST_MAX - 1]?.id ?? 0)
  const noticesSeen = seenBefore(past.notices, past.notices[LIST_MAX - 1]?.id ?? 'kev_')
  note('following; end with Ctrl-C')
  while (!ending.aborted) {
    const askedAtMs = performance.now()
    let [after, noticesAfter] = [anomaliesSeen.floor(), noticesSeen.floor()]
    for (let isMore = true; isMore;) {
      const { anomalies, notices } = await store.run('anomalies.list', { ...wanted, limit: LIST_MAX, after, notices_after: noticesAfter }) as Listed
      print(anomaliesSeen.add(anomalies, askedAtMs), noticesSeen.add(notices, askedAtMs))
      after = anomalies.at(-1)?.id ?? after
      noticesAfter = notices.at(-1)?.id ?? noticesAfter
      isMore = anomalies.length === LIST_MAX || notices.length === LIST_MAX
    }
    anomaliesSeen.settle(askedAtMs)
    noticesSeen.settle(askedAtMs)
    // Ended by a signal is how following ends.
    await wait(FOLLOW_MS, undefined, { signal: ending }).catch(() => {})
  }
}

function describeNotice ({ at, key_id: key, prefix, days, expires_at: expiresAt }: Notice): string {
  return `${at}  ${'notice'.padEnd(8)}  ${'key_expires_soon'.padEnd(21)}  ${key}  ${prefix} expires ${expiresAt ?? 'no more'}, told ${days} ${days === 1 ? 'day' : 'days'} before`
}

function describe (one: Shown): string {
  const numbers = Object.entries(one.numbers).map(([name, value]) => `${name} ${String(value)}`).join(', ')
  return `${one.at}  ${one.severity.padEnd(8)}  ${one.signal.padEnd(21)}  ${one.key_id ?? one.org_id ?? '-'}  from ${one.ip ?? '-'}  ${numbers}` +
    `${one.label === null ? '' : `  planted: ${one.label}`}${one.action === 'none' ? '' : `  [${one.action}]`}${one.watermarks.length === 0 ? '' : `\n  ${one.watermarks.join(' ')}`}`
}

async function backtest (options: BacktestOptions): Promise<void> {
  const args = {
    days: Number(options.days),
    ...(options.threshold === undefined ? {} : { thresholds: readThresholds(options.threshold) }),
    auto_suspend: options.autoSuspend === true,
    rpm: options.rpm === undefined ? undefined : wholeNumber(options.rpm, '--rpm'),
    rph: options.rph === undefined ? undefined : wholeNumber(options.rph, '--rph'),
    ...(options.ipAllow === undefined ? {} : { ip_allow: options.ipAllow.flatMap((text) => text.split(',')).map((text) => text.trim()) }),
    ...(options.removeScope === undefined ? {} : { remove_scope: options.removeScope }),
    ...(options.key === undefined ? {} : { key: options.key }),
    suggest: options.suggest === true
  }
  const bar = progress(STEPS, 'replaying')
  const answer = fieldsOf(await withStore((store) => store.run('backtest', args, (share) => bar.step(Math.round(share * STEPS)))))
  bar.done()
  const keys = answer['keys'] as KeyReport[]
  printAnswer(options.json === true, answer, () => report(answer, keys))
  if (keys.some((key) => key.would_suspend_at !== null || Object.keys(key.would_refuse).length > 0)) process.exitCode = EXIT.failed
}

function report (answer: Record<string, unknown>, keys: KeyReport[]): string {
  const head = `${String(answer['rows'])} requests from ${String(answer['from'])} to ${String(answer['until'])}`
  if (keys.length === 0) return `${head}\nthe change would have touched no key`
  const lines = table(['key', 'prefix', 'requests', 'limit', 'address', 'scope', 'suspended', 'suspended at', 'anomalies'], keys.map((key) => [
    key.key, key.prefix, String(key.requests), ...(['limit', 'address', 'scope', 'suspended'] as const).map((by) => String(key.would_refuse[by]?.requests ?? 0)),
    key.would_suspend_at ?? '-', String(key.anomalies.length)]))
  return [head, lines, ...keys.flatMap(details)].join('\n')
}

function details (key: KeyReport): string[] {
  return [
    '',
    `${key.key}`,
    ...(key.would_decline_at === null ? [] : [`  spared at ${key.would_decline_at}: the last active key of its organization`]),
    ...Object.entries(key.would_refuse).flatMap(([by, hit]) => hit.examples.map(({ watermark, at, method, route, ip }) => `  refused by ${by}: ${at}  ${method} ${route}  from ${ip}  ${watermark}`)),
    ...key.anomalies.map(({ signal, at, numbers, only }) => `  ${signal} at ${at}  ${JSON.stringify(numbers)}${only === 'both' ? '' : `  only ${only}`}`),
    ...(key.suggestion === undefined
      ? []
      : [
      `  addresses admitted: ${key.suggestion.ip_allow.map(({ range, requests }) => `${range} (${requests})`).join(', ') || 'none'}`,
      `  permissions used: ${key.suggestion.used_permissions.join(', ') || 'none'}`,
      `  permissions not used: ${key.suggestion.unused_permissions.join(', ') || 'none'}`])
  ]
}

function readThresholds (texts: readonly string[]): Record<string, Record<string, number>> {
  const changes: Record<string, Record<string, number>> = {}
  for (const text of texts) {
    const match = /^([a-z_]+)\.([A-Za-z]+)=(\d+(?:\.\d+)?)$/.exec(text)
    if (match === null) throw new OperationError('usage', '--threshold must look like rate_storm.count=500')
    const [, signal = '', field = '', value = ''] = match
    changes[signal] = { ...changes[signal], [field]: Number(value) }
  }
  return changes
}

function wholeNumber (text: string, option: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new OperationError('usage', `${option} must be a whole number`)
  return Number(text)
}

function collect (value: string, before: string[] = []): string[] {
  return [...before, value]
}
