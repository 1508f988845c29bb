/** Steps of the demonstration that must be refused, each with its status and code. */
import { Partner, verdictOf } from './partner.ts'
import type { Expectation, Report } from './report.ts'
import type { Setup } from './setup.ts'
import { send, SURFACE_PREFIX, type Answer } from '../fb/http.ts'

const DEFAULT_PER_MINUTE = 60
const TOGETHER = 10

export async function meetRefusals (report: Report, partner: Partner, setup: Setup): Promise<void> {
  const ids = setup.scenarios.slice(0, 1).map(({ id }) => id)
  const body = partner.evaluationBody(ids)

  await report.step('An unsigned POST /evaluate', async () => expectRefusal('403 signature_missing', await partner.request('POST', '/evaluate', { body, isSigned: false })))
  await report.step('A body changed after it was signed', async () => {
    const tampered = Buffer.from(body.toString().replace('}', ' }'))
    return expectRefusal('403 signature_invalid', await partner.request('POST', '/evaluate', { body: tampered, signedBody: body }))
  })
  await report.step('A browser\'s pre-flight', async () => {
    const headers = { origin: 'https://browser.example', 'access-control-request-method': 'POST' }
    return expectRefusal('403 browser_refused', await send({ origin: partner.origin, method: 'OPTIONS', target: `${SURFACE_PREFIX}/evaluate`, headers }))
  })
  await report.step('A scenario of another organization', async () => {
    return expectRefusal('403 organization_mismatch', await partner.request('POST', '/evaluate', { body: partner.evaluationBody([setup.foreignScenarioId]) }))
  })
  await report.step('An evaluation of another organization', async () => {
    const foreign = new Partner(partner.origin, setup.foreign)
    const { batch, answer } = await foreign.evaluate([setup.foreignScenarioId])
    if (batch === null) return { expected: 'the other organization may evaluate its own scenario', met: false, got: verdictOf(answer) }
    return expectRefusal('403 organization_mismatch', await partner.request('GET', `/evaluations/${batch.evaluationId}`))
  })
  await report.step(`The ${DEFAULT_PER_MINUTE + 1}st request of a key within a minute`, () => exhaustMinute(new Partner(partner.origin, setup.limited)))
}

async function exhaustMinute (partner: Partner): Promise<Expectation> {
  const refused: string[] = []
  for (let sent = 0; sent < DEFAULT_PER_MINUTE; sent += TOGETHER) {
    const answers = await Promise.all(Array.from({ length: TOGETHER }, () => partner.request('GET', '/governance/policies')))
    refused.push(...answers.filter(({ status }) => status !== 200).map(verdictOf))
  }
  const last = await partner.request('GET', '/governance/policies')
  const retryAfter = Number(last.headers.get('retry-after') ?? '0')
  const met = refused.length === 0 && verdictOf(last) === '429 rate_limited' && retryAfter > 0
  return {
    expected: `${DEFAULT_PER_MINUTE} times 200, then 429 rate_limited with Retry-After`,
    met,
    got: `${DEFAULT_PER_MINUTE - refused.length} times 200${refused.length > 0 ? ` (and ${refused[0]})` : ''}, then ${verdictOf(last)}, Retry-After ${retryAfter} s`
  }
}

function expectRefusal (expected: string, answer: Answer): Expectation {
  return { expected, met: verdictOf(answer) === expected && answer.headers.has('x-fb-watermark'), got: verdictOf(answer) }
}
