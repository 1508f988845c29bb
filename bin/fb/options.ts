/** `fb options`: what an organization allows, and from where on something is too much for it. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { OperationError } from '../../evaluation/operator.ts'
import { parseOptions, type GovernanceOptions } from '../../evaluation/organization.ts'
import { printAnswer } from './output.ts'
import { withStore } from './store.ts'

interface Common { org: string, json?: boolean }

const HELP = `
A file of options is one JSON object; what it leaves out has its default:
  allowed               apps and types that were reviewed: they are no community components (CMP-001), and CMP findings on them are lowered
  connection_scenarios  from this many scenarios on, one connection carries too many (ACC-006, default 10)
  modules, nesting, decisions   more than these are too much to review (GOV-006, defaults 50, 4, 25)

Examples:
  $ fb options show --org org_01J…
  $ echo '{"allowed":["n8n-nodes-acme.acme"],"modules":80}' > options.json && fb options set options.json --org org_01J…
  $ fb check --options options.json flows`

export function addOptionsCommands (program: Command): void {
  const options = program.command('options').description('what an organization allows, and from where on something is too much').addHelpText('after', HELP)
  withOrg(options.command('show').description('show the options in force')).action(async ({ org, json }: Common) => tell(await withStore((store) => store.run('options.show', { org })), json))
  withOrg(options.command('set').description('replace the options').argument('<file>', 'JSON')).action(async (file: string, { org, json }: Common) => {
    const wanted = await readOptionsFile(file)
    tell(await withStore((store) => store.run('options.set', { org, options: wanted })), json)
  })
}

/** The options in a file. Throws a usage error for anything else. */
export async function readOptionsFile (path: string): Promise<GovernanceOptions> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OperationError('usage', `the options cannot be read: ${path}`, { cause })
  })
  const parsed = parseOptions(parsedJson(text))
  if (!parsed.ok) throw new OperationError('usage', `${path}: ${parsed.reason}`)
  return parsed.options
}

function parsedJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No options either; the caller says so with the file's name.
    return null
  }
}

function withOrg (command: Command): Command {
  return command.requiredOption('--org <id>', 'organization').option('--json', 'print one JSON object instead of words')
}

function tell (answer: object, json: boolean | undefined): void {
  const { options } = answer as { options: GovernanceOptions }
  printAnswer(json === true, answer, () => Object.entries(options).map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(', ') || 'none' : String(value)}`).join('\n'))
}
