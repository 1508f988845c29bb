/**
 * Keeps processors awake while a busy server is measured. A processor that has nothing to do halts; a virtual one is then taken away and given
 * back cold, and waking it costs whoever does it. A server that waits for its stores now and then pays for that with everything it
 * does next, one that never waits does not, so the comparison would be of the machine. What spins here runs only when nothing
 * else wants to (SCHED_IDLE, sched(7)), and in calls to the kernel, where it gives way at once.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpus } from 'node:os'

const SPIN = 'for (;;) process.getuid()'

export interface Awake { stop (): void }

/** Null where there is no such scheduling: other systems than Linux, or without util-linux. */
export function keepAwake (): Awake | null {
  if (spawnSync('taskset', ['-c', '0', 'chrt', '--idle', '0', 'true']).status !== 0) return null
  const spinning = cpus().map((_processor, at) => spawn('taskset', ['-c', String(at), 'chrt', '--idle', '0', process.execPath, '-e', SPIN], { stdio: 'ignore' }))
  const stop = (): void => {
    process.off('exit', stop)
    for (const one of spinning) one.kill('SIGKILL')
  }
  process.once('exit', stop)
  return { stop }
}
