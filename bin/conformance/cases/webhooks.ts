/** Webhook spoofing, and a service that is made to call where its caller may not: subscriptions to addresses that are not public. */
import { randomUUID } from 'node:crypto'
import type { AttackCase } from '../definition.ts'
import { allOf, refusedWith, verdictOf } from '../expect.ts'
import type { Lab } from '../lab.ts'
import type { Answer } from '../wire.ts'

const SPOOFING = ['webhook-spoofing'] as const

const URLS: ReadonlyArray<[string, string, string]> = [
  ['WHK-001', 'loopback', 'https://127.0.0.1/hook'],
  ['WHK-002', 'loopback by another name', 'https://localhost/hook'],
  ['WHK-003', 'loopback in IPv6', 'https://[::1]/hook'],
  ['WHK-004', 'a mapped address', 'https://[::ffff:10.0.0.1]/hook'],
  ['WHK-005', 'a private network', 'https://10.0.0.1/hook'],
  ['WHK-006', 'the metadata service', 'https://169.254.169.254/latest/meta-data/'],
  ['WHK-007', 'an address as one number', 'https://2130706433/hook'],
  ['WHK-008', 'an address in octal', 'https://0177.0.0.1/hook'],
  ['WHK-009', 'every address', 'https://0.0.0.0/hook'],
  ['WHK-010', 'another scheme', 'file:///etc/passwd'],
  ['WHK-011', 'a user in the URL', 'https://user:password@partner.example/hook']
]

export const webhookCases: AttackCase[] = [
  ...URLS.map(([id, title, url]): AttackCase => ({
    id,
    parts: ['webhooks', 'permission-scopes'],
    threats: SPOOFING,
    title: `a subscription that leads to ${title}`,
    expected: '400 malformed_request',
    needs: ['an admin key'],
    attack: async (lab) => {
      const answer = await subscribe(lab, url)
      if (answer?.status === 200) await remove(lab, answer)
      return refusedWith(answer, 'malformed_request')
    }
  })),
  {
    id: 'WHK-020',
    parts: ['webhooks', 'permission-scopes'],
    threats: SPOOFING,
    title: 'a subscription by a key that is no admin\'s',
    expected: '403 insufficient_permission',
    attack: async (lab) => refusedWith(await lab.ask({ method: 'POST', path: hooks(lab), body: JSON.stringify(subscription('https://partner.example/hook')) }), 'insufficient_permission')
  },
  {
    id: 'WHK-021',
    parts: ['webhooks', 'permission-scopes'],
    threats: SPOOFING,
    title: 'the signing secret, asked for again',
    expected: 'shown once at creation, in no later answer',
    needs: ['an admin key'],
    attack: async (lab) => {
      const made = await subscribe(lab, `https://${randomUUID()}.example/hook`)
      const data = made?.body?.['data'] as Record<string, unknown> | undefined
      const secret = data?.['signing_secret']
      const listed = await lab.admit({ key: lab.named('admin'), path: hooks(lab) })
      if (made !== null) await remove(lab, made)
      return allOf({ ok: typeof secret === 'string' && /^whsec_[0-9a-f]{48}$/.test(secret), seen: `${verdictOf(made)} without a signing secret` }, { ok: listed?.status === 200 && !listed.text.includes('whsec_'), seen: `${verdictOf(listed)}${listed?.text.includes('whsec_') === true ? ' with the secret' : ''}` })
    }
  }
]

const hooks = (lab: Lab): string => lab.settings.paths.webhooksPath ?? '/'

function subscription (url: string): object {
  return { url, events: ['evaluation.complete'] }
}

async function subscribe (lab: Lab, url: string): Promise<Answer | null> {
  return await lab.admit({ method: 'POST', path: hooks(lab), key: lab.named('admin'), body: JSON.stringify(subscription(url)) })
}

async function remove (lab: Lab, made: Answer): Promise<void> {
  const { id } = made.body?.['data'] as Record<string, unknown>
  if (typeof id === 'string') await lab.admit({ method: 'DELETE', path: `${hooks(lab)}/${id}`, key: lab.named('admin') })
}
