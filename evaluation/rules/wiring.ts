/** Connections, loops and routers: whether the flow holds together. */
import type { FlowNode } from '../graph/types.ts'
import { hasEffect } from './analysis.ts'
import type { Hit, Rule, RuleContext } from './definition.ts'
import { BOTH, definePolicy, FACTS, hasTrait, nodeHit, nodeRule } from './hits.ts'
import { controls } from './profiles.ts'
import { idleReasons, settle } from './severity.ts'

const LEAVES_LOOP: ReadonlySet<string> = new Set(['splitInBatches', 'if', 'switch', 'filter', 'wait', 'form', 'code', 'function', 'stopAndError', 'limit', 'removeDuplicates', 'textClassifier', 'sentimentAnalysis'])

/** Problems of the graph that are faults of its wiring. */
const FAULTS: ReadonlyMap<string, { evidence: string, message: string }> = new Map([
  ['dangling_edge', { evidence: 'dangling-edge', message: 'A connection leads from or to a module that does not exist.' }],
  ['duplicate_key', { evidence: 'duplicate-key', message: 'Two modules claim one identity.' }],
  ['merge_mismatch', { evidence: 'merge-mismatch', message: 'A merge joins other branches than there are.' }]
])

const brokenWiring = definePolicy({
  code: 'FLW-004', title: 'Broken wiring', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['INTEG'])
}, {
  description: 'A connection leads nowhere, or two modules claim one identity.',
  rationale: 'The platform repairs or drops what does not fit, and the scenario does something else than it shows.',
  detection: 'A connection from or to a missing module, a duplicate id or name, an aggregator whose source is missing, or a merge that joins other branches than there are.',
  fix: ['Import it again from a version that works.', 'Connect the modules again.']
})

const endlessLoop = definePolicy({
  code: 'FLW-005', title: 'Loop without exit', severity: 'high', confidence: 'likely', platforms: BOTH, frameworks: controls(['RESIL'], 'CWE-835')
}, {
  description: 'The automation leads back to its own beginning, and nothing on the way can end the loop.',
  rationale: 'It runs until it is stopped, and does its work over and over.',
  detection: 'n8n: a cycle of connections without a node that can leave it by a condition, a batch, a wait or code. Make: a module sends to the hook that starts the same scenario, and no filter stands before it.',
  fix: {
    make: ['Add a filter or a counter before the call.', 'Process one run at a time and limit its cycles.'],
    n8n: ['Add a counter or a condition.', 'Set a timeout for executions.']
  }
})

const noFallback = definePolicy({
  code: 'FLW-006', title: 'Router without fallback', severity: 'low', confidence: 'certain', platforms: BOTH, frameworks: controls(['INTEG'])
}, {
  description: 'What fits no route of a router disappears.',
  rationale: 'The one case that nobody thought of is lost without a trace.',
  detection: 'Make: every route has a filter and none is the fallback. n8n: a Switch has no fallback output.',
  fix: ['Add a fallback that keeps the item and says so.']
})

const notSetUp = definePolicy({
  code: 'FLW-008', title: 'Designer reports the module as not set up', severity: 'medium', confidence: 'certain', platforms: ['make'], frameworks: controls(['CHANGE'])
}, {
  description: 'The designer itself marks the module as incomplete.',
  rationale: 'It will fail at its first run, or do less than it seems to.',
  detection: 'The designer\'s messages of the module hold an error; a warning is one step lower.',
  fix: ['Open the module and complete it.']
})

export const WIRING_RULES: readonly Rule[] = [
  { policy: brokenWiring, minFacts: FACTS, applies: ({ graph }) => graph.nodes.length > 0, run: brokenPlaces },
  { policy: endlessLoop, minFacts: FACTS, applies: canLoop, run: endlessLoops },
  nodeRule(noFallback, isRouter, {
    when: (node) => hasTrait(node, 'no-fallback'),
    evidence: 'no-fallback',
    says: 'has no way for what fits none of its routes.',
    up: (_node, _index, { graph }) => graph.nodes.some((node) => !node.disabled && hasEffect(node, ['MONEY', 'IDENTITY'])) ? ['consequential-effect'] : []
  }),
  nodeRule(notSetUp, (_node, _index, { graph }) => graph.platform === 'make', {
    when: (node) => hasTrait(node, 'setup-error') || hasTrait(node, 'setup-warning'),
    evidence: 'setup-error',
    says: 'is marked as not set up by the designer.',
    down: (node) => hasTrait(node, 'setup-error') ? [] : ['designer-warning']
  })
]

function brokenPlaces (context: RuleContext): Hit[] {
  return context.graph.problems.flatMap(({ code, pointer }) => {
    const fault = FAULTS.get(code)
    return fault === undefined ? [] : [{ node: null, pointer, ...fault, ...settle(brokenWiring.severity, [], idleReasons(context, null)) }]
  })
}

/** n8n draws a loop; Make can only call itself through its hook. */
function canLoop ({ graph, analysis }: RuleContext): boolean {
  return graph.platform === 'n8n' ? analysis.cycles.length > 0 : graph.nodes[0]?.app === 'gateway' && graph.nodes[0].kind === 'trigger'
}

function endlessLoops (context: RuleContext): Hit[] {
  const { nodes, platform } = context.graph
  if (platform === 'make') {
    return nodes.flatMap((node, index) => hasTrait(node, 'calls-own-hook') && !node.disabled && context.analysis.unguarded.has(index)
      ? [nodeHit(endlessLoop, context, index, { evidence: 'calls-own-hook', says: 'starts its own scenario again, and nothing before it can end that.' }, node.pointer)]
      : [])
  }
  return context.analysis.cycles.flatMap((cycle) => {
    const [first] = cycle
    if (first === undefined || cycle.some((index) => canLeave(nodes[index]))) return []
    return [nodeHit(endlessLoop, context, first, { evidence: 'loop-without-exit', says: 'is part of a loop that nothing can end.' }, nodes[first]?.pointer ?? '')]
  })
}

function canLeave (node: FlowNode | undefined): boolean {
  if (node === undefined) return false
  return node.disabled || node.approval || LEAVES_LOOP.has(node.app) || node.kind === 'branch' || node.kind === 'router' || node.kind === 'code' || node.kind === 'wait'
}

function isRouter (node: FlowNode): boolean {
  return node.type === 'builtin:BasicRouter' || node.type === 'n8n-nodes-base.switch'
}
