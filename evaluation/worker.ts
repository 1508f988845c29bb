/**
 * The evaluation worker. Claims evaluations under a lease, judges each scenario in a thread and records it under that lease: when
 * this process dies, the lease lapses and another one goes on with what is left. NOTIFY wakes it, polling backs that up.
 */
import { isDatabaseAway, safeDatabaseError, type Database, type Db } from '../db/client.ts'
import { organizationFor } from '../db/queries/connections.ts'
import { EVALUATION_CHANNEL } from '../db/queries/evaluations.ts'
import { claimEvaluation, endSpentEvaluations, finishEvaluation, loadItemsForWork, recordItem, releaseEvaluation, renewLease, type ClaimedEvaluation, type Lease } from '../db/queries/system.ts'
import { graphJudge, type GraphJudge, type Judgement } from './thread-pool.ts'

const LEASE_MS = 30_000
const POLL_MS = 1000
const BACKOFF_MAX_MS = 5000
const STOP_MS = 5000
const RELEASE_MS = 1000
const GIVE_BACK_MS = 250
const CONCURRENCY = 2

export interface WorkerLogger { warn (fields: object, message: string): void }

export interface WorkerOptions {
  database: Database
  /** Names this worker in its leases. */
  workerId: string
  /** Milliseconds until an unrenewed lease lapses. Default 30 000; renewed at a third of it. */
  leaseMs?: number
  /** Evaluations judged at a time, each in a thread of its own. Default 2, so that a slow one does not hold up the next. */
  concurrency?: number
  /** Runs in the transaction that ends an evaluation: what it writes is true exactly when the end is. Default none. */
  onEnded?: (tx: Db, ended: EndedEvaluation) => Promise<void>
  /** Work that waits: all of it, or that of some organizations. Default none. */
  paused?: () => { readonly everything: boolean, readonly orgs: readonly string[] }
  logger: WorkerLogger
}

export interface EndedEvaluation { id: string, orgId: string, state: 'complete' | 'error' }

export interface EvaluationWorker {
  /** Looks for work now. */
  kick (): void
  /** Gives back the evaluations under way, for the next worker to go on with at once; waits at most five seconds for a judgement. */
  stop (): Promise<void>
}

