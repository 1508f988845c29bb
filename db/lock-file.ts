/** One process owns an embedded database folder: a second one would lose rows without an error. */
import { randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

export class DatabaseInUseError extends Error {
  constructor (folder: string, pid: number) {
    super(`The embedded database in ${folder} is in use by process ${pid}. Stop that process, or let it do the work: the command line reaches it through its socket.`)
    this.name = 'DatabaseInUseError'
  }
}

// Locks this process holds, by what stands in them: a restarted container may find its own process id in a dead lock.
const held = new Set<string>()

/** Takes the folder for this process, or throws `DatabaseInUseError`. The lock of a dead process is taken over. Returns its release. */
export function ownFolder (folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = `${resolve(folder)}.lock`
  const mark = `${process.pid} ${randomUUID()}`
  const own = `${file}.${randomUUID()}`
  writeFileSync(own, mark, { mode: 0o600 })
  try {
    for (let tries = 0; tries < 3; tries++) {
      if (linked(own, file)) {
        held.add(mark)
        return () => release(file, mark)
      }
      const found = contentOf(file)
      if (found !== null && isHeld(found)) throw new DatabaseInUseError(folder, pidOf(found))
      if (found !== null) retire(file, own, found)
    }
    throw new DatabaseInUseError(folder, pidOf(contentOf(file) ?? ''))
  } finally {
    rmSync(own, { force: true })
  }
}

// A link is made or refused in one step, with the owner's mark already in it.
function linked (own: string, file: string): boolean {
  try {
    linkSync(own, file)
    return true
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'EEXIST') return false
    throw err
  }
}

// Two processes may find the same stale lock. Whoever moved away a lock other than the one it had read puts it back.
function retire (file: string, own: string, found: string): void {
  const aside = `${own}.stale`
  try {
    renameSync(file, aside)
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'ENOENT') return
    throw err
  }
  if (contentOf(aside) !== found) linked(aside, file)
  rmSync(aside, { force: true })
}

function release (file: string, mark: string): void {
  held.delete(mark)
  if (contentOf(file) === mark) rmSync(file, { force: true })
}

function isHeld (mark: string): boolean {
  const pid = pidOf(mark)
  return pid === process.pid ? held.has(mark) : pid > 0 && isAlive(pid)
}

function pidOf (mark: string): number {
  const pid = Number(mark.split(' ')[0])
  return Number.isSafeInteger(pid) && pid > 0 ? pid : 0
}

function contentOf (file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (err) {
    return err instanceof Error && 'code' in err && err.code === 'EPERM'
  }
}
