/** Runs the attack list once, one case after another, and says of each what came of it. */
import { CASES } from './cases/index.ts'
import { NEEDS, type AttackCase, type Finding, type Seen } from './definition.ts'
import { verdictOf } from './expect.ts'
import { UsageError } from './inputs.ts'
import type { Lab } from './lab.ts'

const OTHER_SCHEME = 'does the service speak there, and is it http:// or https://?'

export interface RunOptions {
  /** Told before each case. Default none. */
  onCase?: (number: number, total: number, attack: AttackCase) => void
  /** Default all. */
  cases?: readonly AttackCase[]
}

/** A finding for each case, in the order of the list. Throws a `UsageError` when an honest call is not served: then no refusal would mean anything. */
export async function runCases (lab: Lab, options: RunOptions = {}): Promise<Finding[]> {
  const { onCase = () => {}, cases = CASES } = options
  await assertServed(lab)
  await lab.prepare()
  const findings = new Map<string, Finding>()
  const inOrder = [...cases.filter(({ isLast }) => isLast !== true), ...cases.filter(({ isLast }) => isLast === true)]
  for (const [at, attack] of inOrder.entries()) {
    onCase(at + 1, inOrder.length, attack)
    findings.set(attack.id, await judge(lab, attack))
  }
  return cases.flatMap(({ id }) => findings.get(id) ?? [])
}

async function assertServed (lab: Lab): Promise<void> {
  const { target } = lab.settings
  let seen: string
  let advice = 'give a key that may make it, or another --path'
  try {
    const answer = await lab.admit()
    if (answer?.status === 200) return
    seen = answer === null ? 'had no answer, the connection ended' : `was answered with ${verdictOf(answer)}`
    if (answer === null) advice = OTHER_SCHEME
  } catch (err) {
    const code = err instanceof Error && 'code' in err ? String(err.code) : 'no connection'
    seen = `could not be sent (${code})`
    advice = code === 'ECONNREFUSED' ? 'nothing listens there' : OTHER_SCHEME
  }
  throw new UsageError(`the honest call that everything is compared with, GET ${lab.getPath} at ${target.origin}, ${seen}; ${advice}`)
}

async function judge (lab: Lab, { attack, needs = [], isLast: _, ...about }: AttackCase): Promise<Finding> {
  const missing = about.parts.filter((part) => !lab.settings.parts.has(part))
  if (missing.length > 0) return { ...about, verdict: 'NOT IN SCOPE', seen: `the service is said to be without ${missing.join(', ')}`, milliseconds: 0 }
  const lacking = needs.filter((need) => lab.lacks(need))
  if (lacking.length > 0) return { ...about, verdict: 'SKIPPED', seen: `needs ${lacking.map((need) => `${need} (${NEEDS[need]})`).join(' and ')}`, milliseconds: 0 }
  const startedMs = performance.now()
  lab.isBreakingFrames = about.parts[0] === 'transport'
  const { ok, seen } = await attack(lab).catch((err: unknown): Seen => ({ ok: false, seen: `no judgement: ${err instanceof Error ? err.message : 'failure'}` }))
  return { ...about, verdict: ok ? 'PASS' : 'FAIL', seen, milliseconds: Math.round(performance.now() - startedMs) }
}
