// nginx with Lua as a target: writes its configuration into a folder of its own, loads the chain's window script into Redis, and runs PROCESSES
// workers. SIGTERM ends it. Takes the compiled chain's script: `npm run build:test` first.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { ADMIT_SCRIPT } from '../../build/plugins/lib/sliding-window.lua.js'
import { answerFor, SMALL_LIMIT } from './shared.mjs'

const POLL_MS = 20
const LUA = fileURLToPath(new URL('nginx.lua', import.meta.url))
const ENV = ['BENCH_KEYS', 'BENCH_SMALL_KEY', 'BENCH_SMALL_LIMIT', 'REDIS_PREFIX', 'NGINX_REDIS_HOST', 'NGINX_REDIS_PORT', 'NGINX_SCRIPT_SHA', 'NGINX_ANSWER_HEAD', 'NGINX_ANSWER_TAIL']

const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-nginx-'))
const redis = new Redis(process.env.REDIS_URL)
const sha = await redis.script('LOAD', ADMIT_SCRIPT)
redis.disconnect()
const { hostname, port: redisPort } = new URL(process.env.REDIS_URL)
const [head, tail] = JSON.stringify(answerFor('@')).split('@')
const port = await freePort()
writeFileSync(join(folder, 'nginx.conf'), configuration())

const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {
  env: { ...process.env, BENCH_SMALL_LIMIT: String(SMALL_LIMIT), NGINX_REDIS_HOST: hostname, NGINX_REDIS_PORT: redisPort || '6379', NGINX_SCRIPT_SHA: sha, NGINX_ANSWER_HEAD: head, NGINX_ANSWER_TAIL: tail },
  stdio: ['ignore', 'ignore', 'inherit']
})
child.once('close', (code) => {
  rmSync(folder, { recursive: true, force: true })
  process.exit(code ?? 1)
})
process.once('SIGTERM', () => child.kill('SIGTERM'))
while (!await listens()) await new Promise((resolve) => setTimeout(resolve, POLL_MS))
process.stdout.write(`listening ${port}\n`)

function configuration () {
  const modules = /--modules-path=(\S+)/.exec(spawnSync('nginx', ['-V']).stderr.toString())?.[1] ?? ''
  const load = ['ndk_http_module.so', 'ngx_http_lua_module.so'].filter((name) => existsSync(join(modules, name))).map((name) => `load_module ${join(modules, name)};`)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`)
  return `${load.join('\n')}
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
pid ${folder}/nginx.pid;
worker_processes ${Number(process.env.PROCESSES ?? 1)};
${ENV.map((name) => `env ${name};`).join('\n')}
events { worker_connections 2048; }
http {
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  client_body_buffer_size 1m;
  ${temporary.join('\n  ')}
  init_by_lua_block { gateway = dofile('${LUA}') }
  server {
    listen 127.0.0.1:${port};
    location / { content_by_lua_block { gateway.answer() } }
  }
}
`
}

async function freePort () {
  const probe = createServer()
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port: found } = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  return found
}

async function listens () {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}
