/**
 * Webhooks while receivers fail and workers are killed: every event arrives, every attempt is signed so that the official library, a verifier
 * written from the published sentence and ours accept it, and each of them refuses it once a byte was changed.
 */
import { createHmac } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { rowsOf } from '../../db/rows.ts'
import { enqueueEvent } from '../../evaluation/webhook-events.ts'
import { verifyWebhook } from '../../plugins/lib/webhook-signature.ts'
import { instanceOf } from '../../test/helper/instance.ts'
import { startReceiver, type Received, type Receiver } from '../../test/helper/receiver.ts'
import { call, newCaller, real, start, type Caller } from '../../test/helper/service.ts'
import { NotHereError, type Figure, type Proof, type ProofOptions } from '../proof-definition.ts'
import { seededRandom } from '../seeded.ts'

const KILLS = 10
const FAILURE_SHARE = 0.3
const WEBHOOKS = 16
const EVENTS_PER_TRANSACTION = 25
const REPLAY_ROUNDS_MAX = 20
const TOLERANCE_SECONDS = 300
const WORKER = fileURLToPath(new URL('../../bin/worker.js', import.meta.url))
const SETTINGS = { WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.1/32', WEBHOOK_BACKOFF_SECONDS: '1,1,2' }

type Runtime = Awaited<ReturnType<typeof start>>['runtime']

const proof: Proof = {
  summary: 'no webhook is lost to failing receivers and killed workers, and each is signed',
  count: 10_000,
  unit: 'events',
  run: deliverAll
}

export default proof

async function deliverAll ({ count, seed, progress }: ProofOptions): Promise<Figure[]> {
  const stores = await real()
  if (stores === null) throw new NotHereError('PostgreSQL and Redis do not answer; set TEST_DATABASE_URL and TEST_REDIS_URL')
  const { runtime, url } = await start(stores, { ...SETTINGS, RUN_WORKER: 'false' })
  const seen = witness(seededRandom(seed))
  const worker = instanceOf({ program: WORKER, ready: /worker is running/, env: { ...stores.env, ...SETTINGS, OPS_PORT: '0', LOG_LEVEL: 'silent' } })
  const receiver = await startReceiver(seen.respond)
  try {
    const caller = await newCaller(runtime, { permissions: ['admin'], rpm: 100_000, rph: 100_000 })
    const ids = await subscribe(url, caller, receiver, seen.secrets)
    await writeEvents(runtime, caller.orgId, count)
    for (let kill = 0; kill < KILLS; kill++) {
      await worker.start({ INSTANCE_ID: `w${kill}` })
      const target = Math.round((kill + 1) * count / (KILLS + 2))
      await until(async () => receiver.received.length >= target)
      await worker.kill9()
      // What the dead worker held would wait out its lease; the clock is moved instead.
      await runtime.database.db.execute(sql`update webhook_deliveries set lease_until = now() where state = 'delivering'`)
      progress(receiver.received.length)
    }
    await worker.start({ INSTANCE_ID: 'last' })
    await settled(runtime, () => progress(receiver.received.length))
    const givenUp = await replayGivenUp(runtime, url, caller, ids)
    return await figuresOf(runtime, seen, { attempts: receiver.received.length, givenUp })
  } finally {
    await worker.kill9()
    await receiver.close()
    await runtime.close()
    await stores.drop()
  }
}

interface Witness {
  secrets: Map<string, string>
  acknowledged: Map<string, number>
  failures: number
  refusedGenuine: number
  acceptedTampered: number
  respond: Parameters<typeof startReceiver>[0] & {}
}

/** Refused, cut off before the answer, and cut off after the event was taken: the third makes duplicates. */
function witness (random: () => number): Witness {
  const seen: Witness = {
    secrets: new Map(),
    acknowledged: new Map(),
    failures: 0,
    refusedGenuine: 0,
    acceptedTampered: 0,
    respond (received, response) {
      judge(seen, received, random)
      const id = received.headers['webhook-id'] ?? ''
      const isFailure = random() < FAILURE_SHARE
      const kind = isFailure ? ++seen.failures % 3 : -1
      if (!isFailure || kind === 2) seen.acknowledged.set(id, (seen.acknowledged.get(id) ?? 0) + 1)
      if (kind === 0) response.writeHead(503).end()
      else if (isFailure) response.destroy()
      else response.writeHead(200).end()
    }
  }
  return seen
}

function judge (seen: Witness, { path, headers, body }: Received, random: () => number): void {
  const secret = seen.secrets.get(path) ?? ''
  const tampered = Buffer.from(body)
  const at = Math.floor(random() * tampered.length)
  tampered[at] = (tampered[at] ?? 0) ^ 1
  for (const accepts of [acceptsByLibrary, acceptsByHand, acceptsByUs]) {
    if (!accepts(headers, body, secret)) seen.refusedGenuine++
    if (accepts(headers, tampered, secret)) seen.acceptedTampered++
  }
}

function acceptsByLibrary (headers: Record<string, string>, body: Buffer, secret: string): boolean {
  try {
    new StandardWebhook(secret).verify(body, headers)
    return true
  } catch {
    return false
  }
}

/** What a receiver without any library writes, from the published sentence alone. */
function acceptsByHand (headers: Record<string, string>, body: Buffer, secret: string): boolean {
  const [, time, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['x-fb-signature'] ?? '') ?? []
  if (time === undefined || Math.abs(Date.now() / 1000 - Number(time)) > TOLERANCE_SECONDS) return false
  return createHmac('sha256', secret).update(`${time}.`).update(body).digest('hex') === mac
}

function acceptsByUs (headers: Record<string, string>, body: Buffer, secret: string): boolean {
  return verifyWebhook(headers['x-fb-signature'] ?? '', secret, body, Date.now() / 1000)
}

async function subscribe (url: string, caller: Caller, receiver: Receiver, secrets: Map<string, string>): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; n < WEBHOOKS; n++) {
    const { body } = await call(url, caller, 'POST', '/webhooks', JSON.stringify({ url: `${receiver.url}/${n}`, events: ['webhook.disabled'] }))
    secrets.set(`/${n}`, body.data.signing_secret)
    ids.push(body.data.id)
  }
  return ids
}

