#!/usr/bin/env node
/** `flowbeacon-guard-conformance`: fires the attack list at a running service that uses these plugins and reports what was seen. */
import { readFileSync, writeFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { htmlOf } from './conformance/html.ts'
import { DEFAULT_PATHS, readSettings, UsageError, type Options } from './conformance/inputs.ts'
import { Lab } from './conformance/lab.ts'
import { Pace } from './conformance/pace.ts'
import { makeReport, textOf } from './conformance/report.ts'
import { runCases } from './conformance/run.ts'
import { NEEDS, PARTS } from './conformance/definition.ts'

const EXIT = { ok: 0, failed: 1, usage: 2 } as const

interface Outputs { json?: string, html?: string, verbose?: boolean, quiet?: boolean }

const HELP = `
Keys come from the environment or from --keys-file (NAME=value lines), never from the command line:
  FB_CONFORMANCE_KEY             a key that may make the signed GET and the signed POST and is no admin's: what only an admin may do is
                                 tried with it (required with the layer authentication); of a hardened key fb_live_…:fbs_…
  FB_CONFORMANCE_KEYS            more of them, comma-separated: requests are spread over all, so that a run need not wait for a window
  FB_CONFORMANCE_HEADERS         header lines that say who calls, where a service knows its callers otherwise
${Object.entries(NEEDS).filter(([, input]) => input.startsWith('FB_')).map(([need, input]) => `  ${input.padEnd(29)}  ${need}`).join('\n')}
  FB_CONFORMANCE_ELSEWHERE_ADDRESS  the address that key may call from (default 203.0.113.7)
What is not given is reported as SKIPPED, with the input that was missing. Result tokens and a record of another organization are
made with the signed POST where it answers with evaluation_id (or id) and result_token.

Names for --layers: ${PARTS.join(', ')}

Only a service on this machine is attacked unless --allow-remote is given. A run sends no more than a key's minute window admits and
waits as long as Retry-After says; the key of FB_CONFORMANCE_LIMITED_KEY is used up.

Exit codes: 0 nothing failed, 1 a case failed, 2 the run could not be made (the command line, the inputs, or no honest call is served).

  $ export FB_CONFORMANCE_KEY=fb_live_…
  $ flowbeacon-guard-conformance --target http://127.0.0.1:3000 --html conformance.html`

const program = new Command('flowbeacon-guard-conformance')
  .description('Attack a running service that uses the guard plugins, and report for each layer and threat what was tried and seen.')
  .version(versionOf())
  .option('--target <url>', 'scheme, host and port of the service')
  .option('--allow-remote', 'attack another machine: only one that you may attack')
  .option('--profile <name>', 'signature profile of the keys: published or hardened', 'published')
  .option('--layers <names>', 'what the service uses, comma-separated; the rest is reported as not in scope (default: everything)')
  .option('--path <path>', 'a signed GET', DEFAULT_PATHS.path)
  .option('--post-path <path>', 'a signed POST that changes state, or none', DEFAULT_PATHS.postPath)
  .option('--post-body <json>', 'the JSON object that it takes (default: one small blueprint)')
  .option('--open-path <path>', 'a route without a key, or none', DEFAULT_PATHS.openPath)
  .option('--prefix <path>', 'the surface, below which every path is guarded', DEFAULT_PATHS.prefix)
  .option('--admin-path <path>', 'a GET for admins only', DEFAULT_PATHS.adminPath)
  .option('--record-path <path>', 'a record by its {id}, or none', DEFAULT_PATHS.recordPath)
  .option('--token-path <path>', 'results by their {token}', DEFAULT_PATHS.tokenPath)
  .option('--audit-path <path>', 'the rows of a {watermark}, for admins', DEFAULT_PATHS.auditPath)
  .option('--webhooks-path <path>', 'subscriptions, for admins', DEFAULT_PATHS.webhooksPath)
  .option('--killed-target <url>', 'an instance of the service that is switched off')
  .option('--plain-target <url>', 'a production listener of the service without TLS')
  .option('--keys-file <file>', 'keys, in place of the environment')
  .option('--json <file>', 'write the report as JSON')
  .option('--html <file>', 'write the report as one HTML file')
  .option('--verbose', 'print every case, not only those that failed')
  .option('--quiet', 'no progress line')
  .exitOverride()
  .configureOutput({ outputError: () => {} })
  .addHelpText('after', HELP)
  .action(main)

try {
  await program.parseAsync(process.argv)
} catch (err) {
  process.exitCode = err instanceof CommanderError && err.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (process.exitCode !== EXIT.ok) process.stderr.write(`flowbeacon-guard-conformance: ${messageOf(err)}\n`)
}

async function main (options: Options & Outputs): Promise<void> {
  const settings = readSettings(options, process.env)
  const show = progressLine(options.quiet === true)
  const lab = new Lab(settings, new Pace({ onWait: (seconds) => show(`waiting ${seconds} s for a window`) }))
  const startedAt = new Date()
  const findings = await runCases(lab, { onCase: (number, total, { id, title }) => show(`${number}/${total} ${id} ${title}`) })
  show('')
  const report = makeReport({ findings, settings, version: versionOf(), startedAt, finishedAt: new Date() })
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  if (options.html !== undefined) writeFileSync(options.html, htmlOf(report))
  process.stdout.write(`${textOf(report, options.verbose)}\n`)
  process.exitCode = report.totals.FAIL > 0 ? EXIT.failed : EXIT.ok
}

/** Written over on a terminal; elsewhere only waits are told, so that a log stays short. */
function progressLine (isQuiet: boolean): (text: string) => void {
  return (text) => {
    if (isQuiet) return
    if (process.stderr.isTTY) process.stderr.write(`\r${text.slice(0, 100)}\x1b[K`)
    else if (text.startsWith('waiting')) process.stderr.write(`${text}\n`)
  }
}

/** A failure of the run itself; of an unexpected one only its name and code, as its message might quote an input. */
function messageOf (err: unknown): string {
  if (err instanceof CommanderError) return err.message.replace(/^error: /, '')
  if (err instanceof UsageError) return err.message
  if (err instanceof Error) return `the run ended: ${err.name}${'code' in err ? ` (${String(err.code)})` : ''}`
  return 'the run ended'
}

function versionOf (): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
