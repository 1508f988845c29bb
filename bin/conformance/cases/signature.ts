/** Layer 3: unsigned, stale, malformed, tampered, oversized and repeated requests, of a valid key. */
import { createHash, createHmac } from 'node:crypto'
import type { AttackCase, Seen } from '../definition.ts'
import { allOf, refusedWith, served, tally, turnedAway, verdictOf } from '../expect.ts'
import type { Asked, Lab } from '../lab.ts'

const REPLAY = ['token-replay'] as const
const INVALID = '403 signature_invalid'
const OVERSIZED_BYTES = 10 * 1024 * 1024 + 1
const RACERS = 10
const now = (): number => Math.floor(Date.now() / 1000)

/** Headers made from a right one, `t=…[,n=…],vN=<64 hex>`. */
const HEADERS: ReadonlyArray<[string, string, (right: string) => string]> = [
  ['SIG-002', 'an empty signature', () => ''],
  ['SIG-003', 'words for a signature', () => 'valid'],
  ['SIG-004', 'no time', (right) => right.replace(/t=\d+,/, '')],
  ['SIG-005', 'an empty time', (right) => right.replace(/t=\d+/, 't=')],
  ['SIG-006', 'two times, the right one first', (right) => `${right},t=1`],
  ['SIG-007', 'two times, the right one last', (right) => `t=1,${right}`],
  ['SIG-008', 'a time with a sign', (right) => right.replace('t=', 't=+')],
  ['SIG-009', 'a negative time', (right) => right.replace('t=', 't=-')],
  ['SIG-010', 'a time with a fraction', (right) => right.replace(/t=(\d+)/, 't=$1.0')],
  ['SIG-011', 'a time in hexadecimal', (right) => right.replace(/t=(\d+)/, (_, t: string) => `t=0x${Number(t).toString(16)}`)],
  ['SIG-012', 'a time in milliseconds', (right) => right.replace(/t=(\d+)/, 't=$1000')],
  ['SIG-013', 'a time that is no number', (right) => right.replace(/t=\d+/, 't=now')],
  ['SIG-014', 'a time with a leading nought', (right) => right.replace('t=', 't=0')],
  ['SIG-015', 'no MAC', (right) => right.replace(/,v\d=[0-9a-f]{64}/, '')],
  ['SIG-016', 'an empty MAC', (right) => right.replace(/(v\d)=[0-9a-f]{64}/, '$1=')],
  ['SIG-017', 'a MAC of 63 digits', (right) => right.slice(0, -1)],
  ['SIG-018', 'a MAC of 65 digits', (right) => `${right}0`],
  ['SIG-019', 'a MAC in capitals', (right) => right.replace(/[0-9a-f]{64}$/, (mac) => mac.toUpperCase())],
  ['SIG-020', 'a MAC in base64', (right) => right.replace(/[0-9a-f]{64}$/, (mac) => Buffer.from(mac, 'hex').toString('base64'))],
  ['SIG-021', 'three MACs, the last one right', (right) => right.replace(/(v\d)=([0-9a-f]{64})$/, `$1=${'0'.repeat(64)},$1=${'1'.repeat(64)},$1=$2`)],
  ['SIG-022', 'two MACs, both wrong', (right) => right.replace(/(v\d)=[0-9a-f]{64}$/, `$1=${'0'.repeat(64)},$1=${'1'.repeat(64)}`)],
  ['SIG-023', 'one digit of the MAC changed', (right) => right.replace(/.$/, (digit) => digit === '0' ? '1' : '0')],
  ['SIG-024', 'a MAC of noughts', (right) => right.replace(/[0-9a-f]{64}$/, '0'.repeat(64))],
  ['SIG-025', 'another version of the scheme', (right) => right.replace(/v\d=/, 'v9=')],
  ['SIG-026', 'the MAC under the name of an older hash', (right) => right.replace(/v\d=/, 'sha1=')],
  ['SIG-027', 'semicolons for commas', (right) => right.replaceAll(',', ';')],
  ['SIG-028', 'a time that was changed after signing', (right) => right.replace(/t=(\d+)/, (_, t: string) => `t=${Number(t) - 1}`)],
  ['SIG-029', 'a time of nought', (right) => right.replace(/t=\d+/, 't=0')],
  ['SIG-030', 'a time beyond what a number holds', (right) => right.replace(/t=\d+/, 't=99999999999999999999')],
  ['SIG-031', 'a bearer key for a MAC', (right) => right.replace(/[0-9a-f]{64}$/, 'fb_live_'.padEnd(64, '0'))],
  ['SIG-032', 'a signature of 4000 characters', (right) => `${right},${'x=1,'.repeat(1000)}v1=0`]
]

