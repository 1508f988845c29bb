/** References, connections, loops, routers and answers: whether the flow holds together. */
import type { FactGraph, FlowNode } from '../graph/types.ts'
import type { Hit, Rule, RuleContext } from './definition.ts'
import { BOTH, definePolicy, hasTrait, nodeHit, nodeRule } from './hits.ts'
import { controls } from './profiles.ts'
import { idleReasons, settle } from './severity.ts'

const RESPONSE = 'n8n-nodes-base.respondToWebhook'
/** Deeper flows are named by a container, so their order cannot be told from their place. */
const DEPTH_ORDERED = 200
const LEAVES_LOOP: ReadonlySet<string> = new Set(['splitInBatches', 'if', 'switch', 'filter', 'wait', 'form', 'code', 'function', 'stopAndError', 'limit', 'removeDuplicates', 'textClassifier', 'sentimentAnalysis'])

const badReference = definePolicy({
  code: 'FLW-003', title: 'Reads a module that does not exist or cannot have run', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['INTEG'], 'SOC 2 PI1.2')
}, {
  description: 'An expression refers to a module that is not there, or that no run can have passed before.',
  rationale: 'The field is empty or the run fails, mostly after a module was deleted or moved.',
  detection: 'A reference names no module of the scenario (high), or one on a sibling route or further down (medium).',
  fix: ['Map the field again.', 'Run it once with real data.']
})

const brokenWiring = definePolicy({
  code: 'FLW-004', title: 'Broken wiring', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['INTEG'])
}, {
  description: 'A connection leads nowhere, or two modules claim one identity.',
  rationale: 'The platform repairs or drops what does not fit, and the scenario does something else than it shows.',
  detection: 'A connection from or to a missing module, a duplicate id or name, or an aggregator whose source is missing.',
  fix: ['Import it again from a version that works.', 'Connect the modules again.']
})

const endlessLoop = definePolicy({
  code: 'FLW-005', title: 'Loop without exit', severity: 'high', confidence: 'likely', platforms: ['n8n'], frameworks: controls(['RESIL'], 'CWE-835')
}, {
  description: 'Nodes lead back to themselves, and none of them can end the loop.',
  rationale: 'The workflow runs until it is stopped, and does its work over and over.',
  detection: 'A cycle of connections without a node that can leave it by a condition, a batch, a wait or code.',
  fix: ['Add a counter or a condition.', 'Set a timeout for executions.']
})

const noFallback = definePolicy({
  code: 'FLW-006', title: 'Router without fallback', severity: 'low', confidence: 'certain', platforms: BOTH, frameworks: controls(['INTEG'])
}, {
  description: 'What fits no route of a router disappears.',
  rationale: 'The one case that nobody thought of is lost without a trace.',
  detection: 'Make: every route has a filter and none is the fallback. n8n: a Switch has no fallback output.',
  fix: ['Add a fallback that keeps the item and says so.']
})

