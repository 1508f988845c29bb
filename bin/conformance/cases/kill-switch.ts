/** Layer 10: an instance that is switched off answers nobody, whatever is asked and before anything else is judged. */
import type { AttackCase } from '../definition.ts'
import { allOf, hasData, isMarked, refusedWith } from '../expect.ts'
import type { Asked, Lab } from '../lab.ts'

const ASKED: ReadonlyArray<[string, string, (lab: Lab) => Asked]> = [
  ['KIL-001', 'a valid call', () => ({})],
  ['KIL-002', 'a valid POST', (lab) => ({ method: 'POST', path: lab.postPath, body: lab.postBody() })],
  ['KIL-003', 'a call without a key', () => ({ key: null })],
  ['KIL-004', 'a call with a wrong signature', () => ({ sign: { header: 't=1,v1=0' } })],
  ['KIL-005', 'an open route, health included', (lab) => ({ path: lab.openPath, key: null })],
  ['KIL-006', 'an unknown path', (lab) => ({ path: `${lab.settings.paths.prefix ?? ''}/conformance-unknown`, key: null })],
  ['KIL-007', 'a method that the path does not have', () => ({ method: 'PATCH', key: null })],
  ['KIL-008', 'a result token', (lab) => ({ path: (lab.settings.paths.tokenPath ?? lab.getPath).replace('{token}', 'eyJhbGciOiJIUzI1NiJ9.e30.x'), key: null })],
  ['KIL-009', 'headers that ask to be let through', () => ({ headers: ['X-Kill-Switch: off', 'X-Maintenance-Bypass: 1', 'X-Original-URL: /'] })]
]

export const killSwitchCases: AttackCase[] = [
  ...ASKED.map(([id, title, asked]): AttackCase => ({
    id,
    parts: ['kill-switch'],
    threats: ['key-theft-from-logs', 'leaked-results'],
    title: `switched off: ${title}`,
    expected: '503 api_disabled, no data',
    needs: ['an instance that is switched off'],
    attack: async (lab) => {
      const answer = await lab.ask({ ...asked(lab), to: lab.settings.killedTarget ?? lab.settings.target })
      return allOf({ ok: answer !== null && !hasData(answer), seen: 'an answer with data' }, refusedWith(answer, 'api_disabled'))
    }
  })),
  {
    id: 'KIL-010',
    parts: ['kill-switch', 'watermark'],
    threats: ['leaked-results'],
    title: 'switched off: the refusal, looked at',
    expected: 'it carries a watermark as every answer does',
    needs: ['an instance that is switched off'],
    attack: async (lab) => isMarked(await lab.ask({ to: lab.settings.killedTarget ?? lab.settings.target }))
  }
]
