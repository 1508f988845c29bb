import { setTimeout as wait } from 'node:timers/promises'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import type { Scene } from './clients.ts'
import { redeem } from './followers.ts'
import { LIMITS, type Organization } from './organizations.ts'
import type { Receiver } from './receiver.ts'
import type { AuditFact, Facts } from './verdict.ts'

/** A lease of a worker that was killed runs out first; a delivery may then need its retries. */
const QUIET_MS_MAX = 90_000
const LOOK_EVERY_MS = 500
/** Presented later than this a token may have expired. */
const TOKEN_MS_MAX = 850_000

const OPEN = `select (select count(*) from evaluations where state in ('pending', 'processing'))::int as evaluations,
  (select count(*) from webhook_deliveries where state in ('pending', 'delivering'))::int as deliveries`

// Waits until nothing is under way any more: every evaluation has ended, every delivery too. False when that takes too long.
export async function untilQuiet ({ world }: Scene, say: (open: string) => void): Promise<boolean> {
  let said = ''
  for (const deadline = performance.now() + QUIET_MS_MAX; performance.now() < deadline; await wait(LOOK_EVERY_MS)) {
    const [row] = await world.postgres.query(OPEN)
    const evaluations = Number(row?.['evaluations'])
    const deliveries = Number(row?.['deliveries'])
    const open = `${evaluations} evaluations and ${deliveries} deliveries open`
    if (open !== said) say(open)
    said = open
    if (evaluations === 0 && deliveries === 0) return true
  }
  return false
}

// Every token that nobody has presented to the end is presented once more: what was not spent must still be good.
export async function presentTheRest (scene: Scene): Promise<void> {
  const won = new Set(scene.history.operations.filter(({ kind, outcome }) => kind === 'redeem' && outcome === 'ok').map(({ subject }) => subject))
  const issued = new Map(scene.history.operations.map((operation) => [String(operation.id), operation.invokedMs]))
  const open = scene.queue.filter(({ label }) => !won.has(label) && scene.history.nowMs() - (issued.get(label) ?? 0) < TOKEN_MS_MAX)
  const lanes = scene.world.servers.map(async (member, lane) => {
    for (const [at, one] of open.entries()) if (at % scene.world.servers.length === lane) await redeem(scene, member, one)
  })
  await Promise.all(lanes)
}

export async function gatherFacts (scene: Scene, receiver: Receiver, drains: Facts['drains']): Promise<Facts> {
  const { world, organizations } = scene
  const evaluations = await world.postgres.query('select id, org_id, state from evaluations')
  const rows = await world.postgres.query('select watermark, count(*)::int as count, bool_or(degraded) as degraded, min(instance) as instance from audit_rows group by watermark')
  const secret = world.operator.config.secrets.watermark
  return {
    evaluations: new Map(evaluations.map(({ id, org_id: orgId, state }) => [String(id), { orgId: String(orgId), state: String(state) }])),
    rows: new Map(rows.map(({ watermark, count, degraded, instance }): [string, AuditFact] => [String(watermark), { count: Number(count), degraded: degraded === true, instance: String(instance) }])),
    subscriptions: organizations.flatMap(({ id, subscriptionIds }: Organization) => subscriptionIds.map((subscriptionId) => ({ id: subscriptionId, orgId: id }))),
    deliveries: receiver.deliveries,
    limits: new Map(organizations.map(({ limited }) => [limited.id, LIMITS])),
    instances: world.servers.length,
    drains,
    crashes: world.crashes,
    isMarkOurs: (watermark) => verifyWatermark(watermark, secret)
  }
}
