import type { Check } from '../verdict.ts'

const acceptedWork: Check = ({ operations, facts }) => {
  const accepted = operations.filter(({ evaluationId }) => evaluationId !== null)
  const lost = accepted.filter(({ evaluationId }) => facts.evaluations.get(evaluationId ?? '')?.state !== 'complete')
  return {
    promise: 'no accepted evaluation is lost',
    counts: { accepted: accepted.length, complete: accepted.length - lost.length, 'stored in all': facts.evaluations.size },
    violations: lost.map((operation) => ({
      what: `evaluation ${operation.evaluationId ?? ''} was accepted and is ${facts.evaluations.get(operation.evaluationId ?? '')?.state ?? 'gone'}`,
      operations: [operation]
    }))
  }
}

// Also of an evaluation whose submitter never heard of it: what is complete is told.
const completedWork: Check = ({ facts }) => {
  const complete = [...facts.evaluations].filter(([, { state }]) => state === 'complete')
  const received = new Set(facts.deliveries.map(({ subscriptionId, evaluationId }) => `${subscriptionId} ${evaluationId ?? ''}`))
  const due = complete.flatMap(([id, { orgId }]) => facts.subscriptions.filter((one) => one.orgId === orgId).map((one) => `${one.id} ${id}`))
  const unsigned = facts.deliveries.filter(({ isValid }) => !isValid)
  return {
    promise: 'every completed evaluation is delivered to every active subscription, signed',
    counts: { due: due.length, received: facts.deliveries.length, 'sent again': facts.deliveries.length - received.size },
    violations: [
      ...due.filter((one) => !received.has(one)).map((one) => ({ what: `never received: subscription and evaluation ${one}`, operations: [] })),
      ...unsigned.map((one) => ({ what: `subscription ${one.subscriptionId} received evaluation ${one.evaluationId ?? 'null'} with a signature that does not verify`, operations: [] }))
    ]
  }
}

const processes: Check = ({ facts }) => ({
  promise: 'a process ends when it is told to, with 0 inside 30 s, and never by itself',
  counts: { 'told to end': facts.drains.length, 'longest, ms': Math.round(Math.max(0, ...facts.drains.map(({ ms }) => ms))) },
  violations: [
    ...facts.crashes.map((what) => ({ what, operations: [] })),
    ...facts.drains.filter(({ exit, ms }) => exit !== 0 || ms > 30_000).map(({ process, exit, ms }) => ({ what: `${process} ended with ${exit} after ${Math.round(ms)} ms`, operations: [] }))
  ]
})

export const workChecks: readonly Check[] = [acceptedWork, completedWork, processes]
