import type { FactGraph, Policy } from '../graph/types.ts'
import { naming, type Hit, type Rule, type RuleContext } from './definition.ts'
import { controls } from './profiles.ts'

const deadModule: Policy = {
  code: 'FLW-001',
  title: 'Module can never run',
  description: 'One or more modules are on the canvas but no run can arrive at them.',
  severity: 'low',
  confidence: 'certain',
  platforms: ['make', 'n8n'],
  frameworks: controls(['CHANGE'], 'CWE-561'),
  rationale: 'Dead steps hide what the scenario really does and come back to life with one connection.',
  detection: 'No path leads from an entry to the module. Connected modules are reported once.',
  remediation: {
    make: ['Connect the modules to the flow or delete them.'],
    n8n: ['Connect the nodes to the flow or delete them.']
  }
}

const trigger: Policy = {
  code: 'FLW-002',
  title: 'Trigger missing or misplaced',
  description: 'Nothing can start the workflow, or a trigger stands where it cannot start anything.',
  severity: 'medium',
  confidence: 'certain',
  platforms: ['make', 'n8n'],
  frameworks: controls(['INTEG']),
  rationale: 'The automation is believed to run and does not, or runs without the data its trigger should bring.',
  detection: 'n8n: no enabled trigger, and not a sub-workflow. Make: a trigger module is not the first one.',
  remediation: {
    make: ['Move the trigger to the first place, or replace it by a search or action.'],
    n8n: ['Add a trigger node or enable the existing one.']
  }
}

export const FLOW_RULES: readonly Rule[] = [
  { policy: deadModule, minFacts: 1, applies: ({ graph }) => graph.nodes.length > 0, run: deadGroups },
  { policy: trigger, minFacts: 1, applies: ({ graph }) => graph.nodes.length > 0, run: badTriggers }
]

function deadGroups ({ graph, analysis }: RuleContext): Hit[] {
  // Without any trigger FLW-002 already says that nothing runs; the same fault is not counted twice.
  if (lacksTrigger(graph)) return []
  const dead = graph.nodes.map((_, index) => index).filter((index) => !analysis.reach.has(index))
  return groups(graph, dead).flatMap((group) => {
    // A disabled module was switched off on purpose; a group of only such is not a fault of the wiring.
    const first = group.find((index) => graph.nodes[index]?.disabled === false)
    const node = first === undefined ? undefined : graph.nodes[first]
    if (first === undefined || node === undefined) return []
    const rest = group.length > 1 ? ' and the modules connected to it' : ''
    return [{
      node: first,
      pointer: node.pointer,
      evidence: 'not-reachable',
      message: `${naming(node)}${rest} can never run.`,
      severity: deadModule.severity,
      reason: null
    }]
  })
}

/** Connected groups among the given nodes, whatever the direction of their edges; groups and members in document order. */
function groups (graph: FactGraph, members: readonly number[]): number[][] {
  const near = new Map<number, number[]>(members.map((index) => [index, []]))
  for (const { from, to } of graph.edges) {
    if (!near.has(from) || !near.has(to)) continue
    near.get(from)?.push(to)
    near.get(to)?.push(from)
  }
  const seen = new Set<number>()
  return members.flatMap((start) => {
    if (seen.has(start)) return []
    seen.add(start)
    const group = [start]
    // The array grows while it is read: it is its own queue.
    for (const at of group) {
      for (const next of near.get(at) ?? []) {
        if (seen.has(next)) continue
        seen.add(next)
        group.push(next)
      }
    }
    return [group.sort((a, b) => a - b)]
  })
}

function badTriggers ({ graph }: RuleContext): Hit[] {
  const shared = { severity: trigger.severity, reason: null }
  if (graph.platform === 'n8n') {
    if (!lacksTrigger(graph)) return []
    return [{ node: null, pointer: '/nodes', evidence: 'no-trigger', message: 'The workflow has no trigger that could start it.', ...shared }]
  }
  const entries = new Set(graph.entries)
  return graph.nodes.flatMap((node, index) => {
    if (node.kind !== 'trigger' || node.orphan || entries.has(index)) return []
    const message = `${naming(node)} is a trigger but does not stand first.`
    return [{ node: index, pointer: node.pointer, evidence: 'trigger-not-first', message, ...shared }]
  })
}

function lacksTrigger (graph: FactGraph): boolean {
  return graph.platform === 'n8n' && graph.entries.length === 0 && !graph.settings.subWorkflow
}
