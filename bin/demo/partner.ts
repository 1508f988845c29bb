/** A partner's client: signs, sends, waits when it is told to, polls, redeems. It knows nothing of the service but its address. */
import { setTimeout as wait } from 'node:timers/promises'
import { send, SURFACE_PREFIX, type Answer, type Outgoing } from '../fb/http.ts'

const POLL_MS = 250
const BATCH_DEADLINE_MS = 120_000
const RETRIES_MAX = 5
/** CONTRACT.md 7: one to ten scenarios in a request. */
export const BATCH_SCENARIOS = 10

export interface Credentials { orgId: string, key: string }
export interface Batch { evaluationId: string, token: string, scenarioIds: string[] }
export interface EvaluatedScenario { id: string, name: string, score: number | null, violations: number, gaps: string[], error: string | null }
export type Fields = Record<string, unknown>

export class Partner {
  readonly origin: string
  readonly credentials: Credentials

  constructor (origin: string, credentials: Credentials) {
    this.origin = origin
    this.credentials = credentials
  }

  /** One request, signed unless told otherwise. `path` comes after the surface's prefix. */
  request (method: string, path: string, changes: Partial<Outgoing> = {}): Promise<Answer> {
    return send({ origin: this.origin, method, target: SURFACE_PREFIX + path, key: this.credentials.key, ...changes })
  }

  evaluationBody (scenarioIds: readonly string[]): Buffer {
    return Buffer.from(JSON.stringify({ org_id: this.credentials.orgId, scenario_ids: scenarioIds }))
  }

  async evaluate (scenarioIds: string[]): Promise<{ answer: Answer, batch: Batch | null }> {
    const answer = await this.patiently(() => this.request('POST', '/evaluate', { body: this.evaluationBody(scenarioIds) }))
    const { evaluation_id: evaluationId, result_token: token } = dataOf(answer)
    const isAccepted = answer.status === 200 && typeof evaluationId === 'string' && typeof token === 'string'
    return { answer, batch: isAccepted ? { evaluationId, token, scenarioIds } : null }
  }

  /** Polls until the batch is complete or failed. */
  async poll (batch: Batch, onProgress: (status: string, completed: number, total: number) => void): Promise<{ status: string, scenarios: EvaluatedScenario[] }> {
    const deadlineMs = Date.now() + BATCH_DEADLINE_MS
    for (;;) {
      const answer = await this.patiently(() => this.request('GET', `/evaluations/${batch.evaluationId}`))
      if (answer.status !== 200) throw new Error(`HTTP ${answer.status} while polling`)
      const data = dataOf(answer)
      const status = String(data['status'])
      onProgress(status, Number(data['completed'] ?? 0), Number(data['total_scenarios'] ?? batch.scenarioIds.length))
      if (status === 'complete' || status === 'error') return { status, scenarios: listOf(data['scenarios']).map(scenarioOf) }
      if (Date.now() > deadlineMs) throw new Error(`not complete within ${BATCH_DEADLINE_MS / 1000} s`)
      await wait(POLL_MS)
    }
  }

  /** Results by token: no key, the token alone. */
  redeem (batch: Batch): Promise<Answer> {
    return this.patiently(() => send({ origin: this.origin, method: 'GET', target: `${SURFACE_PREFIX}/results/${batch.token}` }))
  }

  /** Sends again after as many seconds as a 429 or 503 asks for, a bounded number of times. */
  private async patiently (attempt: () => Promise<Answer>): Promise<Answer> {
    for (let retries = 0; ; retries++) {
      const answer = await attempt()
      if ((answer.status !== 429 && answer.status !== 503) || retries === RETRIES_MAX) return answer
      await wait(1000 * Number(answer.headers.get('retry-after') ?? '1'))
    }
  }
}

export function dataOf (answer: Answer): Fields {
  return fieldsOf(fieldsOf(answer.json)['data'])
}

export function fieldsOf (value: unknown): Fields {
  return typeof value === 'object' && value !== null ? value as Fields : {}
}

export function listOf (value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : []
}

/** `403 signature_missing`, or `200`. */
export function verdictOf (answer: Answer): string {
  const { code } = fieldsOf(answer.json)
  return typeof code === 'string' ? `${answer.status} ${code}` : String(answer.status)
}

export function watermarkOf (answer: Answer): string {
  return answer.headers.get('x-fb-watermark') ?? ''
}

function scenarioOf (data: Fields): EvaluatedScenario {
  const { id, name, score, violations, compliance_gaps: gaps, error } = data
  return {
    id: String(id),
    name: typeof name === 'string' ? name : String(id),
    score: typeof score === 'number' ? score : null,
    violations: typeof violations === 'number' ? violations : 0,
    gaps: Array.isArray(gaps) ? gaps.map(String) : [],
    error: typeof error === 'string' ? error : null
  }
}
