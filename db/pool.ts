/**
 * The connections of one process to one database, in lanes that cannot hold each other up, and what is known of the database's health.
 * Whoever asks gets a connection, a bounded wait, or an error; never an unbounded queue. Once the database cannot be reached, everybody
 * is refused at once while one probe at a time looks for it, so an outage costs each request nothing and ends within a probe.
 */
import { ConnectionLostError, statement, StatementDeadlineError, type Connection, type Statement, type StatementOptions, type Transaction, type TypeMaps } from './connection.ts'

/** The database could not be reached a moment ago, or is not ready for this process yet. */
export class DatabaseAwayError extends Error {
  readonly code = 'DATABASE_AWAY'

  constructor (cause?: unknown) {
    super('the database is away', { cause })
    this.name = 'DatabaseAwayError'
  }
}

/** Too many statements wait for a connection already. */
export class PoolFullError extends Error {
  readonly code = 'POOL_FULL'

  constructor () {
    super('too many statements wait for a connection')
    this.name = 'PoolFullError'
  }
}

/** What drizzle uses of a postgres.js client. */
export interface Lane {
  readonly options: TypeMaps
  unsafe (text: string, parameters?: unknown[], options?: StatementOptions): Statement
  begin <T>(work: (tx: Transaction) => Promise<T>): Promise<T>
}

export interface PoolOptions {
  /** Opens a connection that has answered; `onLost` is called when it is lost later. */
  readonly connect: (onLost: (connection: Connection) => void) => Promise<Connection>
  /** Where drizzle leaves its parsers for every connection. */
  readonly types: TypeMaps
  /** For a connection and one statement on it together, milliseconds. Each statement of a transaction has it anew. */
  readonly deadlineMs: number
  /** Statements that may wait in a lane. Default 1000; one more is refused at once. */
  readonly waitingMax?: number
  /** Told when the database goes and comes back. Default none. */
  readonly onChange?: (change: { isAway: boolean, cause?: unknown }) => void
}

export interface Pool {
  /** Connections of their own, at most `max`. */
  lane (max: number): Lane
  /** Refuses everybody until it is called with false: for a database that is not ready for this process. */
  hold (isHeld: boolean): void
  close (): Promise<void>
}

interface Waiter { serve: (connection: Connection) => void, refuse: (err: Error) => void }
interface LaneState { idle: Connection[], all: Set<Connection>, opening: number, waiting: Set<Waiter>, max: number }

/** A statement that is silent for so long makes the pool ask whether the server still speaks. */
const SUSPICION_MS = 1000
const PROBE_INTERVAL_MS = 200
const WAITING_MAX = 1000
/** A connection is renewed now and then, so that memory of its session and a moved server are not kept for ever. */
const LIFE_MS = 30 * 60_000
const TOO_MANY_CONNECTIONS = '53300'
const CUT = ['57P01', 'CONNECTION_CLOSED', 'CONNECTION_LOST', 'ECONNRESET']

