import { setTimeout as wait } from 'node:timers/promises'
import { FLOW } from '../helper/service.ts'
import type { History, Operation, OperationKind } from './history.ts'
import { createShortKey, type Key, type Organization } from './organizations.ts'
import { followed, type Followed } from './followers.ts'
import { failureOf, marksOfOthers, send, signed, type Answered, type Sent } from './wire.ts'
import type { Member, World } from './world.ts'
import { operate } from '../helper/service.ts'

const PROBE_EVERY_MS = 100
const PROBES_MAX = 60
const SIGNING_WINDOW_MS = 1000

export interface Scene {
  readonly world: World
  readonly history: History
  /** Two that work, and one that the kill switch is thrown for. */
  readonly organizations: readonly [Organization, Organization, Organization]
  readonly random: () => number
  /** Aborted when the clients are to stop. */
  readonly ending: AbortSignal
  /** Evaluations whose tokens are still to be presented. */
  readonly queue: Followed[]
}

export interface Target { readonly kind: OperationKind, readonly client: string, readonly member: Member, readonly organization: Organization | null, readonly keyId: string | null, readonly subject?: string }

// Sends one request and records it; the answer too, for the client that goes on with it.
export async function ask (scene: Scene, target: Target, sent: Sent): Promise<{ operation: Operation, answered: Answered | null }> {
  const { kind, client, member, organization, keyId, subject = null } = target
  const marks = marksOfOthers(organization, scene.organizations)
  let answered: Answered | null = null
  const operation = await scene.history.record({ client, kind, instance: member.name, orgId: organization?.id ?? null, keyId, subject }, async () => {
    try {
      answered = await send(member, sent, organization === null ? [] : marks)
      return answered.completion
    } catch (err) {
      return failureOf(err)
    }
  })
  return { operation, answered }
}

export const pick = <T>(scene: Pick<Scene, 'random'>, items: readonly [T, ...T[]]): T => items[Math.floor(scene.random() * items.length)] ?? items[0]
const pause = async (scene: Scene, fromMs: number, toMs: number): Promise<void> => { await wait(fromMs + scene.random() * (toMs - fromMs), undefined, { signal: scene.ending, ref: false }).catch(() => {}) }

let spaces = 0
// Bytes that differ each time, so that two honest requests of one second are not a replay.
function submission ({ mark, id, scenarioId }: Organization, stored: boolean): string {
  const body = stored ? { org_id: id, scenario_ids: [scenarioId] } : { blueprints: [{ id: mark, name: mark, blueprint: { ...FLOW, name: mark } }] }
  return JSON.stringify(body) + ' '.repeat(++spaces % 5000)
}

async function submitter (scene: Scene, organization: Organization): Promise<void> {
  const { busy } = organization
  while (!scene.ending.aborted) {
    const target: Target = { kind: 'submit', client: `submitter of ${organization.mark}`, member: pick(scene, scene.world.servers), organization, keyId: busy.id }
    const { operation, answered } = await ask(scene, target, signed(busy.key, 'POST', '/evaluate', submission(organization, scene.random() < 0.3)))
    if (operation.evaluationId !== null && answered !== null) scene.queue.push({ organization, evaluationId: operation.evaluationId, label: String(operation.id), token: answered.json.data.result_token, presented: false })
    await pause(scene, 150, 500)
  }
}

async function reader (scene: Scene, organization: Organization): Promise<void> {
  const paths = ['/scenarios', '/governance/policies', '/governance/summary', `/scenarios/${organization.scenarioId}/results`] as const
  while (!scene.ending.aborted) {
    await ask(scene, { kind: 'read', client: `reader of ${organization.mark}`, member: pick(scene, scene.world.servers), organization, keyId: organization.busy.id }, signed(organization.busy.key, 'GET', pick(scene, paths)))
    await pause(scene, 100, 400)
  }
}

// Volleys over both instances, as many at once as hurts.
async function limiter (scene: Scene, organization: Organization): Promise<void> {
  const { limited } = organization
  while (!scene.ending.aborted) {
    const volley = Array.from({ length: 1 + Math.floor(scene.random() * 25) }, () => ask(scene, { kind: 'limit', client: `limiter of ${organization.mark}`, member: pick(scene, scene.world.servers), organization, keyId: limited.id }, signed(limited.key, 'GET', '/scenarios')))
    await Promise.all(volley)
    await pause(scene, 300, 3000)
  }
}

// The same signed bytes, first alone or at once, then again on both instances.
async function replayer (scene: Scene, organization: Organization): Promise<void> {
  const { busy } = organization
  for (let number = 1; !scene.ending.aborted; number++) {
    const sent = signed(busy.key, 'POST', '/evaluate', submission(organization, false))
    const present = (member: Member): Promise<unknown> => ask(scene, { kind: 'replay', client: `replayer of ${organization.mark}`, member, organization, keyId: busy.id, subject: `${organization.mark} ${number}` }, sent)
    if (scene.random() < 0.5) await present(pick(scene, scene.world.servers))
    await Promise.all([...scene.world.servers, pick(scene, scene.world.servers)].map(present))
    await pause(scene, SIGNING_WINDOW_MS / 2, 2 * SIGNING_WINDOW_MS)
    await present(pick(scene, scene.world.servers))
  }
}

