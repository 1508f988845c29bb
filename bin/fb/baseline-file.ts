/** Baseline files of `fb check`. */
import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { BaselineError, parseBaseline, type Baseline } from '../../evaluation/baseline.ts'
import { OperationError } from '../../evaluation/operator.ts'
import { CATALOGUE_VERSION } from '../../evaluation/rules/index.ts'
import { note } from './output.ts'

/** Throws a usage error for a file that is not there or not understood: a check must not pass because its baseline was damaged. */
export async function readBaseline (path: string): Promise<Baseline> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OperationError('usage', `the baseline cannot be read: ${path}`, { cause })
  })
  try {
    const baseline = parseBaseline(text)
    if (baseline.catalogue_version !== CATALOGUE_VERSION) note(`fb: the baseline was written with catalogue ${baseline.catalogue_version}, this is ${CATALOGUE_VERSION}: rules may have changed`)
    return baseline
  } catch (cause) {
    if (!(cause instanceof BaselineError)) throw cause
    throw new OperationError('usage', `the baseline ${path} ${cause.message}`, { cause })
  }
}

/** Written beside its place and renamed, so that an interrupted run leaves the old one whole. */
export async function writeBaseline (path: string, baseline: Baseline): Promise<void> {
  const beside = `${path}.${randomBytes(4).toString('hex')}.tmp`
  try {
    await writeFile(beside, `${JSON.stringify(baseline, null, 2)}\n`)
    await rename(beside, path)
  } catch (cause) {
    await rm(beside, { force: true }).catch(() => {})
    throw new OperationError('usage', `the baseline cannot be written: ${path}`, { cause })
  }
  note(`fb: ${baseline.findings.length} findings written to ${path}`)
}