export function createPool (options: PoolOptions): Pool {
  const { deadlineMs, waitingMax = WAITING_MAX } = options
  const lanes: LaneState[] = []
  let isAway = false
  let isHeld = false
  let isClosed = false
  let isProbing = false
  let cause: unknown

  function refusal (): Error | null {
    if (isClosed) return new ConnectionLostError()
    return isAway || isHeld ? new DatabaseAwayError(cause) : null
  }

  async function acquire (lane: LaneState, endsMs: number): Promise<Connection> {
    const refused = refusal()
    if (refused !== null) throw refused
    const idle = lane.idle.pop()
    if (idle !== undefined) return idle
    if (lane.waiting.size >= waitingMax) throw new PoolFullError()
    return await new Promise<Connection>((resolve, reject) => {
      const timer = setTimeout(() => waiter.refuse(new StatementDeadlineError()), endsMs - performance.now())
      const settle = (): void => {
        clearTimeout(timer)
        lane.waiting.delete(waiter)
      }
      const waiter: Waiter = {
        serve (connection) {
          settle()
          resolve(connection)
        },
        refuse (err) {
          settle()
          reject(err)
        }
      }
      lane.waiting.add(waiter)
      grow(lane)
    })
  }

  function grow (lane: LaneState): void {
    if (lane.waiting.size <= lane.opening || lane.all.size + lane.opening >= lane.max) return
    lane.opening++
    open(lane).finally(() => { lane.opening-- }).then((connection) => offer(lane, connection), (err: unknown) => {
      // A server that has no place for one more is there: what is connected goes on serving.
      if (!isFull(err)) leave(err)
      else if (lane.all.size + lane.opening === 0) for (const waiter of [...lane.waiting]) waiter.refuse(new DatabaseAwayError(err))
    })
  }

  async function open (lane: LaneState): Promise<Connection> {
    const onLost = (connection: Connection): void => {
      lane.all.delete(connection)
      lane.idle = lane.idle.filter((other) => other !== connection)
      if (refusal() === null) grow(lane)
    }
    const connection = await options.connect(onLost).catch(async (err: unknown) => {
      // One that stood and was cut off says nothing of the server: somebody ends its sessions.
      if (!isCut(err)) throw err
      return await options.connect(onLost)
    })
    lane.all.add(connection)
    return connection
  }

  /** Gives a connection that is free to who waits longest. */
  function offer (lane: LaneState, connection: Connection): void {
    if (connection.isLost) return
    if (isAway) comeBack()
    const [first] = lane.waiting
    if (isClosed || performance.now() - connection.openedMs > LIFE_MS) discard(lane, connection)
    else if (first === undefined) lane.idle.push(connection)
    else first.serve(connection)
  }

  function discard (lane: LaneState, connection: Connection): void {
    lane.all.delete(connection)
    connection.end().catch(() => {})
    grow(lane)
  }

  function leave (err: unknown): void {
    if (isAway || isClosed) return
    isAway = true
    cause = err
    options.onChange?.({ isAway, cause })
    for (const lane of lanes) {
      // What hangs on a statement is left to its deadline; what rests would be found dead later.
      for (const connection of lane.idle.splice(0)) {
        lane.all.delete(connection)
        connection.drop()
      }
      for (const waiter of [...lane.waiting]) waiter.refuse(new DatabaseAwayError(err))
    }
    setTimeout(probe, PROBE_INTERVAL_MS).unref()
  }

  function comeBack (): void {
    isAway = false
    cause = undefined
    options.onChange?.({ isAway })
  }

  function suspect (): void {
    if (!isAway) probe()
  }

  /** One new connection tells whether the server speaks; it serves afterwards, if there is room. */
  function probe (): void {
    const [lane] = lanes
    if (isProbing || isClosed || lane === undefined) return
    isProbing = true
    open(lane).finally(() => { isProbing = false }).then((connection) => {
      if (isAway) comeBack()
      if (lane.all.size + lane.opening > lane.max) discard(lane, connection)
      else offer(lane, connection)
    }, (err: unknown) => {
      if (isFull(err)) {
        if (isAway) comeBack()
      } else if (isAway) setTimeout(probe, PROBE_INTERVAL_MS * (0.75 + Math.random() / 2)).unref()
      else leave(err)
    })
  }

  function laneOf (max: number): Lane {
    const lane: LaneState = { idle: [], all: new Set(), opening: 0, waiting: new Set(), max }
    lanes.push(lane)
    return {
      options: options.types,
      unsafe: (text, parameters = [], { prepare = false } = {}) => statement(async (asArrays) => {
        const endsMs = performance.now() + deadlineMs
        const connection = await acquire(lane, endsMs)
        const suspicion = setTimeout(suspect, SUSPICION_MS)
        try {
          return await connection.run(text, parameters, { asArrays, prepare, deadlineMs: endsMs - performance.now() })
        } finally {
          clearTimeout(suspicion)
          offer(lane, connection)
        }
      }),
      async begin (work) {
        const connection = await acquire(lane, performance.now() + deadlineMs)
        const suspicion = setTimeout(suspect, SUSPICION_MS)
        const { result, isOver } = connection.transaction(work, deadlineMs)
        isOver.then(() => {
          clearTimeout(suspicion)
          offer(lane, connection)
        }).catch(() => {})
        return await result
      }
    }
  }

  return {
    lane: laneOf,
    hold (held) { isHeld = held },
    async close () {
      isClosed = true
      for (const lane of lanes) for (const waiter of [...lane.waiting]) waiter.refuse(new ConnectionLostError())
      await Promise.all(lanes.flatMap((lane) => [...lane.all].map((connection) => connection.end())))
    }
  }
}

function isFull (err: unknown): boolean {
  return codeOf(err) === TOO_MANY_CONNECTIONS
}

function isCut (err: unknown): boolean {
  return CUT.includes(codeOf(err))
}

function codeOf (err: unknown): string {
  return err instanceof Error && 'code' in err ? String(err.code) : ''
}
