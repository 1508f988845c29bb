/** `fb check`: judges blueprint files offline, with the catalogue of this build. Opens no store and no connection. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { baselineOf, newFindings } from '../../evaluation/baseline.ts'
import { checkText, type CheckFile, type CheckOptions as CheckTextOptions, type FileFinding } from '../../evaluation/check.ts'
import { connectionTally } from '../../evaluation/connection-tally.ts'
import { NO_ORGANIZATION, type Organization } from '../../evaluation/organization.ts'
import { CATALOGUE_VERSION } from '../../evaluation/rules/index.ts'
import { isAtLeast, SEVERITIES } from '../../evaluation/rules/severity.ts'
import { sarifLog } from '../../evaluation/sarif.ts'
import type { Severity } from '../../evaluation/graph/types.ts'
import { suppressorOf, type Suppressor } from '../../evaluation/suppressions.ts'
import { OperationError } from '../../evaluation/operator.ts'
import { readBaseline, writeBaseline } from './baseline-file.ts'
import { describeCheck } from './check-report.ts'
import { listBlueprintFiles, readBlueprintFile, relativePath, type ListedFile } from './files.ts'
import { EXIT, note, printAnswer, progress } from './output.ts'
import { readOptionsFile } from './options.ts'
import { readSuppressions } from './suppressions-file.ts'

interface CheckOptions { failOn?: string, json?: boolean, sarif?: boolean, baseline?: string, writeBaseline?: string, suppressions?: string, options?: string }

interface Judging { organization: Organization, suppressor?: Suppressor }

const HELP = `
What fails a check:
  without --baseline   findings of at least --fail-on (default none: it only reports)
  with --baseline      only findings that the baseline does not hold, of at least --fail-on (default info: every new one)

Exit codes: 0 judged, and nothing failed; 1 something did, or a file that you named was refused while something can fail;
2 the command line or the baseline was wrong. A baseline accepts findings by fingerprint: moving or renumbering modules, or
moving the file, keeps it; another copy of the same flow does not hide behind it.

Examples:
  $ fb check examples/make examples/n8n
  $ fb check --fail-on high --json scenario.json | jq '.files[].score'
  $ fb check --sarif flows > flowbeacon.sarif
  $ fb check --write-baseline .flowbeacon-baseline.json flows      # once: accept what is there
  $ fb check --baseline .flowbeacon-baseline.json flows            # from then on: fail on what is new
  $ fb check --suppressions suppressions.json --fail-on high flows
  $ fb check --options options.json flows                          # allow-lists and limits, as fb options set takes them`

export function addCheckCommand (program: Command): void {
  program.command('check').description('judge blueprint files offline, without any server')
    .argument('<path...>', 'blueprint files, or folders to walk for *.json')
    .option('--fail-on <severity>', `exit 1 when a finding is at least this severe: ${SEVERITIES.join(', ')}, none`)
    .option('--baseline <file>', 'let only findings fail that this file does not hold')
    .option('--write-baseline <file>', 'write every finding of this run to a file, to be given as --baseline later')
    .option('--suppressions <file>', 'leave out what an organization suppressed (fb suppress list --json)')
    .option('--options <file>', 'allow-lists and limits of the organization (fb options)')
    .option('--json', 'print one JSON object instead of words')
    .option('--sarif', 'print a SARIF 2.1.0 log instead of words')
    .addHelpText('after', HELP)
    .action(check)
}

async function check (paths: string[], options: CheckOptions): Promise<void> {
  if (options.json === true && options.sarif === true) throw new OperationError('usage', 'give --json or --sarif, not both')
  const threshold = readThreshold(options.failOn ?? (options.baseline === undefined ? 'none' : 'info'))
  const baseline = options.baseline === undefined ? null : await readBaseline(options.baseline)
  const listed = await listBlueprintFiles(paths)
  if (listed.length === 0) note('fb: no *.json file was found')
  const suppressor = options.suppressions === undefined ? undefined : suppressorOf(await readSuppressions(options.suppressions, Date.now()))
  const organization = { ...NO_ORGANIZATION, ...(options.options === undefined ? {} : { options: await readOptionsFile(options.options) }) }
  const files = await checkFiles(listed, { organization, ...(suppressor === undefined ? {} : { suppressor }) })
  const fresh = baseline === null ? undefined : newFindings(files, baseline, (path) => !existsSync(path))
  if (options.writeBaseline !== undefined) await writeBaseline(options.writeBaseline, baselineOf(files))
  if (options.sarif === true) printAnswer(true, sarifLog(files, fresh === undefined ? {} : { fresh }), () => '')
  else printAnswer(options.json === true, { catalogue_version: CATALOGUE_VERSION, files: filesInAnswer(files, fresh) }, () => describeCheck(files, fresh))
  if (threshold !== null && isFailed(files, listed, threshold, fresh)) process.exitCode = EXIT.failed
}

/** The files of one check are the scenarios of one organization. Which connections they share is known at the end; who shares one is then judged again. */
async function checkFiles (listed: readonly ListedFile[], options: Judging): Promise<CheckFile[]> {
  const files: CheckFile[] = []
  const shared = connectionTally()
  const bar = progress(listed.length, 'judging')
  for (const [index, file] of listed.entries()) {
    files.push(await checkFile(file, { ...options, onConnections: (platform, uses) => shared.add(index, platform, uses) }))
    bar.step(index + 1)
  }
  for (const [index, reach] of shared.reaches(options.organization.options.connection_scenarios)) {
    const file = listed[index]
    if (file !== undefined) files[index] = await checkFile(file, { ...options, organization: { ...options.organization, reach } })
  }
  bar.done()
  return files
}

async function checkFile ({ path }: ListedFile, options: CheckTextOptions): Promise<CheckFile> {
  const read = await readBlueprintFile(path)
  const name = relativePath(path)
  return 'refused' in read ? { path: name, refused: read.refused } : checkText(name, read.text, options)
}

/** Null: nothing fails. */
function readThreshold (text: string): Severity | null {
  if (text === 'none') return null
  const known = SEVERITIES.find((one) => one === text)
  if (known === undefined) throw new OperationError('usage', `--fail-on must be one of ${SEVERITIES.join(', ')}, none`)
  return known
}

function isFailed (files: readonly CheckFile[], listed: readonly ListedFile[], threshold: Severity, fresh: ReadonlySet<FileFinding> | undefined): boolean {
  return files.some(({ refused, violations = [] }, index) => {
    // A refused file that was only found in a folder may be any JSON; one that was named should have been judged.
    if (refused !== undefined) return listed[index]?.isNamed === true
    return violations.some((finding) => isAtLeast(finding.severity, threshold) && (fresh === undefined || fresh.has(finding)))
  })
}

function filesInAnswer (files: readonly CheckFile[], fresh: ReadonlySet<FileFinding> | undefined): object[] {
  if (fresh === undefined) return [...files]
  return files.map(({ violations, ...file }) => violations === undefined
    ? file
    : { ...file, violations: violations.map((finding) => ({ ...finding, is_new: fresh.has(finding) })) })
}