/** What was signed is not what is sent. */
const TAMPERED: ReadonlyArray<[string, string, (lab: Lab) => Asked]> = [
  ['SIG-040', 'signed 301 to 310 seconds ago', () => ({ sign: { secondsOff: -306 } })],
  ['SIG-041', 'signed an hour ago', () => ({ sign: { secondsOff: -3600 } })],
  ['SIG-042', 'signed for 301 to 310 seconds ahead', () => ({ sign: { secondsOff: 306 } })],
  ['SIG-043', 'signed for tomorrow', () => ({ sign: { secondsOff: 86_400 } })],
  ['SIG-044', 'signed for another path', (lab) => ({ sign: { path: `${lab.getPath}-other` } })],
  ['SIG-045', 'signed without the path\'s beginning', (lab) => ({ sign: { path: lab.getPath.replace(/^\/[^/]*/, '') || '/' } })],
  ['SIG-046', 'signed for POST, sent as GET', () => ({ sign: { method: 'POST' } })],
  ['SIG-047', 'signed with a body, sent without one', () => ({ sign: { body: '{}' } })]
]
const TAMPERED_POSTS: ReadonlyArray<[string, string, (lab: Lab) => Asked]> = [
  ['SIG-050', 'a blank added to the body', (lab) => ({ body: `${lab.postBody()} `, sign: { body: lab.postBody() } })],
  ['SIG-051', 'a field added to the body', (lab) => ({ body: lab.postBody({ more: 1 }), sign: { body: lab.postBody() } })],
  ['SIG-052', 'the body replaced', (lab) => ({ body: '{}', sign: { body: lab.postBody() } })],
  ['SIG-053', 'the body cut off', (lab) => ({ body: lab.postBody().slice(0, -1), sign: { body: lab.postBody() } })],
  ['SIG-054', 'signed without the body', (lab) => ({ body: lab.postBody(), sign: { body: '' } })],
  ['SIG-055', 'the body laid out anew', (lab) => ({ body: JSON.stringify(lab.settings.postBody, null, 2), sign: { body: lab.postBody() } })],
  ['SIG-056', 'signed for GET, sent as POST', (lab) => ({ body: lab.postBody(), sign: { method: 'GET' } })],
  ['SIG-057', 'a chunked body that was tampered with', (lab) => ({ body: `${lab.postBody()} `, isChunked: true, sign: { body: lab.postBody() } })],
  ['SIG-058', 'the hash of the body signed in its place', (lab) => ({ body: lab.postBody(), sign: { body: createHash('sha256').update(lab.postBody()).digest('hex') } })]
]

