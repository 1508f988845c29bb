// node sign.ts POST '/api/public/v1/evaluate' body.json     (Node 22.18 or newer runs it as it stands)
// FB_API_KEY signs with the published profile; with FB_SIGNING_SECRET set, that secret signs with the hardened profile.
// FB_TIME and FB_NONCE replace the clock and the random nonce, for the vectors only.
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'

export function signPublished (key: string, time: string, method: string, target: string, body: Uint8Array): string {
  const path = target.split('?', 1)[0] ?? ''
  const mac = createHmac('sha256', key).update(`${time}.${method.toUpperCase()}.${path}.`).update(body).digest('hex')
  return `t=${time},v1=${mac}`
}

export function signHardened (secret: string, time: string, nonce: string, method: string, target: string, body: Uint8Array): string {
  const bodyHash = createHash('sha256').update(body).digest('hex')
  const mac = createHmac('sha256', secret).update(`v2.${time}.${nonce}.${method.toUpperCase()}.${target}.${bodyHash}`).digest('hex')
  return `t=${time},n=${nonce},v2=${mac}`
}

const [method = 'GET', target = '/', bodyFile] = process.argv.slice(2)
const { FB_API_KEY: key = '', FB_SIGNING_SECRET: secret = '', FB_TIME, FB_NONCE } = process.env
const time = FB_TIME ?? String(Math.floor(Date.now() / 1000))
const body = bodyFile === undefined ? new Uint8Array() : readFileSync(bodyFile)
console.log(secret === '' ? signPublished(key, time, method, target, body) : signHardened(secret, time, FB_NONCE ?? randomBytes(12).toString('hex'), method, target, body))
