/** `fb suppress`: findings that an organization decides to live with. */
import type { Command } from 'commander'
import type { ShownSuppression } from '../../evaluation/operator-suppressions.ts'
import type { OperationName } from '../../evaluation/operator.ts'
import { printAnswer, table } from './output.ts'
import { withStore } from './store.ts'

interface Common { org: string, json?: boolean }
interface AddOptions extends Common { code: string, scenario?: string, fingerprint?: string, reason: string, expires?: string }

const HELP = `
What it covers:
  --code only                 every finding of the policy in the organization
  --code and --scenario       findings of the policy in one scenario
  --code and --fingerprint    one finding, also after the scenario is imported again (fb check --json prints fingerprints)

It ends by itself, after 90 days unless --expires says otherwise, at most a year; then its findings are open again. Critical findings, and every
finding of a critical policy, stay open until somebody else approves it. Suppressed findings are listed beside the open ones and count
neither as failing nor as passing.

Examples:
  $ fb suppress add --org org_01J… --code NET-001 --scenario scn_01J… --reason "internal host, moves to TLS in May"
  $ fb suppress approve sup_01J… --org org_01J…
  $ fb suppress list --org org_01J… --json > suppressions.json && fb check --suppressions suppressions.json flows`

export function addSuppressCommands (program: Command): void {
  const suppress = program.command('suppress').description('findings that an organization decides to live with, for a time').addHelpText('after', HELP)
  withOrg(suppress.command('add').description('suppress findings, with a reason'))
    .requiredOption('--code <code>', 'policy, such as NET-001; * is not accepted')
    .option('--scenario <id>', 'in this scenario only').option('--fingerprint <hex>', 'this finding only')
    .requiredOption('--reason <text>', 'why; shown with every suppressed finding')
    .option('--expires <date>', 'ISO 8601, such as 2027-01-31 (default: in 90 days)')
    .action(({ org, code, scenario, fingerprint, reason, expires, json }: AddOptions) => runOne('suppression.create', { org, code, scenario, fingerprint, reason, expires }, json))
  withOrg(suppress.command('list').description('list suppressions, newest first'))
    .option('--state <state>', 'active, expired or withdrawn (default: all)')
    .action(async ({ org, state, json }: Common & { state?: string }) => {
      const answer = await withStore((store) => store.run('suppression.list', { org, ...(state === undefined ? {} : { state }) })) as { suppressions: ShownSuppression[] }
      printAnswer(json === true, answer, () => answer.suppressions.length === 0 ? 'no suppressions' : describeAll(answer.suppressions))
    })
  withOrg(suppress.command('approve').description('agree, as somebody else, that critical findings are suppressed too').argument('<id>', 'sup_…'))
    .action((id: string, { org, json }: Common) => runOne('suppression.approve', { org, id }, json))
  withOrg(suppress.command('withdraw').description('end a suppression now; its findings are open again').argument('<id>', 'sup_…'))
    .action((id: string, { org, json }: Common) => runOne('suppression.withdraw', { org, id }, json))
}

function withOrg (command: Command): Command {
  return command.requiredOption('--org <id>', 'organization that owns the scenarios').option('--json', 'print one JSON object instead of words')
}

async function runOne (name: OperationName, args: Record<string, string | undefined>, json: boolean | undefined): Promise<void> {
  const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined))
  const answer = await withStore((store) => store.run(name, given)) as ShownSuppression
  printAnswer(json === true, answer, () => describe(answer))
}

function describe (one: ShownSuppression): string {
  const waiting = one.state === 'active' && one.awaits_approval ? '\ncritical findings stay open until somebody else approves it: fb suppress approve' : ''
  return `${one.state} ${one.id}  ${one.code}, ${one.scope}${one.scenario_id === null ? '' : ` ${one.scenario_id}`}, until ${one.expires_at}: ${one.reason}${waiting}`
}

function describeAll (suppressions: readonly ShownSuppression[]): string {
  return table(['id', 'code', 'covers', 'state', 'until', 'by', 'approved by', 'reason'], suppressions.map((one) => [
    one.id, one.code, one.scenario_id ?? one.fingerprint ?? 'organization', one.state, one.expires_at.slice(0, 10), one.created_by, one.approved_by ?? (one.awaits_approval ? 'awaited' : '-'), one.reason]))
}
