import { groupBy, type Check, type Violation } from '../verdict.ts'
import type { FaultEvent, Operation } from '../history.ts'

/** A token lives 900 s; what is presented near the end of them may be refused. */
const LIFE_MS = 890_000

const redemptions: Check = ({ operations, faults }) => {
  const tokens = groupBy(operations.filter(({ kind }) => kind === 'redeem'), ({ subject }) => subject)
  // A token that nobody else ever had is named for the operation that was given it.
  const issued = new Map(operations.map((operation) => [String(operation.id), operation]))
  const violations: Violation[] = []
  let winners = 0
  let cut = 0
  for (const [token, attempts] of tokens) {
    const won = attempts.filter(({ outcome }) => outcome === 'ok')
    const isCut = attempts.some(({ outcome }) => outcome === 'unknown')
    if (won.length > 0) winners++
    else if (isCut) cut++
    if (won.length > 1) violations.push({ what: `token ${token} was redeemed ${won.length} times`, operations: won })
    if (won.length > 0 || isCut) continue
    const spent = attempts.filter(({ code }) => code === 'result_token_used')
    if (spent.length > 0) violations.push({ what: `token ${token} is called used, and nobody was ever given its results`, operations: attempts })
    const refused = attempts.filter((one) => one.code === 'result_token_invalid' && !mayBeLost(one, issued.get(token), faults))
    if (refused.length > 0) violations.push({ what: `token ${token} is refused as invalid, and no store had lost it`, operations: refused })
  }
  return {
    promise: 'a result token is redeemed once at most, and is not spent on nobody',
    counts: { tokens: tokens.size, attempts: operations.filter(({ kind }) => kind === 'redeem').length, winners, 'cut off while redeeming': cut },
    violations
  }
}

function mayBeLost (attempt: Operation, issue: Operation | undefined, faults: readonly FaultEvent[]): boolean {
  if (issue === undefined) return false
  if (attempt.endedMs - issue.invokedMs > LIFE_MS) return true
  return faults.some(({ emptied, endedMs }) => emptied && endedMs >= issue.invokedMs)
}

const replays: Check = ({ operations }) => {
  const requests = groupBy(operations.filter(({ kind }) => kind === 'replay'), ({ subject }) => subject)
  const violations: Violation[] = []
  let accepted = 0
  for (const [request, attempts] of requests) {
    const taken = attempts.filter(({ outcome }) => outcome === 'ok')
    if (taken.length > 0) accepted++
    if (taken.length > 1) violations.push({ what: `the signed request ${request} was accepted ${taken.length} times`, operations: taken })
  }
  return {
    promise: 'a signed request that changes state is accepted once',
    counts: { requests: requests.size, presented: [...requests.values()].flat().length, accepted },
    violations
  }
}

export const tokenChecks: readonly Check[] = [redemptions, replays]
