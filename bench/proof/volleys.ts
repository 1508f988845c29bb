/**
 * Volleys at one fresh key, half of each at either of two instances: every request is sent but for its last byte, and then all last
 * bytes at once, so that nothing but the service itself orders them. Exactly the minute's limit may be admitted.
 */
import { connect, type Socket } from 'node:net'
import { newCaller, type Caller } from '../../test/helper/service.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import { openFleet, type Fleet, type FleetMember } from '../fleet.ts'
import type { Figure, Proof, ProofOptions } from '../proof-definition.ts'

const SIZE = 120
const LIMIT = 60
const PATH = '/api/public/v1/scenarios'
const ANSWER_MS_MAX = 20_000

const proof: Proof = {
  summary: `of ${SIZE} simultaneous requests of a key on two instances exactly ${LIMIT} are admitted`,
  count: 100,
  unit: 'volleys',
  async run (options) {
    const fleet = await openFleet()
    try {
      return await fire(fleet, options)
    } finally {
      await fleet.close()
    }
  }
}

export default proof

async function fire (fleet: Fleet, { count, progress }: ProofOptions): Promise<Figure[]> {
  const admitted: number[] = []
  let remainingRepeated = 0
  let others = 0
  for (let volley = 0; volley < count; volley++) {
    const answers = await volleyOf(fleet, await newCaller(fleet.operator))
    const ok = answers.filter(({ status }) => status === 200)
    admitted.push(ok.length)
    // Each admission leaves one less. One that the store made and that came back too late is told by its process's own windows.
    remainingRepeated += ok.length - new Set(ok.map(({ remaining }) => remaining)).size
    others += answers.filter(({ status }) => status !== 200 && status !== 429).length
    progress(volley + 1)
  }
  const exact = admitted.filter((one) => one === LIMIT).length
  return [
    { what: `volleys with exactly ${LIMIT} admitted`, value: exact, bar: `= ${count}`, ok: exact === count },
    { what: 'fewest and most admitted', value: `${Math.min(...admitted)} ${Math.max(...admitted)}`, bar: `${LIMIT} ${LIMIT}`, ok: Math.min(...admitted) === LIMIT && Math.max(...admitted) === LIMIT },
    { what: 'requests', value: count * SIZE },
    { what: 'answers that are neither 200 nor 429', value: others, bar: '0', ok: others === 0 },
    { what: 'values of X-RateLimit-Remaining given twice', value: remainingRepeated }
  ]
}

interface Answer { readonly status: number, readonly remaining: string }

async function volleyOf ({ members }: Fleet, caller: Caller): Promise<Answer[]> {
  const open = await Promise.all(Array.from({ length: SIZE }, (_, at) => aimed(members[at % 2 === 0 ? 0 : 1], caller)))
  const answers = open.map(({ answer }) => answer)
  for (const { socket } of open) socket.write('\n')
  return await Promise.all(answers)
}

/** A connection on which everything but the last byte has been sent. */
async function aimed ({ host, port }: FleetMember, { key }: Caller): Promise<{ socket: Socket, answer: Promise<Answer> }> {
  const signature = signRequest({ key, timestampSeconds: Math.floor(Date.now() / 1000), method: 'GET', path: PATH, body: Buffer.alloc(0) })
  const head = [`GET ${PATH} HTTP/1.1`, `host: ${host}:${port}`, `authorization: Bearer ${key}`, `x-fb-signature: ${signature}`, 'connection: close', '', ''].join('\r\n')
  const socket = connect({ host, port, noDelay: true })
  socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy())
  const answer = answerOn(socket)
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.write(head.slice(0, -1), () => resolve())
  })
  return { socket, answer }
}

async function answerOn (socket: Socket): Promise<Answer> {
  return await new Promise((resolve) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => { text += chunk.toString('latin1') })
    socket.on('error', () => {})
    socket.once('close', () => resolve({ status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0), remaining: /x-ratelimit-remaining: (\d+)/i.exec(text)?.[1] ?? '' }))
  })
}
