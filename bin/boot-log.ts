/** What is to be said before the application's logger exists, or from beside it: the same JSON lines, under the same level. */
import type { Config } from '../config.ts'
import { scrub } from '../plugins/lib/scrub.ts'

const LEVELS = { info: 30, warn: 40, error: 50 } as const
const THRESHOLDS: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 }

export type BootLogger = Record<keyof typeof LEVELS, (fields: object, message: string) => void>

/** Where the lines of a log go. */
export type WriteLine = (line: string) => void

/** Standard output, after the last look: fields are allow-listed, and what a dependency says is not ours to list. */
export function writeScrubbed (line: string): void {
  process.stdout.write(scrub(line))
}

export function bootLogger ({ logLevel, instanceId }: Pick<Config, 'logLevel' | 'instanceId'>, write: WriteLine = writeScrubbed): BootLogger {
  const threshold = THRESHOLDS[logLevel] ?? Number.POSITIVE_INFINITY
  const sayAt = (level: number) => (fields: object, message: string) => {
    if (level >= threshold) write(`${JSON.stringify({ level, time: Date.now(), instance: instanceId, ...fields, msg: message })}\n`)
  }
  return { info: sayAt(LEVELS.info), warn: sayAt(LEVELS.warn), error: sayAt(LEVELS.error) }
}
