import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import postgres from 'postgres'
import { contentOf } from './redis.ts'

/**
 * What may stand nowhere: in a log, a store or an answer. `npm test` names a folder in FLOWBEACON_TEST_LOGS; whatever a test's services write goes
 * there, stores are searched before they are dropped, answers as they come, and scripts/test.mjs fails the run for what was found. Without
 * the folder only answers are searched. A place is named, a secret never.
 */
export const SECRETS: Readonly<Record<string, RegExp>> = {
  'a key beyond twelve characters': /fb_live_[0-9a-f]{5,}/i,
  'a signing secret of a key': /fbs_[0-9a-f]{6,}/i,
  'a signing secret of a webhook': /whsec_[0-9a-f]{4,}/i,
  'a result token': /eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/,
  'a value of a body': /CANARY-VALUE-7f3a|zqcanary[1-9]/i
}
/** In a binary file whatever comes next follows the twelfth character of a prefix, so only more of a key is told from chance. */
const IN_BINARY = /fb_live_[0-9a-f]{24,}|fbs_[0-9a-f]{24,}|whsec_[0-9a-f]{24,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/
/** What each of them begins with: most files hold none, and are judged at once. */
const BEGINNINGS = ['fb_live_', 'fbs_', 'whsec_', 'eyJ']

const folder = process.env['FLOWBEACON_TEST_LOGS']
const FINDINGS = 'findings.txt'

/** Keeps what a service wrote, for the search at the end of the run. */
export function keepLog (text: string): void {
  if (folder !== undefined && existsSync(folder)) appendFileSync(join(folder, `${process.pid}.log`), text)
}

/** The names of the secrets in a text. */
export function secretsIn (text: string): string[] {
  return Object.entries(SECRETS).filter(([, pattern]) => pattern.test(text)).map(([name]) => name)
}

/** Fails the test for an answer that gives away what it must not. New secrets are shown once, in the field that is for them. */
export function searchAnswer (place: string, text: string): void {
  if (!/fb_live_|fbs_|whsec_|eyJ|CANARY-VALUE|zqcanary/i.test(text)) return
  const rest = text.replace(/"(?:signing_secret|result_token|key)":"[^"]*"/g, '')
  const found = secretsIn(rest)
  if (found.length > 0) throw new Error(`the answer to ${place} holds ${found.join(', ')}`)
}

function report (place: string, names: string[]): void {
  if (folder !== undefined && names.length > 0) appendFileSync(join(folder, FINDINGS), `${process.argv[1] ?? ''}: ${place}: ${names.join(', ')}\n`)
}

/** The files of an embedded database. */
export function searchFiles (path: string): void {
  if (folder === undefined || !existsSync(path)) return
  for (const file of readdirSync(path, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const bytes = readFileSync(join(file.parentPath, file.name))
    if (BEGINNINGS.some((beginning) => bytes.includes(beginning)) && IN_BINARY.test(bytes.toString('latin1'))) report(`${file.name} of an embedded database`, ['a key, secret or token'])
  }
}

/** Every row of every table, searched where it is. */
export async function searchDatabase (url: string): Promise<void> {
  if (folder === undefined) return
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    const tables = await sql`select schemaname as schema, tablename as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`
    const { 'a value of a body': _, ...others } = SECRETS
    const any = Object.values(others).map(({ source }) => source.replaceAll('[\\w-]', '[A-Za-z0-9_-]')).join('|')
    for (const { schema, name } of tables) {
      const [row] = await sql`select 1 from ${sql(String(schema))}.${sql(String(name))} as searched where searched::text ~* ${any} limit 1`
      if (row !== undefined) report(`table ${String(name)}`, ['a key, secret or token'])
    }
  } finally {
    await sql.end({ timeout: 2 })
  }
}

/** Names and values under a prefix. */
export async function searchRedis (redis: Redis, keys: readonly string[]): Promise<void> {
  if (folder === undefined) return
  for (const key of keys) {
    if (IN_BINARY.test(`${key} ${await contentOf(redis, key)}`)) report('a value in Redis', ['a key, secret or token'])
  }
}

/** Everything that was kept in a folder, by place: for the end of the run. */
export function searchLogs (path: string): { places: string[], lines: number } {
  const places: string[] = []
  let lines = 0
  for (const file of existsSync(path) ? readdirSync(path) : []) {
    for (const [at, line] of readFileSync(join(path, file), 'utf8').split('\n').entries()) {
      if (line === '') continue
      lines++
      if (file === FINDINGS) places.push(line)
      else places.push(...secretsIn(line).map((name) => `${file}:${at + 1} holds ${name}`))
    }
  }
  return { places, lines }
}