export const signatureCases: AttackCase[] = [
  refused('SIG-001', 'an unsigned GET', '403 signature_missing', async (lab) => refusedWith(await lab.ask({ sign: false }), 'signature_missing')),
  refused('SIG-033', 'an unsigned POST', '403 signature_missing', async (lab) => refusedWith(await post(lab, { body: lab.postBody(), sign: false }), 'signature_missing'), true),
  ...HEADERS.map(([id, title, change]) => refused(id, title, INVALID, async (lab) => {
    const header = change(lab.firstKey === null ? '' : lab.signature(lab.firstKey, {}))
    return refusedWith(await lab.ask({ sign: { header } }), 'signature_invalid')
  })),
  refused('SIG-034', 'a refused signature, looked at', 'the server\'s time in Date, nothing on what differed', async (lab) => {
    const answer = await lab.ask({ sign: { secondsOff: -3600 } })
    return { ok: answer?.headers['date'] !== undefined && answer.body !== null && !('detail' in answer.body), seen: `${verdictOf(answer)}, ${answer?.headers['date'] === undefined ? 'no Date' : 'Date'}${answer?.body !== null && 'detail' in (answer?.body ?? {}) ? ', a detail' : ''}` }
  }),
  ...TAMPERED.map(([id, title, asked]) => refused(id, title, INVALID, async (lab) => refusedWith(await lab.ask(asked(lab)), 'signature_invalid'))),
  ...TAMPERED_POSTS.map(([id, title, asked]) => refused(id, title, INVALID, async (lab) => refusedWith(await post(lab, asked(lab)), 'signature_invalid'), true)),
  refused('SIG-060', 'a MAC keyed with nothing', INVALID, async (lab) => refusedWith(await lab.ask({ sign: { header: foreignHeader(lab, '') } }), 'signature_invalid')),
  refused('SIG-061', 'a MAC keyed with the loggable twelve characters', INVALID, async (lab) => refusedWith(await lab.ask({ sign: { header: foreignHeader(lab, lab.firstKey?.key.slice(0, 12) ?? '') } }), 'signature_invalid')),
  {
    ...refused('SIG-062', 'another organization\'s valid key for the MAC', INVALID, async (lab) => refusedWith(await lab.ask({ sign: { header: foreignHeader(lab, lab.named('foreign').key) } }), 'signature_invalid')),
    threats: ['token-replay', 'key-sharing-across-organizations'],
    needs: ['a key of another organization']
  },
  refused('SIG-063', 'signed as SHA-1 would', INVALID, async (lab) => {
    const mac = createHmac('sha1', lab.firstKey?.key ?? '').update(`${now()}.GET.${lab.getPath}.`).digest('hex')
    return refusedWith(await lab.ask({ sign: { header: `t=${now()},v1=${mac}` } }), 'signature_invalid')
  }),
  refused('SIG-070', 'a body declared as one byte over 10 MiB', '413 before it is sent', async (lab) => {
    const lines = ['Content-Type: application/json', `Content-Length: ${OVERSIZED_BYTES}`]
    const { answers } = await lab.say(lab.bytes({ method: 'POST', path: lab.postPath, headers: lines }), { deadlineMs: 3000 })
    return turnedAway(answers[0] ?? null, 413)
  }, true),
  refused('SIG-071', 'a body of over 10 MiB in chunks that declare nothing', '413, nothing is buffered beyond the limit', async (lab) => {
    const body = Buffer.alloc(OVERSIZED_BYTES, 0x20)
    return turnedAway(await lab.ask({ method: 'POST', path: lab.postPath, body, isChunked: true, sign: { body: '' } }), 413)
  }, true),
  refused('SIG-072', 'an unsigned body of 10 MiB, awaited with Expect', '403 without 100 Continue', async (lab) => {
    const { answers } = await lab.say(lab.bytes({ method: 'POST', path: lab.postPath, sign: false, headers: ['Content-Type: application/json', 'Content-Length: 10485760', 'Expect: 100-continue'] }), { deadlineMs: 3000 })
    return refusedWith(answers[0] ?? null, 'signature_missing')
  }, true),
  refused('SIG-073', 'signed 290 seconds ago', '200: within the tolerance', async (lab) => served(await lab.admit({ sign: { secondsOff: -290 } }))),
  refused('SIG-074', 'one identical GET twice (published profile)', '200 twice: a read may repeat', async (lab) => {
    if (lab.settings.profile === 'hardened') return { ok: true, seen: 'hardened: see SIG-092' }
    const key = lab.firstKey
    const header = key === null ? '' : lab.signature(key, {})
    return allOf(served(await lab.admit({ key, sign: { header } })), served(await lab.admit({ key, sign: { header } })))
  }),
  ...replayCases(),
  ...hardenedCases()
]

function replayCases (): AttackCase[] {
  const parts = ['signature', 'rate-limits'] as const
  const common = { parts, threats: REPLAY, needs: ['a signed POST'] } as const satisfies Partial<AttackCase>
  return [
    { ...common, id: 'SIG-080', title: 'an admitted POST sent again, byte for byte', expected: '403 signature_replayed', attack: async (lab) => replayed(lab, (right) => right) },
    { ...common, id: 'SIG-081', title: 'an admitted POST sent again with an unknown part in its signature', expected: '403 signature_replayed', attack: async (lab) => replayed(lab, (right) => ({ ...right, sign: { header: `${headerOf(right)},x=1` } })) },
    { ...common, id: 'SIG-082', title: 'an admitted POST sent again from another client', expected: '403 signature_replayed', attack: async (lab) => replayed(lab, (right) => ({ ...right, headers: ['User-Agent: other', 'X-Forwarded-For: 198.51.100.9'] })) },
    { ...common, id: 'SIG-083', title: 'an admitted POST sent again in chunks', expected: '403 signature_replayed', attack: async (lab) => replayed(lab, (right) => ({ ...right, isChunked: true })) },
    { ...common, id: 'SIG-084', title: 'an admitted POST sent again with a query', expected: '403 signature_replayed (hardened: signature_invalid)', attack: async (lab) => replayed(lab, (right) => ({ ...right, path: `${lab.postPath}?again` })) },
    {
      ...common,
      id: 'SIG-085',
      title: `one signed POST, ${RACERS} times at once`,
      expected: 'exactly one is admitted',
      attack: async (lab) => {
        const right = once(lab)
        if (right.key !== null && right.key !== undefined) await lab.pace.take([right.key.key])
        const answers = await Promise.all(Array.from({ length: RACERS }, () => lab.ask(right)))
        const admitted = answers.filter((answer) => answer?.status === 200).length
        const refusals = tally(answers.filter((answer) => answer?.status !== 200).map((answer) => refusedWith(answer, 'signature_replayed')))
        return { ok: admitted === 1 && refusals.ok, seen: `${admitted} admitted, ${refusals.seen}` }
      }
    }
  ]
}

