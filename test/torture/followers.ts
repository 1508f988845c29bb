import { setTimeout as wait } from 'node:timers/promises'
import { ask, type Scene } from './clients.ts'
import type { Organization } from './organizations.ts'
import { PREFIX, signed } from './wire.ts'
import type { Member } from './world.ts'

const POLLS_MAX = 40
const POLL_EVERY_MS = 300
const EARLY_SHARE = 0.2

export interface Followed {
  readonly organization: Organization
  readonly evaluationId: string
  /** Names the token in the history. */
  readonly label: string
  readonly token: string
  presented: boolean
}

const someServer = ({ world, random }: Scene): Member => world.servers[random() < 0.5 ? 0 : 1]

export async function redeem (scene: Scene, member: Member, { organization, label, token }: Followed): Promise<void> {
  await ask(scene, { kind: 'redeem', client: 'presenter', member, organization, keyId: null, subject: label }, { method: 'GET', path: `${PREFIX}/results/${token}`, headers: {}, body: '' })
}

// Takes submitted evaluations one by one, polls until they are complete and lets several present the token at once.
export async function followed (scene: Scene, number: number): Promise<void> {
  while (!scene.ending.aborted) {
    const next = scene.queue.find(({ presented }) => !presented)
    if (next === undefined) {
      await wait(100)
      continue
    }
    next.presented = true
    if (scene.random() < EARLY_SHARE) await redeem(scene, someServer(scene), next)
    if (!await isComplete(scene, next, number)) {
      // Left for the end of the run.
      next.presented = false
      scene.queue.push(...scene.queue.splice(scene.queue.indexOf(next), 1))
      continue
    }
    next.organization.known = next.evaluationId
    const presenters = 2 + Math.floor(scene.random() * 5)
    await Promise.all(Array.from({ length: presenters }, (_, at) => redeem(scene, scene.world.servers[at % 2 === 0 ? 0 : 1], next)))
  }
}

async function isComplete (scene: Scene, { organization, evaluationId }: Followed, number: number): Promise<boolean> {
  for (let polls = 0; polls < POLLS_MAX && !scene.ending.aborted; polls++) {
    const { answered } = await ask(scene, { kind: 'poll', client: `follower ${number}`, member: someServer(scene), organization, keyId: organization.busy.id, subject: evaluationId }, signed(organization.busy.key, 'GET', `/evaluations/${evaluationId}`))
    if (answered?.json.data?.status === 'complete') return true
    await wait(POLL_EVERY_MS)
  }
  return false
}