// Keys are made, used on both instances without a rest, revoked in the middle of it, and used on.
async function revoker (scene: Scene, organization: Organization): Promise<void> {
  while (!scene.ending.aborted) {
    const key = await createShortKey(scene.world, organization.id).catch(() => null)
    if (key === null) {
      await pause(scene, 500, 1000)
      continue
    }
    const finished = new AbortController()
    const users = scene.world.servers.flatMap((member) => [1, 2].map(() => use(scene, organization, key, member, finished.signal)))
    await pause(scene, 500, 3000)
    await revoke(scene, organization, key)
    await pause(scene, 800, 1500)
    finished.abort()
    await Promise.all(users)
  }
}

async function use (scene: Scene, organization: Organization, key: Key, member: Member, finished: AbortSignal): Promise<void> {
  while (!finished.aborted) {
    await ask(scene, { kind: 'use', client: `user of ${organization.mark}`, member, organization, keyId: key.id }, signed(key.key, 'GET', '/governance/policies'))
    await wait(50 + scene.random() * 100)
  }
}

// Until it returned: an operator repeats a revocation that could not be carried out, or not be told to the instances.
async function revoke (scene: Scene, organization: Organization, key: Key): Promise<void> {
  for (;;) {
    const { outcome } = await scene.history.record({ client: `revoker of ${organization.mark}`, kind: 'revoke', instance: 'operator', orgId: organization.id, keyId: null, subject: key.id }, async () => {
      await operate(scene.world.operator, 'key.revoke', { key: key.id })
      return { outcome: 'ok', status: null, code: null }
    })
    if (outcome === 'ok') return
    await wait(500)
  }
}

// Records of the other organization, and credentials that nobody was given.
async function intruder (scene: Scene, organization: Organization, other: Organization): Promise<void> {
  const { busy } = organization
  const client = `intruder of ${organization.mark}`
  const forgeries = [
    () => signed(`fb_live_${'0'.repeat(48)}`, 'GET', '/scenarios'),
    () => ({ ...signed(busy.key, 'GET', '/scenarios'), path: '/api/public/v1/governance/policies' }),
    () => ({ ...signed(busy.key, 'GET', '/scenarios'), headers: { authorization: `Bearer ${busy.key}` } }),
    () => ({ method: 'GET', path: `/api/public/v1/results/eyJhbGciOiJub25lIn0.e30.${'A'.repeat(43)}`, headers: {}, body: '' })
  ] as const
  while (!scene.ending.aborted) {
    const paths = [`/scenarios/${other.scenarioId}/results`, ...other.known === null ? [] : [`/evaluations/${other.known}`]] as const
    await ask(scene, { kind: 'foreign', client, member: pick(scene, scene.world.servers), organization, keyId: busy.id }, signed(busy.key, 'GET', pick(scene, [paths[0] ?? '', ...paths.slice(1)])))
    await ask(scene, { kind: 'forge', client, member: pick(scene, scene.world.servers), organization, keyId: null }, pick(scene, forgeries)())
    await pause(scene, 200, 800)
  }
}

// Reads one instance without a rest, so that it is there when the switch is thrown.
async function steadyReader (scene: Scene, organization: Organization, member: Member): Promise<void> {
  while (!scene.ending.aborted) {
    await ask(scene, { kind: 'read', client: `reader of ${organization.mark} at ${member.name}`, member, organization, keyId: organization.busy.id }, signed(organization.busy.key, 'GET', '/scenarios'))
    await pause(scene, 50, 150)
  }
}

// Throws the kill switch for one organization, holds it and lifts it again, whatever is away meanwhile.
async function killer (scene: Scene, { id, mark }: Organization): Promise<void> {
  const change = (kind: 'kill' | 'lift'): Promise<Operation> => scene.history.record({ client: `killer of ${mark}`, kind, instance: 'operator', orgId: null, keyId: null, subject: id }, async () => {
    const effect = await operate(scene.world.operator, kind === 'kill' ? 'kill.on' : 'kill.off', kind === 'kill' ? { reason: 'torture', org: id } : { org: id })
    return { outcome: effect.in_effect === true ? 'ok' : 'unknown', status: null, code: null }
  })
  while (!scene.ending.aborted) {
    await pause(scene, 2000, 6000)
    await change('kill')
    await pause(scene, 1500, 3000)
    await change('lift')
  }
}

// A steady pulse on each instance, not held up by its own late answers.
async function prober (scene: Scene, organization: Organization, member: Member): Promise<void> {
  const underway = new Set<Promise<unknown>>()
  while (!scene.ending.aborted) {
    if (underway.size < PROBES_MAX) {
      const probe: Promise<unknown> = ask(scene, { kind: 'probe', client: `prober of ${member.name}`, member, organization, keyId: organization.busy.id }, signed(organization.busy.key, 'GET', '/scenarios'))
        .finally(() => underway.delete(probe))
      underway.add(probe)
    }
    await wait(PROBE_EVERY_MS)
  }
  await Promise.all(underway)
}

// Everybody, until the scene ends.
export async function runClients (scene: Scene): Promise<void> {
  const [first, second, third] = scene.organizations
  await Promise.all([
    ...scene.world.servers.map((member) => prober(scene, first, member)),
    ...[first, second].flatMap((organization) => [
      submitter(scene, organization), reader(scene, organization), limiter(scene, organization), replayer(scene, organization), revoker(scene, organization)]),
    intruder(scene, first, second),
    intruder(scene, second, first),
    ...scene.world.servers.map((member) => steadyReader(scene, third, member)),
    killer(scene, third),
    followed(scene, 1), followed(scene, 2), followed(scene, 3)
  ])
}
