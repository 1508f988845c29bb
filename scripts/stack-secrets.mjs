// Makes the local stack's secrets, once: `node stack-secrets.mjs FOLDER`. The whole of them is one file of the owner's, linked under its name when
// it is complete, so that an end in between leaves nothing half. What each container needs is written anew from it at every start, into a folder
// that only this container sees, with mode 0600 and its user as the owner. Nothing is printed but names.
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { chmodSync, chownSync, closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The users of the images: node, postgres and redis of their Debian builds, nginx of its. */
const OWNERS = { service: 1000, postgres: 999, redis: 999, proxy: 101 }
const CERTIFICATE_YEARS = 10

const root = process.argv[2]
if (root === undefined) {
  process.stderr.write('usage: node stack-secrets.mjs FOLDER\n')
  process.exit(2)
}
const made = join(root, 'own', 'secrets.json')
mkdirSync(join(root, 'own'), { recursive: true, mode: 0o700 })
if (!existsSync(made)) {
  const own = `${made}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    writeDurably(own, JSON.stringify(makeSecrets()))
    linkSync(own, made)
  } catch (err) {
    if (!existsSync(made)) throw err
  } finally {
    rmSync(own, { force: true })
  }
}
const secrets = JSON.parse(readFileSync(made, 'utf8'))
const service = {
  DATABASE_URL: `postgres://flowbeacon:${secrets.postgres}@postgres:5432/flowbeacon`,
  REDIS_URL: `redis://:${secrets.redis}@redis:6379`,
  RESULT_TOKEN_SECRET: secrets.resultToken,
  WATERMARK_SECRET: secrets.watermark,
  RECORD_ID_SECRET: secrets.recordId,
  MASTER_KEYS: secrets.masterKeys,
  NEXTAUTH_SECRET: secrets.nextAuth
}
give('service', 'service.env', Object.entries(service).map(([name, value]) => `${name}=${value}\n`).join(''))
give('postgres', 'password', secrets.postgres)
give('redis', 'redis.conf', `requirepass ${secrets.redis}\n`)
give('proxy', 'key.pem', secrets.tlsKey)
give('proxy', 'certificate.pem', secrets.tlsCertificate)
process.stdout.write('the secrets of the stack are in place\n')

function makeSecrets () {
  const random = () => randomBytes(32).toString('hex')
  const { key, certificate } = makeCertificate()
  return { postgres: random(), redis: random(), resultToken: random(), watermark: random(), recordId: random(), masterKeys: `1:${random()}`, nextAuth: randomBytes(32).toString('base64'), tlsKey: key, tlsCertificate: certificate }
}

/** Written beside its name and renamed, so that a reader finds the old text or the new one. */
function give (to, name, text) {
  const folder = join(root, to)
  mkdirSync(folder, { recursive: true })
  const file = join(folder, name)
  const own = `${file}.new`
  rmSync(own, { force: true })
  writeDurably(own, text)
  // Outside a container the caller is the one who reads.
  if (process.getuid?.() === 0 && process.env.STACK_SECRETS_OWNERS !== 'keep') chownSync(own, OWNERS[to], OWNERS[to])
  renameSync(own, file)
}

function writeDurably (file, text) {
  writeFileSync(file, text, { mode: 0o600, flag: 'wx' })
  chmodSync(file, 0o600)
  const descriptor = openSync(file, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

/** A certificate of its own for localhost (RFC 5280), ECDSA with SHA-256 on P-256: neither Node nor its image brings a program that makes one. */
function makeCertificate () {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'der' } })
  const der = (tag, ...parts) => {
    const content = Buffer.concat(parts)
    const { length } = content
    let size = [length]
    if (length > 255) size = [0x82, length >> 8, length & 255]
    else if (length > 127) size = [0x81, length]
    return Buffer.concat([Buffer.from([tag, ...size]), content])
  }
  const sequence = (...parts) => der(0x30, ...parts)
  const oid = (hex) => der(0x06, Buffer.from(hex, 'hex'))
  const time = (date) => der(0x17, Buffer.from(date.toISOString().slice(2).replaceAll(/[-:T]|\.\d+/g, '')))
  const extension = (id, isCritical, value) => sequence(oid(id), ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value))
  const algorithm = sequence(oid('2a8648ce3d040302'))
  const name = sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from('FlowBeacon local stack')))))
  const from = new Date(Date.now() - 3_600_000)
  const until = new Date(from)
  until.setUTCFullYear(until.getUTCFullYear() + CERTIFICATE_YEARS)
  const serial = randomBytes(16)
  serial[0] = (serial[0] & 0x7f) | 0x40
  const names = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))
  const body = sequence(der(0xa0, der(0x02, Buffer.from([2]))), der(0x02, serial), algorithm, name, sequence(time(from), time(until)), name, publicKey,
    der(0xa3, sequence(extension('551d13', true, sequence()), extension('551d11', false, names), extension('551d25', false, sequence(oid('2b06010505070301'))))))
  const signature = sign('sha256', body, createPrivateKey(privateKey))
  const certificate = sequence(body, algorithm, der(0x03, Buffer.from([0]), signature))
  return { key: privateKey, certificate: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64').match(/.{1,64}/g).join('\n')}\n-----END CERTIFICATE-----\n` }
}