const answer = definePolicy({
  code: 'FLW-007', title: 'Webhook never answered or answered twice', severity: 'medium', confidence: 'certain', platforms: BOTH, frameworks: controls(['INTEG'])
}, {
  description: 'The webhook waits for an answer that no node gives, or a node answers where nobody waits.',
  rationale: 'The caller runs into its timeout and sends again, or gets an answer that means nothing.',
  detection: 'n8n: a webhook that is answered by a node and reaches none, or an answering node without such a webhook. Make: an answering module without a custom webhook.',
  fix: ['Answer on every path.', 'Answer early and work afterwards.']
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
  { policy: badReference, minFacts: 2, applies: ({ graph }) => graph.nodes.some(({ refs }) => refs.length > 0) || graph.problems.some(({ code }) => code === 'missing_reference'), run: badReferences },
  { policy: brokenWiring, minFacts: 2, applies: ({ graph }) => graph.nodes.length > 0, run: brokenPlaces },
  { policy: endlessLoop, minFacts: 2, applies: ({ graph, analysis }) => graph.platform === 'n8n' && analysis.cycles.length > 0, run: endlessLoops },
  nodeRule(noFallback, isRouter, {
    when: (node) => hasTrait(node, 'no-fallback'),
    evidence: 'no-fallback',
    says: 'has no way for what fits none of its routes.',
    up: (_node, index, { analysis }) => analysis.towardsDanger.has(index) ? ['consequential-effect'] : []
  }),
  { policy: answer, minFacts: 2, applies: ({ graph }) => graph.nodes.some(answers) || graph.nodes.some((node) => hasTrait(node, 'answers-by-node')), run: answerHits },
  nodeRule(notSetUp, (_node, _index, { graph }) => graph.platform === 'make', { when: (node) => hasTrait(node, 'setup-error'), evidence: 'setup-error', says: 'is marked as not set up by the designer.' })
]

function badReferences (context: RuleContext): Hit[] {
  const { graph } = context
  const missing = graph.platform === 'n8n'
    ? graph.problems.flatMap(({ code, pointer }) => code === 'missing_reference' ? [graph.nodes.findIndex((node) => node.pointer === pointer)] : [])
    : graph.nodes.flatMap((node, index) => node.refs.some((key) => !context.analysis.byKey.has(key)) ? [index] : [])
  const hits = missing.filter((index) => index >= 0).map((index) => nodeHit(badReference, context, index, { evidence: 'reference-missing', says: 'reads a module that does not exist.' }, graph.nodes[index]?.pointer ?? ''))
  const known = new Set(missing)
  const misplaced = graph.nodes.flatMap((node, index) => !known.has(index) && graph.platform === 'make' && node.refs.some((key) => cannotHaveRun(graph, node, context.analysis.byKey.get(key))) ? [index] : [])
  return [...hits, ...misplaced.map((index) => nodeHit(badReference, context, index, { evidence: 'reference-not-upstream', says: 'reads a module that cannot have run before it.', down: () => ['order-uncertain'] }, graph.nodes[index]?.pointer ?? ''))]
}

/** Make runs a flow in order: a module has run when it precedes in the same flow, or in a flow around it. */
function cannotHaveRun (graph: FactGraph, reader: FlowNode, index: number | undefined): boolean {
  const source = index === undefined ? undefined : graph.nodes[index]
  if (source === undefined || source === reader || source.orphan || reader.orphan || source.depth > DEPTH_ORDERED || reader.depth > DEPTH_ORDERED) return false
  const flow = source.pointer.slice(0, source.pointer.lastIndexOf('/'))
  // After a merge, whatever ran on its branches has run; an agent's tools run when the agent wants.
  if (/\/(?:branches|tools)\/\d+\/flow$/.test(flow)) return false
  if (!reader.pointer.startsWith(`${flow}/`)) return true
  const here = Number(reader.pointer.slice(flow.length + 1).split('/', 1)[0])
  return here < Number(source.pointer.slice(flow.length + 1))
}

function brokenPlaces (context: RuleContext): Hit[] {
  const broken = new Set(['dangling_edge', 'duplicate_key'])
  return context.graph.problems.filter(({ code }) => broken.has(code)).map(({ code, pointer }) => ({
    node: null,
    pointer,
    evidence: code === 'duplicate_key' ? 'duplicate-key' : 'dangling-edge',
    message: code === 'duplicate_key' ? 'Two modules claim one identity.' : 'A connection leads from or to a module that does not exist.',
    ...settle(brokenWiring.severity, [], idleReasons(context, null))
  }))
}

function endlessLoops (context: RuleContext): Hit[] {
  const { nodes } = context.graph
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

function answers (node: FlowNode): boolean {
  return !node.disabled && (node.type === RESPONSE || node.type === 'gateway:WebhookRespond')
}

function answerHits (context: RuleContext): Hit[] {
  const { graph, analysis } = context
  const responders = graph.nodes.flatMap((node, index) => answers(node) && analysis.reach.has(index) ? [index] : [])
  const waiting = graph.nodes.flatMap((node, index) => !node.disabled && hasTrait(node, 'answers-by-node') ? [index] : [])
  if (graph.platform === 'make') {
    const hasHook = graph.nodes.some(({ type }) => type === 'gateway:CustomWebHook')
    return hasHook ? [] : responders.map((index) => nodeHit(answer, context, index, { evidence: 'answer-without-webhook', says: 'answers a webhook, and the scenario has none.' }, graph.nodes[index]?.pointer ?? ''))
  }
  const unanswered = responders.length > 0 ? [] : waiting
  const unasked = waiting.length > 0 || !graph.nodes.some(isEntryThatAnswers) ? [] : responders
  return [
    ...unanswered.map((index) => nodeHit(answer, context, index, { evidence: 'never-answered', says: 'waits for an answering node, and reaches none.' }, graph.nodes[index]?.pointer ?? '')),
    ...unasked.map((index) => nodeHit(answer, context, index, { evidence: 'answer-not-awaited', says: 'answers a webhook that has answered already.' }, graph.nodes[index]?.pointer ?? ''))
  ]
}

/** A sub-workflow may answer for its caller; only where a webhook stands in the same workflow is the mode known. */
function isEntryThatAnswers (node: FlowNode): boolean {
  return node.type === 'n8n-nodes-base.webhook' && !node.disabled
}
