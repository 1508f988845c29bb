import fc from 'fast-check'
import t from 'tap'
import { evaluateGraph } from '../../evaluation/evaluate.ts'
import { importBlueprint } from '../../evaluation/graph/import.ts'
import type { ScenarioResult } from '../../evaluation/graph/types.ts'
import { scenarioScore } from '../../evaluation/score.ts'
import { CASES } from './rules/cases.ts'

type Json = Record<string, any>

function judge (blueprint: object): ScenarioResult {
  const imported = importBlueprint(blueprint)
  if (!imported.ok) throw new Error(imported.reason)
  return evaluateGraph(imported.graph)
}

function identity (blueprint: object): string[] {
  return judge(blueprint).violations.map(({ code, fingerprint, severity }) => `${code} ${fingerprint} ${severity}`).sort()
}

// The same document with the members of every object in another order.
function shuffled (value: any, order: () => number): any {
  if (Array.isArray(value)) return value.map((one) => shuffled(one, order))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.keys(value).map((name) => [name, order()] as const).sort((a, b) => a[1] - b[1]).map(([name]) => [name, shuffled(value[name], order)]))
}

// Every Make id, and every reference to it, raised by the same number.
function renumbered (value: any, by: number): any {
  if (Array.isArray(value)) return value.map((one) => renumbered(one, by))
  if (typeof value === 'string') return value.replaceAll(/\{\{(\d+)\./g, (_, id: string) => `{{${Number(id) + by}.`)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, name === 'id' && typeof one === 'number' ? one + by : renumbered(one, by)]))
}

function moved (value: any, by: number): any {
  if (Array.isArray(value)) return value.map((one) => moved(one, by))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => {
    if (name === 'position') return [name, [by, -by]]
    if ((name === 'x' || name === 'y') && typeof one === 'number') return [name, one + by]
    return [name, moved(one, by)]
  }))
}

// Consistently: nodes, connections and references in expressions.
function renamed (blueprint: Json): Json {
  const text = JSON.stringify(blueprint)
  const names: string[] = blueprint['nodes'].map(({ name }: { name: string }) => name)
  return JSON.parse(names.reduce((all, name) => all.replaceAll(`"${name}"`, `"${name} renamed"`).replaceAll(`$('${name}')`, `$('${name} renamed')`), text))
}

const anyCase = fc.constantFrom(...CASES.flatMap(({ fail, pass, platform }) => [fail, pass].map((blueprint) => ({ platform, blueprint: JSON.parse(JSON.stringify(blueprint)) as Json }))))

t.test('the order of an object\'s members changes nothing', async (t) => {
  fc.assert(fc.property(anyCase, fc.infiniteStream(fc.nat()), ({ blueprint }, stream) => {
    // The order of n8n's connections object is the order in which its edges are listed, which no rule may depend on.
    const order = (): number => Number(stream.next().value)
    t.same(identity(shuffled(blueprint, order)), identity(blueprint))
  }), { numRuns: 300 })
})

t.test('renumbered Make ids and moved layout keep codes and fingerprints', async (t) => {
  fc.assert(fc.property(anyCase, fc.integer({ min: 1, max: 100_000 }), ({ platform, blueprint }, by) => {
    if (platform === 'make') t.same(identity(renumbered(blueprint, by)), identity(blueprint))
    t.same(identity(moved(blueprint, by)), identity(blueprint))
  }), { numRuns: 300 })
})

t.test('consistently renamed n8n nodes keep their codes', async (t) => {
  for (const { platform, fail } of CASES) {
    if (platform !== 'n8n') continue
    const codes = (blueprint: object): string[] => judge(blueprint).violations.map(({ code, severity }) => `${code} ${severity}`)
    t.same(codes(renamed(JSON.parse(JSON.stringify(fail)))), codes(fail))
  }
})

t.test('a new finding never raises the score', async (t) => {
  const finding = fc.record({ code: fc.constantFrom('A', 'B', 'C', 'D'), severity: fc.constantFrom('critical', 'high', 'medium', 'low', 'info') } as const)
  fc.assert(fc.property(fc.array(finding, { maxLength: 30 }), finding, (findings, added) => {
    // One code has one severity, or one step beside it; the score takes the findings as they are.
    return scenarioScore([...findings, added]) <= scenarioScore(findings)
  }))
  t.pass()
})