export function startWorker (options: WorkerOptions): EvaluationWorker {
  const { database, workerId, logger } = options
  const onEnded = options.onEnded ?? (async () => {})
  const leaseMs = options.leaseMs ?? LEASE_MS
  const paused = options.paused ?? (() => ({ everything: false, orgs: [] }))
  const concurrency = options.concurrency ?? CONCURRENCY
  if (!Number.isInteger(concurrency) || concurrency < 1) throw new TypeError('worker: concurrency must be a whole number of at least 1')
  const ending = new AbortController()
  const sleepers = new Set<() => void>()
  let kicks = 0
  let failures = 0
  let nextTidyMs = 0
  const kick = (): void => {
    kicks++
    for (const wake of sleepers) wake()
  }
  const unlisten = database.listen(EVALUATION_CHANNEL, kick).catch((err: unknown) => {
    logger.warn(safeDatabaseError(err), 'the worker is not notified; it polls')
    return async () => {}
  })
  // A thread starts with the first scenario, so an idle lane costs nothing.
  const judges = Array.from({ length: concurrency }, () => graphJudge())
  const lanes = Promise.all(judges.map(run))

  async function run (judge: GraphJudge): Promise<void> {
    while (!ending.signal.aborted) {
      const kicksBefore = kicks
      const claimed = await claim()
      if (claimed !== null) await work(claimed, judge)
      else if (kicks === kicksBefore) await pause(failures === 0 ? POLL_MS : Math.min(POLL_MS * 2 ** failures, BACKOFF_MAX_MS) * (0.5 + Math.random() / 2))
    }
  }

  async function claim (): Promise<ClaimedEvaluation | null> {
    try {
      if (performance.now() >= nextTidyMs) await endSpent()
      const { everything, orgs } = paused()
      const claimed = everything ? null : await claimEvaluation(database.db, { workerId, leaseMs, exceptOrgs: orgs })
      failures = 0
      return claimed
    } catch (err) {
      if (!ending.signal.aborted) logger.warn(safeDatabaseError(err), 'the queue cannot be read')
      failures = Math.min(failures + 1, 8)
      return null
    }
  }

  async function endSpent (): Promise<void> {
    nextTidyMs = performance.now() + POLL_MS
    await database.db.transaction(async (tx) => {
      for (const spent of await endSpentEvaluations(tx)) await onEnded(tx, { ...spent, state: 'error' })
    })
  }

  async function finish (claimed: ClaimedEvaluation, lease: Lease): Promise<void> {
    await database.db.transaction(async (tx) => {
      if (await finishEvaluation(tx, { ...lease, error: null })) await onEnded(tx, { id: claimed.id, orgId: claimed.orgId, state: 'complete' })
    })
  }

  async function work (claimed: ClaimedEvaluation, judge: GraphJudge): Promise<void> {
    const lease: Lease = { evaluationId: claimed.id, workerId, attempt: claimed.attempt }
    const renewal = setInterval(() => {
      renewLease(database.db, { ...lease, leaseMs }).catch((err: unknown) => logger.warn(safeDatabaseError(err), 'a lease could not be renewed'))
    }, leaseMs / 3)
    renewal.unref()
    try {
      const end = await judgeItems(claimed.orgId, lease, judge)
      // What a stopping worker holds is given back with its attempt: the next one need not wait for this lease.
      if (end === 'stopping') await releaseEvaluation(database.db, lease)
      if (end === 'judged') await finish(claimed, lease)
    } catch (err) {
      logger.warn(safeDatabaseError(err), 'an evaluation was left to its lease')
      // Whatever else went wrong must cost an attempt.
      if (isDatabaseAway(err)) await giveBackLater(lease)
    } finally {
      clearInterval(renewal)
    }
  }

  /** A database that comes back finds the claim given back at once, instead of when its lease lapses. */
  async function giveBackLater (lease: Lease): Promise<void> {
    for (const endsMs = performance.now() + leaseMs; performance.now() < endsMs && !ending.signal.aborted;) {
      await pause(GIVE_BACK_MS)
      try {
        return await releaseEvaluation(database.db, lease)
      } catch (err) {
        if (!isDatabaseAway(err)) return logger.warn(safeDatabaseError(err), 'a claim could not be given back')
      }
    }
  }

  async function judgeItems (orgId: string, lease: Lease, judge: GraphJudge): Promise<'judged' | 'stopping' | 'lost'> {
    if (ending.signal.aborted) return 'stopping'
    for (const item of await loadItemsForWork(database.db, lease.evaluationId)) {
      if (ending.signal.aborted) return 'stopping'
      const outcome: Judgement = item.graph === null ? { result: null, standing: null, error: 'Scenario not found' } : await judge.judge(item.graph, (used) => organizationFor(database.db, orgId, used))
      // A thread that was ended with the worker says nothing of its scenario.
      if (ending.signal.aborted && outcome.result === null) return 'stopping'
      if (!await recordItem(database.db, { ...lease, position: item.position, ...outcome })) return 'lost'
    }
    return 'judged'
  }

  async function pause (ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(end, ms)
      timer.unref()
      sleepers.add(end)
      function end (): void {
        clearTimeout(timer)
        sleepers.delete(end)
        resolve()
      }
    })
  }

  async function stop (): Promise<void> {
    ending.abort()
    kick()
    await atMost(STOP_MS, lanes)
    // A judgement that was waited for in vain ends with its thread, and its lane gives the evaluation back.
    await Promise.all(judges.map((judge) => judge.close()))
    // A database that is away may never answer.
    await atMost(RELEASE_MS, Promise.all([lanes, unlisten.then((end) => end()).catch(() => {})]))
  }

  return { kick, stop }
}

async function atMost (ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([work, new Promise((resolve) => { timer = setTimeout(resolve, ms) })])
  clearTimeout(timer)
}
