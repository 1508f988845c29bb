/**
 * Keeps processors awake while a busy server is measured. A processor that has nothing to do halts; a virtual one is then taken away and given
 * back cold, and waking it costs whoever does it. A server that waits for its stores now and then pays for that with everything it
 * does next, one that never waits does not, so the comparison would be of the machine. What spins here runs only when nothing
 * else wants to (SCHED_IDLE, sched(7)), and yields all the time, so that nobody waits for it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpus } from 'node:os'

/** Number of sched_yield(2) by architecture: Node has no way to call it, Perl has. */
const SCHED_YIELD: Readonly<Record<string, number>> = { x64: 24, arm64: 124 }

export interface Awake { stop (): void }

/** Null where that cannot be: other systems than Linux, or without util-linux or Perl. */
export function keepAwake (): Awake | null {
  const call = SCHED_YIELD[process.arch]
  if (call === undefined || spawnSync('taskset', ['-c', '0', 'chrt', '--idle', '0', 'perl', '-e', `exit syscall(${call})`]).status !== 0) return null
  const spinning = cpus().map((_processor, at) => spawn('taskset', ['-c', String(at), 'chrt', '--idle', '0', 'perl', '-e', `syscall(${call}) while 1`], { stdio: 'ignore' }))
  const stop = (): void => {
    process.off('exit', stop)
    for (const one of spinning) one.kill('SIGKILL')
  }
  process.once('exit', stop)
  return { stop }
}
