/**
 * One connection to PostgreSQL: one driver client that holds one socket, and is thrown away at the first doubt. postgres.js 3.4 keeps a
 * connection that broke and opens it again under whoever held it: a transaction that goes on after its connection closed then runs
 * outside itself, inside somebody else's, or into a socket that is gone, and a query sent while the connection was closing is never
 * answered. Here nothing reaches the driver once its connection is lost, and everything that waited on it is rejected at once.
 */
import postgres, { type Options, type PostgresType } from 'postgres'

/** Who waits longer than this on our side is not answered any more. A statement that was given up may still have run. */
export class StatementDeadlineError extends Error {
  readonly code = 'STATEMENT_DEADLINE'

  constructor () {
    super('the database did not answer in time')
    this.name = 'StatementDeadlineError'
  }
}

export class ConnectionLostError extends Error {
  readonly code = 'CONNECTION_LOST'

  constructor () {
    super('the connection to the database was lost')
    this.name = 'ConnectionLostError'
  }
}

/** What drizzle asks of a statement: a promise that can be told to answer in arrays. */
export interface Statement extends PromiseLike<unknown> { values (): PromiseLike<unknown> }

export interface StatementOptions { prepare?: boolean }

/** The part of a transaction that drizzle uses. */
export interface Transaction {
  unsafe (text: string, parameters?: unknown[], options?: StatementOptions): Statement
  savepoint <T>(work: (tx: Transaction) => Promise<T>): Promise<T>
}

export interface Running<T> {
  readonly result: Promise<T>
  /** Resolves once the connection may be used again, or is lost. Never rejects. */
  readonly isOver: Promise<void>
}

export interface RunOptions extends StatementOptions { asArrays: boolean, deadlineMs: number }

export interface Connection {
  readonly isLost: boolean
  readonly openedMs: number
  run (text: string, parameters: unknown[], options: RunOptions): Promise<unknown>
  /** BEGIN, COMMIT and each statement inside have the deadline each. */
  transaction<T> (work: (tx: Transaction) => Promise<T>, deadlineMs: number): Running<T>
  /** Lets what runs end, at most five seconds, and closes. */
  end (): Promise<void>
  /** Closes now; whoever waits on it is rejected. */
  drop (): void
}

export interface ConnectOptions {
  /** Session settings, sent with the connection's first message. */
  readonly settings: NonNullable<Options<Record<string, PostgresType>>['connection']>
  /** Parsers and serializers by type, over the driver's own. */
  readonly types: TypeMaps
  readonly connectTimeoutSeconds: number
  /** Called once, when the connection cannot be used any more for whatever reason but `end`. */
  readonly onLost: (connection: Connection) => void
}

export interface TypeMaps { parsers: Record<string, unknown>, serializers: Record<string, unknown> }

type Sql = ReturnType<typeof postgres>
type Scope = Parameters<Parameters<Sql['begin']>[1]>[0]

const END_SECONDS = 5
const numbersOf = (text: string): Array<number | null> => readArray(text).map((member) => member === null ? null : Number(member))
/** By type: int2[], int4[], float4[] and float8[]; text[] and varchar[]; int8[], which stays text as int8 does. */
const ARRAY_PARSERS = { 1005: numbersOf, 1007: numbersOf, 1021: numbersOf, 1022: numbersOf, 1009: readArray, 1015: readArray, 1016: readArray }
/** After the driver's own deadline for the socket. */
const CONNECT_GRACE_MS = 1000

