import { closeSync, openSync, writeSync } from 'node:fs'

/** What a client did. `revoke` and `kill` are an operator's; everything else is a request to one of the instances. */
export type OperationKind = 'submit' | 'poll' | 'redeem' | 'read' | 'probe' | 'limit' | 'use' | 'replay' | 'foreign' | 'forge' | 'revoke' | 'kill' | 'lift'

/** `ok` happened, `fail` did not, `unknown` may have: a cut connection, a deadline, an answer of 5xx. */
export type Outcome = 'ok' | 'fail' | 'unknown'

export interface Operation {
  readonly id: number
  readonly client: string
  readonly kind: OperationKind
  /** The instance that was asked; `operator` for what went to the stores. */
  readonly instance: string
  readonly orgId: string | null
  readonly keyId: string | null
  /** What it was about: a token's or a replay's label, an evaluation, a key. Never a secret. */
  readonly subject: string | null
  /** Milliseconds of the run's monotonic clock. */
  readonly invokedMs: number
  readonly endedMs: number
  readonly outcome: Outcome
  readonly status: number | null
  /** Code of a refusal; of a cut connection its error code. */
  readonly code: string | null
  readonly watermark: string | null
  /** Whether the answer carries the caller's windows, which only an authenticated one does. */
  readonly isAuthenticated: boolean
  /** The evaluation that was accepted. */
  readonly evaluationId: string | null
  /** A mark of another organization that stood in the answer. */
  readonly foreignMark: string | null
}

export type Invocation = Pick<Operation, 'client' | 'kind' | 'instance' | 'orgId' | 'keyId' | 'subject'>
export type Completion = Pick<Operation, 'outcome' | 'status' | 'code'> & Partial<Pick<Operation, 'watermark' | 'isAuthenticated' | 'evaluationId' | 'foreignMark'>>

/** A fault: from the moment it is cut in until what it cut answers again. */
export interface FaultEvent {
  readonly name: string
  readonly target: string
  readonly startedMs: number
  readonly endedMs: number
  /** Instances from which a store was away; their recovery is judged. */
  readonly cutOff: readonly string[]
  /** Whether the windows' store came back without its data. */
  readonly emptied: boolean
}

export interface History {
  readonly operations: Operation[]
  readonly faults: FaultEvent[]
  readonly file: string
  nowMs (): number
  /** Writes the invocation, runs the operation and writes how it ended. Never rejects: what throws is `unknown`. */
  record (invocation: Invocation, work: () => Promise<Completion>): Promise<Operation>
  fault (event: FaultEvent): void
  close (): void
}

// One JSON line when an operation begins and one when it ends, so that a run that is cut off still tells what was under way.
export function openHistory (file: string): History {
  const out = openSync(file, 'w', 0o600)
  const startedMs = performance.now()
  const operations: Operation[] = []
  const faults: FaultEvent[] = []
  let lastId = 0
  const nowMs = (): number => Math.round((performance.now() - startedMs) * 1000) / 1000
  const write = (line: object): void => { writeSync(out, `${JSON.stringify(line)}\n`) }
  return {
    operations,
    faults,
    file,
    nowMs,
    async record (invocation, work) {
      const id = ++lastId
      const invokedMs = nowMs()
      write({ type: 'invoke', id, atMs: invokedMs, ...invocation })
      let completion: Completion
      try {
        completion = await work()
      } catch (err) {
        completion = { outcome: 'unknown', status: null, code: err instanceof Error ? err.name : 'error' }
      }
      const operation: Operation = { watermark: null, isAuthenticated: false, evaluationId: null, foreignMark: null, ...invocation, ...completion, id, invokedMs, endedMs: nowMs() }
      operations.push(operation)
      write({ type: completion.outcome, id, atMs: operation.endedMs, ...completion })
      return operation
    },
    fault (event) {
      faults.push(event)
      write({ type: 'fault', ...event })
    },
    close: () => closeSync(out)
  }
}
