import type { Check, Run, Violation } from '../verdict.ts'
import { RUNNING_MS } from '../../../evaluation/kill-control.ts'
import type { FaultEvent, Operation, OperationKind } from '../history.ts'

/** How long a fault that is over may still hold a throw up. */
const AFTERMATH_MS = 2000

const revocation: Check = ({ operations }) => {
  const revoked = new Map<string, Operation>()
  for (const one of operations) if (one.kind === 'revoke' && one.outcome === 'ok' && one.subject !== null) revoked.set(one.subject, one)
  const after = operations.filter((one) => isAfter(one, revoked.get(one.keyId ?? '')?.endedMs))
  const served = after.filter(({ status, code, isAuthenticated }) => status !== null && (status < 400 || isAuthenticated) && code !== 'unavailable')
  return {
    promise: 'no request that begins after a revocation returned succeeds',
    counts: { revocations: revoked.size, 'requests after them': after.length },
    violations: served.map((one) => ({ what: `key ${one.keyId ?? ''} was served ${Math.round(one.invokedMs - (revoked.get(one.keyId ?? '')?.endedMs ?? 0))} ms after its revocation returned`, operations: [one] }))
  }
}

function isAfter (operation: Operation, endedMs: number | undefined): boolean {
  return operation.kind !== 'revoke' && endedMs !== undefined && operation.invokedMs > endedMs
}

const organizations: Check = ({ operations, facts }) => {
  const asked = operations.filter(({ kind }) => kind === 'foreign')
  const leaks = operations.filter(({ foreignMark }) => foreignMark !== null)
  const given = asked.filter(({ status }) => status !== null && status < 400)
  const sent = facts.deliveries.filter(({ foreignMark }) => foreignMark !== null)
  return {
    promise: 'no byte of one organization stands in an answer to another',
    counts: { 'answers and deliveries read': operations.filter(({ status }) => status !== null).length + facts.deliveries.length, 'requests for records of others': asked.length },
    violations: [
      ...leaks.map((one) => ({ what: `the mark ${one.foreignMark ?? ''} of another organization stands in an answer`, operations: [one] })),
      ...given.map((one) => ({ what: `a record of another organization was answered with ${one.status ?? 0}`, operations: [one] })),
      ...sent.map((one) => ({ what: `subscription ${one.subscriptionId} was sent the mark ${one.foreignMark ?? ''} of another organization`, operations: [] }))
    ]
  }
}

/** The refusals that each kind of request may meet, besides 503 and, where the kill switch is thrown, its own. */
const REFUSALS: Readonly<Record<OperationKind, readonly string[]>> = {
  submit: ['rate_limited'],
  poll: ['rate_limited'],
  redeem: ['result_token_invalid', 'result_token_used', 'evaluation_incomplete'],
  read: ['rate_limited', 'not_found'],
  probe: [],
  limit: ['rate_limited'],
  use: ['invalid_api_key', 'rate_limited'],
  replay: ['signature_replayed'],
  foreign: ['organization_mismatch'],
  forge: ['invalid_api_key', 'signature_invalid', 'signature_missing', 'result_token_invalid', 'rate_limited'],
  revoke: [],
  kill: [],
  lift: []
}

const errors: Check = (run) => {
  const answered = run.operations.filter(({ status }) => status !== null)
  const wrong = answered.filter((one) => !isExpected(one, run))
  const refused = answered.filter(({ status }) => status === 503)
  return {
    promise: 'what cannot be served is refused as what it is: no 500, no 401 for a good key, nothing forged accepted',
    counts: { answers: answered.length, 'refused with 503': refused.length, 'no answer': run.operations.length - answered.length },
    violations: wrong.map((one) => ({ what: `${one.kind} was answered with ${one.status ?? 0} ${one.code ?? ''}`, operations: [one] }))
  }
}

function isExpected (operation: Operation, run: Run): boolean {
  const { kind, status, code, keyId } = operation
  if (status === null) return true
  if (status < 400) return kind !== 'forge' && kind !== 'foreign'
  if (status === 503) return code === 'unavailable' || (code === 'api_disabled' && mayBeKilled(operation, run))
  if (code === 'invalid_api_key' && kind === 'use') return run.operations.some((one) => one.kind === 'revoke' && one.subject === keyId && one.invokedMs <= operation.endedMs)
  return REFUSALS[kind].includes(code ?? '')
}

function mayBeKilled ({ orgId, endedMs }: Operation, { operations }: Run): boolean {
  return operations.some((one) => one.kind === 'kill' && one.subject === orgId && one.invokedMs <= endedMs)
}

/** A process that was killed left no word: it counts as running, and its confirmation is waited for, until it was not heard of for long enough. */
function heldUpUntil ({ name, startedMs, endedMs }: FaultEvent): number {
  return Math.max(endedMs + AFTERMATH_MS, name.startsWith('kill -9') ? startedMs + RUNNING_MS + AFTERMATH_MS : 0)
}

// A throw that returned has arrived on every instance; one that is not confirmed has a fault to blame or breaks the promise. How soon it
// arrives is told here and held to its bar by a proof of its own, on a machine that is not being tortured.
const killSwitch: Check = ({ operations, faults }) => {
  const throws = operations.filter(({ kind }) => kind === 'kill')
  const violations: Violation[] = []
  const counts = { throws: throws.length, confirmed: 0, 'longest, ms': 0, 'requests against it': 0 }
  for (const thrown of throws) {
    const { subject, outcome, invokedMs, endedMs } = thrown
    const isDisturbed = faults.some((fault) => fault.startedMs < endedMs && heldUpUntil(fault) > invokedMs)
    if (outcome !== 'ok') {
      if (!isDisturbed) violations.push({ what: `the kill switch was not confirmed in ${Math.round(endedMs - invokedMs)} ms`, operations: [thrown] })
      continue
    }
    counts.confirmed++
    if (!isDisturbed) counts['longest, ms'] = Math.max(counts['longest, ms'], Math.round(endedMs - invokedMs))
    const liftedMs = operations.find((one) => one.kind === 'lift' && one.subject === subject && one.invokedMs > endedMs)?.invokedMs ?? Number.POSITIVE_INFINITY
    const within = operations.filter((one) => one.orgId === subject && one.invokedMs > endedMs && one.endedMs < liftedMs)
    counts['requests against it'] += within.length
    violations.push(...within.filter(({ status, code }) => status !== null && code !== 'api_disabled' && code !== 'unavailable')
      .map((one) => ({ what: `organization ${one.orgId ?? ''} was answered with ${one.status ?? 0} ${one.code ?? ''} while its kill switch was thrown`, operations: [thrown, one] })))
  }
  return { promise: 'the kill switch arrives on every instance, and then nothing of its target is served', counts, violations }
}

export const accessChecks: readonly Check[] = [revocation, killSwitch, organizations, errors]