/** Opens a connection that has answered once. Rejects with the driver's or the server's error. */
export async function connect (url: string, options: ConnectOptions): Promise<Connection> {
  const waiting = new Set<(err: Error) => void>()
  let isLost = false
  let isEnding = false
  let connection: Connection | null = null
  const client = postgres(url, {
    max: 1,
    max_lifetime: null,
    connect_timeout: options.connectTimeoutSeconds,
    // Its question after array types is asked by nobody: when the connection ends meanwhile, the driver's rejection ends the process.
    fetch_types: false,
    onnotice: () => {},
    onclose: lose,
    connection: options.settings
  })
  Object.assign(client.options.parsers, ARRAY_PARSERS, options.types.parsers)
  Object.assign(client.options.serializers, options.types.serializers)

  /** Synchronous with the socket's end: nobody who hears of a failure can send anything more. */
  function lose (): void {
    if (isLost) return
    isLost = true
    for (const giveUp of [...waiting]) giveUp(new ConnectionLostError())
    client.end({ timeout: 0 }).catch(() => {})
    if (!isEnding && connection !== null) options.onLost(connection)
  }

  async function answered<T> (statement: PromiseLike<T>, deadlineMs: number): Promise<T> {
    const { promise, reject } = deferred<never>()
    const timer = setTimeout(() => reject(new StatementDeadlineError()), deadlineMs)
    waiting.add(reject)
    try {
      return await Promise.race([statement, promise])
    } catch (err) {
      if (!isServersAnswer(err)) lose()
      throw err
    } finally {
      clearTimeout(timer)
      waiting.delete(reject)
    }
  }

  async function send (scope: Pick<Sql, 'unsafe'>, text: string, parameters: unknown[], { asArrays, deadlineMs, prepare = false }: RunOptions): Promise<unknown> {
    if (isLost) throw new ConnectionLostError()
    const query = scope.unsafe(text, parameters as never[], { prepare })
    return await answered<unknown>(asArrays ? query.values() : query, deadlineMs)
  }

  /** The driver follows the end of this work with COMMIT, ROLLBACK or ROLLBACK TO at once; on a lost connection it must not, so the work never ends. */
  async function inScope<T> (scope: Scope, work: (tx: Transaction) => Promise<T>, deadlineMs: number): Promise<T> {
    try {
      const result = await work({
        unsafe: (text, parameters = [], { prepare = false } = {}) => statement((asArrays) => send(scope, text, parameters, { asArrays, deadlineMs, prepare })),
        savepoint: async (deeper) => await (scope.savepoint((inner) => inScope(inner, deeper, deadlineMs)) as Promise<never>)
      })
      if (isLost) throw new ConnectionLostError()
      return result
    } catch (err) {
      if (isLost) return await new Promise<never>(() => {})
      throw err
    }
  }

  function transaction<T> (work: (tx: Transaction) => Promise<T>, deadlineMs: number): Running<T> {
    const outcome = deferred<T>()
    const over = deferred<void>()
    let ownError: unknown
    let timer = setTimeout(expire, deadlineMs)
    waiting.add(abandon)
    function abandon (err: Error): void {
      outcome.reject(err)
      over.resolve()
    }
    function expire (): void {
      outcome.reject(new StatementDeadlineError())
      lose()
    }
    async function run (scope: Scope): Promise<T> {
      clearTimeout(timer)
      try {
        return await inScope(scope, work, deadlineMs)
      } catch (err) {
        ownError = err
        // The caller need not wait for the ROLLBACK.
        outcome.reject(err)
        throw err
      } finally {
        timer = setTimeout(expire, deadlineMs)
      }
    }
    if (isLost) abandon(new ConnectionLostError())
    else {
      (client.begin(run) as Promise<T>).then(outcome.resolve, (err: unknown) => {
        outcome.reject(err)
        if (err !== ownError && !isServersAnswer(err)) lose()
      }).finally(over.resolve)
    }
    over.promise.finally(() => {
      clearTimeout(timer)
      waiting.delete(abandon)
    })
    return { result: outcome.promise, isOver: over.promise }
  }

  try {
    await answered(client.unsafe('select 1'), options.connectTimeoutSeconds * 1000 + CONNECT_GRACE_MS)
  } catch (err) {
    isEnding = true
    lose()
    throw err
  }
  connection = {
    get isLost () { return isLost },
    openedMs: performance.now(),
    run: (text, parameters, runOptions) => send(client, text, parameters, runOptions),
    transaction,
    async end () {
      isEnding = true
      await client.end({ timeout: END_SECONDS })
      lose()
    },
    drop () {
      isEnding = true
      lose()
    }
  }
  return connection
}

/** Runs once, when it is awaited. */
export function statement (run: (asArrays: boolean) => Promise<unknown>): Statement {
  return {
    values: () => ({ then: (ok, failed) => run(true).then(ok, failed) }),
    then: (ok, failed) => run(false).then(ok, failed)
  }
}

/** True for an error that the server answered and went on after; everything else is a connection that cannot be trusted. */
function isServersAnswer (err: unknown): boolean {
  return err instanceof postgres.PostgresError && err.severity !== 'FATAL' && err.severity !== 'PANIC'
}

/** The members of a one-dimensional array as PostgreSQL writes it; null stays null. */
export function readArray (text: string): Array<string | null> {
  if (!text.startsWith('{') || text.startsWith('{{')) throw new RangeError('only arrays of one dimension are read')
  return [...text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/g)].map(([, quoted, plain]) => {
    if (quoted !== undefined) return quoted.replace(/\\(.)/g, '$1')
    return plain === undefined || plain === 'NULL' ? null : plain
  })
}

interface Deferred<T> { promise: Promise<T>, resolve: (value: T) => void, reject: (err: unknown) => void }

function deferred<T> (): Deferred<T> {
  let resolve: Deferred<T>['resolve'] = () => {}
  let reject: Deferred<T>['reject'] = () => {}
  const promise = new Promise<T>((...settle) => { [resolve, reject] = settle })
  return { promise, resolve, reject }
}
