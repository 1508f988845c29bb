/**
 * A circuit towards a store: when the store keeps failing, or is silent once, nothing asks it any more and the callers are told so at
 * once, so that a store which hangs costs one deadline and not one for every request. While it is open the circuit itself asks, at
 * short intervals and one question at a time; the first answer closes it. No caller waits for such a question. A process that was
 * itself held up reads what has arrived before it calls a store silent.
 */

export type CircuitState = 'closed' | 'open' | 'half-open'

export interface CircuitOptions {
  /** Asks the store for as much as its callers do; resolves when the store can serve them. Its deadline is the callers'. */
  readonly probe: () => Promise<unknown>
  /** Milliseconds that an answer may take, not counting those in which this process could not listen. Default 250. */
  readonly deadlineMs?: number
  /** Failures in a row that open the circuit. Default 5. */
  readonly failuresMax?: number
  /** Milliseconds between two questions while it is open. Default 250. */
  readonly probeEveryMs?: number
  /** Work under way at once; what comes on top is refused at once and counts as no failure. Default 5000. */
  readonly inFlightMax?: number
  /** Whether an error says something of the store. Default: every error but RangeError and TypeError, which speak of the question. */
  readonly isFailure?: (err: unknown) => boolean
  /** Whether an error means silence, which opens the circuit at the first. Default: SilenceError, which is what a deadline ends in. */
  readonly isSilence?: (err: unknown) => boolean
  /** Told of every change, with the error that opened it. */
  readonly onChange?: (state: CircuitState, cause?: unknown) => void
}

export interface Circuit {
  readonly state: CircuitState
  /** Does the work, or rejects with CircuitOpenError without beginning it. */
  run<T> (work: () => Promise<T>): Promise<T>
  /** Ends the questions. The circuit stays as it is. */
  stop (): void
}

export class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError'
  readonly code = 'CIRCUIT_OPEN'
}

/** The store did not answer in time. What it was asked for may be done all the same, also later. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError'
  readonly code = 'STORE_SILENT'
}

const DEADLINE_MS = 250
const DEADLINE_TICKS = 10
const FAILURES_MAX = 5
const PROBE_EVERY_MS = 250
const IN_FLIGHT_MAX = 5000

export function createCircuit (options: CircuitOptions): Circuit {
  const { probe, onChange = () => {}, isFailure = speaksOfStore, isSilence = isSilenceError } = options
  const deadlineMs = positive('deadlineMs', options.deadlineMs ?? DEADLINE_MS)
  const failuresMax = positive('failuresMax', options.failuresMax ?? FAILURES_MAX)
  const probeEveryMs = positive('probeEveryMs', options.probeEveryMs ?? PROBE_EVERY_MS)
  const inFlightMax = positive('inFlightMax', options.inFlightMax ?? IN_FLIGHT_MAX)
  const within = deadlines(deadlineMs)
  let state: CircuitState = 'closed'
  let failures = 0
  let inFlight = 0
  /** Counts closings: what was begun before the last one says nothing of the store as it is now. */
  let generation = 0
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  function change (next: CircuitState, cause?: unknown): void {
    state = next
    onChange(next, cause)
  }

  function open (cause: unknown): void {
    change('open', cause)
    askLater()
  }

  function askLater (): void {
    if (isStopped) return
    // The jitter keeps the instances from asking a store that has just come back in one moment.
    timer = setTimeout(() => { ask().catch(() => {}) }, probeEveryMs * (0.75 + Math.random() / 2)).unref()
  }

  async function ask (): Promise<void> {
    change('half-open')
    try {
      await within(begin(probe), generation)
    } catch (err) {
      if (!isStopped) open(err)
      return
    }
    failures = 0
    generation++
    change('closed')
  }

  function settled (begun: number, failure: Error | undefined): void {
    inFlight--
    if (begun !== generation) return
    if (failure === undefined) failures = 0
    else learn(failure)
  }

  function learn (err: Error): void {
    if (state !== 'closed' || !isFailure(err)) return
    failures++
    if (failures >= failuresMax || isSilence(err)) open(err)
  }

  return {
    get state () { return state },
    run (work) {
      if (state !== 'closed') return Promise.reject(new CircuitOpenError('the store is away'))
      if (inFlight >= inFlightMax) return Promise.reject(new CircuitOpenError('the store is asked for more than it may be at once'))
      inFlight++
      return within(begin(work), generation, settled)
    },
    stop () {
      isStopped = true
      clearTimeout(timer)
    }
  }
}

function positive (name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`circuit: ${name} must be a positive whole number`)
  return value
}

function speaksOfStore (err: unknown): boolean {
  return !(err instanceof RangeError || err instanceof TypeError)
}

function isSilenceError (err: unknown): boolean {
  return err instanceof SilenceError
}

function begin<T> (work: () => Promise<T>): Promise<T> {
  try {
    return work()
  } catch (err) {
    return Promise.reject(err instanceof Error ? err : new Error(String(err)))
  }
}

type Settled = (generation: number, failure: Error | undefined) => void

/** What waits, in a ring in the order of beginning: who leaves it leaves nothing behind, however many come and go. */
class Waiting {
  readonly begunTick: number
  readonly reject: (failure: Error) => void
  readonly generation: number
  readonly onSettled: Settled | undefined
  isSettled = false
  before: Waiting = this
  after: Waiting = this

  constructor (begunTick: number, reject: (failure: Error) => void, generation: number, onSettled: Settled | undefined) {
    this.begunTick = begunTick
    this.reject = reject
    this.generation = generation
    this.onSettled = onSettled
  }

  fail (failure: Error): void {
    this.onSettled?.(this.generation, failure)
    this.reject(failure)
  }
}

/**
 * One clock for everything that waits on a store: who waits is in order of beginning, so a tick looks at the oldest only. Only the time in
 * which this process could listen counts: a pause of its own uses up one tick at most, whenever it comes. Timers run before sockets are
 * read, so what arrived during the last tick is read before it is called late. An answer has the deadline, and up to a tick more.
 */
function deadlines (deadlineMs: number): <T>(work: Promise<T>, generation: number, onSettled?: Settled) => Promise<T> {
  const ring = new Waiting(0, () => {}, 0, undefined)
  let tick = 0
  let clock: NodeJS.Timeout | undefined

  function strike (): void {
    if (ring.after === ring) {
      clearInterval(clock)
      clock = undefined
    }
    tick++
    while (ring.after !== ring && tick - ring.after.begunTick > DEADLINE_TICKS) {
      const late = ring.after
      leave(late)
      setImmediate(() => { if (settle(late)) late.fail(new SilenceError(`no answer in ${deadlineMs} ms`)) })
    }
  }

  function enter (one: Waiting): void {
    one.before = ring.before
    one.after = ring
    ring.before.after = one
    ring.before = one
    clock ??= setInterval(strike, deadlineMs / DEADLINE_TICKS)
  }

  return (work, generation, onSettled) => new Promise((resolve, reject) => {
    const one = new Waiting(tick, reject, generation, onSettled)
    enter(one)
    work.then((result) => {
      if (!settle(one)) return
      onSettled?.(generation, undefined)
      resolve(result)
    }, (err: unknown) => { if (settle(one)) one.fail(err instanceof Error ? err : new Error(String(err))) })
  })
}

function leave (one: Waiting): void {
  one.before.after = one.after
  one.after.before = one.before
  one.before = one.after = one
}

/** True once: for the answer or for the deadline, whichever comes first. */
function settle (one: Waiting): boolean {
  if (one.isSettled) return false
  one.isSettled = true
  leave(one)
  return true
}