/** The outbox is written as an ending evaluation writes it: in transactions of the organization's own events, one delivery a webhook. */
async function writeEvents ({ database, config: { secrets } }: Runtime, orgId: string, count: number): Promise<void> {
  for (let written = 0; written < count;) {
    await database.db.transaction(async (tx) => {
      for (let n = 0; n < EVENTS_PER_TRANSACTION && written < count; n++, written += WEBHOOKS) {
        await enqueueEvent(tx, orgId, { event: 'webhook.disabled', evaluationId: null, subject: { n: String(written) } }, secrets)
      }
    })
  }
}

async function settled ({ database }: Runtime, tell: () => void = () => {}): Promise<void> {
  await until(async () => {
    tell()
    const [row] = rowsOf(await database.db.execute(sql`select count(*)::int as open from webhook_deliveries where state in ('pending', 'delivering')`))
    return row?.['open'] === 0
  })
}

/** What was given up after four attempts is in the log; its owner has it sent again until it is through. Returns how many that were. */
async function replayGivenUp (runtime: Runtime, url: string, caller: Caller, ids: readonly string[]): Promise<number> {
  const since = new Date(0).toISOString()
  let givenUp = 0
  for (let round = 0; round < REPLAY_ROUNDS_MAX; round++) {
    const rows = rowsOf(await runtime.database.db.execute(sql`select distinct message_id from webhook_deliveries d where state = 'failed'
      and not exists (select 1 from webhook_deliveries done where done.message_id = d.message_id and done.state = 'delivered')`))
    if (round === 0) givenUp = rows.length
    if (rows.length === 0) break
    for (const id of ids) await call(url, caller, 'POST', `/webhooks/${id}/deliveries/replay`, JSON.stringify({ since, states: ['failed'] }) + ' '.repeat(round))
    await settled(runtime)
  }
  return givenUp
}

async function figuresOf ({ database }: Runtime, seen: Witness, { attempts, givenUp }: { attempts: number, givenUp: number }): Promise<Figure[]> {
  const rows = rowsOf(await database.db.execute(sql`select message_id as "messageId" from webhook_deliveries where replay_of is null`))
  const missing = rows.filter(({ messageId }) => !seen.acknowledged.has(String(messageId))).length
  const duplicates = [...seen.acknowledged.values()].reduce((sum, times) => sum + times - 1, 0)
  return [
    { what: 'events missing', value: missing, bar: '0', ok: missing === 0 },
    { what: 'genuine attempts that one of three verifiers refused', value: seen.refusedGenuine, bar: '0', ok: seen.refusedGenuine === 0 },
    { what: 'changed attempts that one of three verifiers accepted', value: seen.acceptedTampered, bar: '0', ok: seen.acceptedTampered === 0 },
    { what: 'deliveries written', value: rows.length },
    { what: 'attempts', value: attempts },
    { what: 'failures of receivers', value: seen.failures },
    { what: 'workers killed', value: KILLS },
    { what: 'given up after four attempts, then sent again by their owner', value: givenUp },
    { what: 'duplicates', value: duplicates }
  ]
}

async function until (isTrue: () => Promise<boolean>): Promise<void> {
  while (!await isTrue()) await new Promise((resolve) => setTimeout(resolve, 50))
}
