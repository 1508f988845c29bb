/**
 * A deadline on our side of every statement. The server's own `statement_timeout` says nothing when the server cannot be heard, and
 * postgres.js 3.4 can forget a query that was sent while its connection was closing: without this, its caller would wait for ever.
 * A statement that was given up may still have run; a caller that must know asks again.
 */
export class StatementDeadlineError extends Error {
  readonly code = 'STATEMENT_DEADLINE'

  constructor () {
    super('the database did not answer in time')
    this.name = 'StatementDeadlineError'
  }
}

/** What postgres.js returns for a statement: a promise that can be told to answer in arrays. */
interface Statement extends PromiseLike<unknown> { values (): Statement }

/** The part of a postgres.js client that statements go through. */
interface Client {
  unsafe (...args: never[]): unknown
}

/** Statements that wait for an answer. A client of one connection gives them up together when that connection closes. */
export type Waiting = Set<() => void>

/** The same client, whose statements, BEGIN and COMMIT are each waited for at most `ms`. */
export function withDeadline<Sql extends Client> (client: Sql, ms: number, waiting: Waiting = new Set()): Sql {
  return new Proxy(client, {
    get (target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      if (name === 'unsafe') return (...args: unknown[]) => guarded(Reflect.apply(member, target, args) as Statement, ms, waiting)
      if (name === 'begin' || name === 'savepoint') return (...args: unknown[]) => guardedTransaction(target, member, args, ms, waiting)
      return member
    },
    apply: (target, thisArg, args) => Reflect.apply(target as unknown as (...args: unknown[]) => unknown, thisArg, args)
  })
}

function guarded (statement: Statement, ms: number, waiting: Waiting): Statement {
  return new Proxy(statement, {
    get (target, name) {
      if (name === 'values') return () => guarded(target.values(), ms, waiting)
      if (name === 'then') return (ok: never, failed: never) => withinMs(target, ms, waiting).then(ok, failed)
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    }
  })
}

/** The work inside has deadlines of its own; what is bounded here is the wait for BEGIN before it and for COMMIT after it. */
async function guardedTransaction (client: unknown, begin: unknown, args: unknown[], ms: number, waiting: Waiting): Promise<unknown> {
  const work = args.at(-1) as (tx: Client) => unknown
  return await new Promise((resolve, reject) => {
    let timer = setTimeout(expire, ms)
    function expire (): void {
      reject(new StatementDeadlineError())
    }
    const run = async (tx: Client): Promise<unknown> => {
      clearTimeout(timer)
      try {
        const result = await work(withDeadline(tx, ms, waiting))
        timer = setTimeout(expire, ms)
        return result
      } catch (err) {
        // The caller need not wait for the ROLLBACK.
        reject(err instanceof Error ? err : new Error(String(err)))
        throw err
      }
    }
    const begun = Reflect.apply(begin as (...args: unknown[]) => Promise<unknown>, client, [...args.slice(0, -1), run])
    begun.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

async function withinMs (statement: PromiseLike<unknown>, ms: number, waiting: Waiting): Promise<unknown> {
  let giveUp = (): void => {}
  const deadline = new Promise<never>((_resolve, reject) => { giveUp = () => reject(new StatementDeadlineError()) })
  const timer = setTimeout(giveUp, ms)
  waiting.add(giveUp)
  try {
    return await Promise.race([statement, deadline])
  } finally {
    clearTimeout(timer)
    waiting.delete(giveUp)
  }
}
