/** What is measured side by side, how each is started, and what each leaves out of the work that the chain does. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const START_MS_MAX = 30_000
const OURS = fileURLToPath(new URL('../servers/', import.meta.url))
const PEERS = fileURLToPath(new URL('../../../bench/peers/', import.meta.url))

/** How the service is started (`npm start`, Dockerfile, docker-compose.yml); every target that runs on Node has the same. */
export const NODE_FLAGS: readonly string[] = ['--use-largepages=silent', '--max-semi-space-size=64']

export interface Target {
  readonly name: string
  readonly title: string
  readonly leavesOut: string
  readonly script: string
  readonly env: Readonly<Record<string, string>>
  /** Redis commands that the target itself sends; what scripts call inside Redis is not counted. */
  readonly redisCommands: readonly string[]
  /** Writes an audit row for each answer. */
  readonly isAudited: boolean
  /** Checks the signature and the key's limit. */
  readonly isGuarded: boolean
  /** Why it cannot be measured here; null when it can. Default it can. */
  readonly whyMissing?: () => string | null
}

const SCRIPTS = ['evalsha', 'eval']
const NOT_OURS = 'organization, permission, address, replay, revocation, sliding windows, watermark, audit'

function ours (name: string, title: string, leavesOut: string, file: string, env: Record<string, string>, redisCommands: string[], isAudited = false): Target {
  return { name, title, leavesOut, script: `${OURS}${file}`, env, redisCommands, isAudited, isGuarded: file === 'chain.js' }
}

function peer (name: string, title: string, file: string, env: Record<string, string> = {}): Target {
  return { name, title, leavesOut: NOT_OURS, script: `${PEERS}${file}`, env, redisCommands: SCRIPTS, isAudited: false, isGuarded: true }
}

export const BASELINE = 'bare'

export const TARGETS: readonly Target[] = [
  ours('bare', 'bare Fastify', 'everything', 'bare.js', {}, []),
  ours('bare-redis', 'bare Fastify + one Redis round trip', 'everything', 'bare.js', { ROUND_TRIP: 'redis' }, ['get']),
  ours('chain-strict', 'the chain, strict audit (as in production)', '', 'chain.js', { AUDIT: 'strict' }, SCRIPTS, true),
  ours('chain-behind', 'the chain, audit written 20 ms behind', 'durability of the audit row before the answer', 'chain.js', { AUDIT: 'behind' }, SCRIPTS),
  ours('chain-off', 'the chain, no audit', 'audit', 'chain.js', { AUDIT: 'off' }, SCRIPTS),
  peer('fastify-plugins', '@fastify/bearer-auth + @fastify/rate-limit', 'fastify-stack.mjs'),
  peer('fastify-flexible', 'Fastify + rate-limiter-flexible, twice', 'fastify-stack.mjs', { LIMITER: 'flexible' }),
  { ...peer('nginx-lua', 'nginx + Lua, the same window script (no upstream)', 'nginx.mjs'), leavesOut: 'organization, permission, address, revocation, validation, watermark, audit', whyMissing: whyNoNginx },
  peer('express', 'Express + express-rate-limit twice + rate-limit-redis', 'express-stack.mjs')
]

function whyNoNginx (): string | null {
  const { error, stderr } = spawnSync('nginx', ['-V'])
  if (error !== undefined) return 'nginx is not installed'
  const about = stderr.toString()
  const modules = /--modules-path=(\S+)/.exec(about)?.[1] ?? ''
  const hasLua = about.includes('lua') || existsSync(`${modules}/ngx_http_lua_module.so`)
  return hasLua ? null : 'nginx has no Lua module (Debian: libnginx-mod-http-lua)'
}

/** Throws when there is none of the name. */
export function findTarget (name: string): Target {
  const found = TARGETS.find((target) => target.name === name)
  if (found === undefined) throw new RangeError(`there is no target ${name}`)
  return found
}

/** Installs the peers' packages beside this folder when they are not there yet. Throws when npm cannot. */
export function installPeers (say: (line: string) => void): void {
  const folder = fileURLToPath(new URL('../../../bench/', import.meta.url))
  if (existsSync(`${folder}node_modules`)) return
  say('installing the peers into bench/node_modules')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--silent'], { cwd: folder, stdio: 'inherit' })
  if (status !== 0) throw new Error('npm ci in bench/ failed')
}

export interface RunningTarget extends Target { readonly pid: number, readonly url: string, stop (): Promise<void> }

/** Starts one target; resolves once it listens. */
export async function startTarget (target: Target, env: Readonly<Record<string, string>>, processes: number): Promise<RunningTarget> {
  const child = spawn(process.execPath, [...NODE_FLAGS, target.script], {
    env: { ...process.env, ...env, ...target.env, PORT: '0', PROCESSES: String(processes), NODE_ENV: 'development' },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const port = await listeningPort(child, target.name)
  return {
    ...target,
    pid: child.pid ?? 0,
    url: `http://127.0.0.1:${port}`,
    async stop () {
      child.kill('SIGTERM')
      await ended
    }
  }
}

async function listeningPort (child: ChildProcess, name: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    let text = ''
    const timer = setTimeout(() => reject(new Error(`${name} does not listen after ${START_MS_MAX} ms`)), START_MS_MAX)
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const port = /^listening (\d+)$/m.exec(text)?.[1]
      if (port === undefined) return
      clearTimeout(timer)
      resolve(Number(port))
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      reject(new Error(`${name} ended with ${code ?? 'a signal'} before it listened`))
    })
  })
}
