import { verifyWebhook } from '../../plugins/lib/webhook-signature.ts'
import { startReceiver } from '../helper/receiver.ts'
import type { DeliveryFact } from './verdict.ts'

/** Of first attempts. A delivery has four, and none is refused twice, so that every event must arrive. */
const REFUSED_SHARE = 0.3

interface Subscribed { readonly path: string, readonly id: string, readonly orgId: string, readonly mark: string, readonly secret: string }

export interface Receiver {
  readonly url: string
  readonly subscribe: (subscription: Subscribed) => void
  /** What was acknowledged. */
  readonly deliveries: DeliveryFact[]
  readonly close: () => Promise<void>
}

// A partner's receiver that is not always well: some first attempts are answered with 500 or cut off.
export async function startTortureReceiver (random: () => number): Promise<Receiver> {
  const subscriptions = new Map<string, Subscribed>()
  const refused = new Set<string>()
  const deliveries: DeliveryFact[] = []
  const server = await startReceiver(({ path, headers, body, json }, response) => {
    const subscription = subscriptions.get(path)
    if (subscription === undefined) return response.writeHead(404).end()
    const attempt = `${path} ${headers['webhook-id'] ?? ''}`
    if (!refused.has(attempt) && random() < REFUSED_SHARE) {
      refused.add(attempt)
      if (random() < 0.5) return response.destroy()
      return response.writeHead(500).end()
    }
    const text = body.toString()
    deliveries.push({
      subscriptionId: subscription.id,
      evaluationId: json?.evaluation_id ?? null,
      isValid: verifyWebhook(headers['x-fb-signature'] ?? '', subscription.secret, body, Math.floor(Date.now() / 1000)) && json?.organization_id === subscription.orgId,
      foreignMark: [...subscriptions.values()].find(({ orgId, mark }) => orgId !== subscription.orgId && (text.includes(mark) || text.includes(orgId)))?.mark ?? null
    })
    response.writeHead(204).end()
  })
  return { url: server.url, subscribe: (one) => { subscriptions.set(one.path, one) }, deliveries, close: server.close }
}
