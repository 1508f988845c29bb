#!/usr/bin/env node
/** `fb`, the operators' command line: organizations, keys, imports, watermarks, signed calls, offline checks. */
import { Command, CommanderError } from 'commander'
import { addAnomalyCommands } from './fb/anomalies.ts'
import { addCheckCommand } from './fb/check.ts'
import { addDoctorCommand } from './fb/doctor.ts'
import { EXIT, reportError } from './fb/output.ts'
import { addKillCommands } from './fb/kill.ts'
import { addRecordCommands } from './fb/records.ts'
import { addSecretCommands } from './fb/secrets.ts'
import { addTraceCommand } from './fb/trace.ts'
import { addOptionsCommands } from './fb/options.ts'
import { addSuppressCommands } from './fb/suppress.ts'
import { addWireCommands } from './fb/wire.ts'

const HELP = `
Where commands take effect:
  DATABASE_URL set    that PostgreSQL server, directly; with REDIS_URL, running instances learn of a revocation at once
  otherwise           the embedded database in DATA_DIR (default .flowbeacon): through the running server, or alone

Exit codes: 0 done, 1 findings or a refusal, 2 the command line was wrong, 3 a store or the service is away.
With --json every command prints exactly one object, { "error" } when it failed.

From nothing to a judged scenario:
  $ fb org create --name "Acme"
  $ fb key create --org org_01J… --name ci --permissions governance:read,governance:evaluate
  $ fb import --org org_01J… examples/make examples/n8n
  $ export FB_API_KEY=fb_live_…
  $ fb call POST /evaluate --data '{"org_id":"org_01J…","scenario_ids":["scn_01J…"]}'
  $ fb call GET /evaluations/req_01J…`

const json = process.argv.includes('--json')

// A reader that stops early (`fb check . | head`) is not a failure.
process.stdout.on('error', (err: NodeJS.ErrnoException) => { if (err.code !== 'EPIPE') throw err })

const program = new Command('fb')
  .description('Operate a FlowBeacon Public API service.')
  .exitOverride()
  .configureOutput({ outputError: () => {} })
  .showHelpAfterError('(--help shows how it is used)')
  .addHelpText('after', HELP)

addRecordCommands(program)
addTraceCommand(program)
addWireCommands(program)
addDoctorCommand(program)
addSecretCommands(program)
addSuppressCommands(program)
addOptionsCommands(program)
addKillCommands(program)
addAnomalyCommands(program)
addCheckCommand(program)

try {
  await program.parseAsync(process.argv)
} catch (err) {
  process.exitCode = err instanceof CommanderError ? usageExit(err) : reportError(json, err)
}

/** Help that was asked for succeeds; anything else that commander refuses is the command line's fault. */
function usageExit (err: CommanderError): number {
  if (err.exitCode === 0) return EXIT.ok
  const message = err.message.replace(/^error: /, '')
  if (json) process.stdout.write(`${JSON.stringify({ error: message })}\n`)
  if (err.code !== 'commander.help') process.stderr.write(`fb: ${message}\n`)
  return EXIT.usage
}