async function replayed (lab: Lab, change: (right: Asked) => Asked): Promise<Seen> {
  const right = once(lab)
  const first = await lab.admit(right)
  if (first?.status !== 200) return { ok: false, seen: `the first one got ${verdictOf(first)}` }
  const again = await lab.ask(change(right))
  return lab.firstKey?.secret == null ? refusedWith(again, 'signature_replayed') : refusedWith(again, 'signature_replayed', 'signature_invalid')
}

let seconds = 0

/** A signed POST of one key whose bytes are settled, unlike every other one of the run. */
function once (lab: Lab): Asked {
  const asked: Asked = { method: 'POST', path: lab.postPath, key: lab.firstKey, body: `${lab.postBody()}${' '.repeat(++seconds)}` }
  return { ...asked, sign: { header: lab.firstKey === null ? '' : lab.signature(lab.firstKey, asked) } }
}

function headerOf (asked: Asked): string {
  return asked.sign === false ? '' : asked.sign?.header ?? ''
}

function hardenedCases (): AttackCase[] {
  const common = { parts: ['signature'], threats: REPLAY, needs: ['a hardened key'] } as const satisfies Partial<AttackCase>
  const hardened = (lab: Lab, changes: Asked = {}): Asked => ({ key: lab.named('hardened'), ...changes })
  const headerFor = (lab: Lab, change: (right: string) => string): Asked => hardened(lab, { sign: { header: change(lab.signature(lab.named('hardened'), {})) } })
  return [
    { ...common, id: 'SIG-090', title: 'a hardened key with the published signature', expected: INVALID, attack: async (lab) => refusedWith(await lab.ask(hardened(lab, { sign: { header: foreignHeader(lab, lab.named('hardened').key) } })), 'signature_invalid') },
    { ...common, id: 'SIG-091', title: 'a query that was changed after signing', expected: INVALID, attack: async (lab) => refusedWith(await lab.ask(hardened(lab, { path: `${lab.getPath}?changed=1`, sign: { path: lab.getPath } })), 'signature_invalid') },
    {
      ...common,
      id: 'SIG-092',
      parts: ['signature', 'rate-limits'],
      title: 'a nonce used twice, on GET',
      expected: '200, then 403 signature_replayed',
      attack: async (lab) => {
        const asked = headerFor(lab, (right) => right)
        return allOf(served(await lab.admit(asked)), refusedWith(await lab.ask(asked), 'signature_replayed'))
      }
    },
    { ...common, id: 'SIG-093', title: 'a nonce of 15 characters', expected: INVALID, attack: async (lab) => refusedWith(await lab.ask(headerFor(lab, (right) => right.replace(/n=[^,]*/, 'n=123456789012345'))), 'signature_invalid') },
    { ...common, id: 'SIG-094', title: 'no nonce', expected: INVALID, attack: async (lab) => refusedWith(await lab.ask(headerFor(lab, (right) => right.replace(/n=[^,]*,/, ''))), 'signature_invalid') },
    { ...common, id: 'SIG-095', title: 'another nonce than was signed', expected: INVALID, attack: async (lab) => refusedWith(await lab.ask(headerFor(lab, (right) => right.replace(/n=[^,]*/, `n=${'a'.repeat(24)}`))), 'signature_invalid') }
  ]
}

function refused (id: string, title: string, expected: string, attack: AttackCase['attack'], isPost = false): AttackCase {
  return { id, parts: ['signature'], threats: REPLAY, title, expected, ...(isPost ? { needs: ['a signed POST'] } : {}), attack }
}

async function post (lab: Lab, asked: Asked): ReturnType<Lab['ask']> {
  return await lab.ask({ method: 'POST', path: lab.postPath, ...asked })
}

/** The published signature of the signed GET, keyed with something else. */
function foreignHeader (lab: Lab, key: string): string {
  return `t=${now()},v1=${createHmac('sha256', key).update(`${now()}.GET.${lab.getPath}.`).digest('hex')}`
}
