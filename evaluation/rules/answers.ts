/** Whether whoever calls a webhook gets one answer. */
import type { FlowNode } from '../graph/types.ts'
import type { Hit, Rule, RuleContext } from './definition.ts'
import { BOTH, definePolicy, FACTS, hasTrait, nodeHit } from './hits.ts'
import { controls } from './profiles.ts'

const RESPONSE = 'n8n-nodes-base.respondToWebhook'

const answer = definePolicy({
  code: 'FLW-007', title: 'Webhook never answered or answered twice', severity: 'medium', confidence: 'certain', platforms: BOTH, frameworks: controls(['INTEG'])
}, {
  description: 'The webhook waits for an answer that no node gives, or a node answers where nobody waits.',
  rationale: 'The caller runs into its timeout and sends again, or gets an answer that means nothing.',
  detection: 'n8n: a webhook that is answered by a node and leads to none, or an answering node behind a webhook that answers itself. Make: an answering module without a custom webhook, or a router on whose routes some answer and others do not.',
  fix: ['Answer on every path.', 'Answer early and work afterwards.']
})

export const ANSWER_RULES: readonly Rule[] = [
  { policy: answer, minFacts: FACTS, applies: ({ graph }) => graph.nodes.some(answers) || graph.nodes.some((node) => hasTrait(node, 'answers-by-node')), run: answerHits }
]

function answers (node: FlowNode): boolean {
  return !node.disabled && (node.type === RESPONSE || node.type === 'gateway:WebhookRespond')
}

function answerHits (context: RuleContext): Hit[] {
  const { graph, analysis } = context
  const responders = graph.nodes.flatMap((node, index) => answers(node) && analysis.reach.has(index) ? [index] : [])
  return graph.platform === 'make' ? makeHits(context, responders) : n8nHits(context, responders)
}

function n8nHits (context: RuleContext, responders: readonly number[]): Hit[] {
  const { graph, analysis } = context
  const waiting = graph.nodes.flatMap((node, index) => !node.disabled && hasTrait(node, 'answers-by-node') ? [index] : [])
  const answering = graph.nodes.flatMap((node, index) => isEntryThatAnswers(node) ? [index] : [])
  const answered = analysis.walk(responders, 'from')
  const awaited = analysis.walk(waiting, 'to')
  const unasked = analysis.walk(answering, 'to')
  return [
    ...waiting.filter((index) => !answered.has(index)).map((index) => hitAt(context, index, 'never-answered', 'waits for an answering node, and reaches none.')),
    ...responders.filter((index) => !awaited.has(index) && unasked.has(index)).map((index) => hitAt(context, index, 'answer-not-awaited', 'answers a webhook that has answered already.'))
  ]
}

/** Every route of a Make router can run, so an answer on some of them leaves the callers of the others waiting. */
function makeHits (context: RuleContext, responders: readonly number[]): Hit[] {
  const { graph, analysis } = context
  if (!graph.nodes.some(({ type }) => type === 'gateway:CustomWebHook')) return responders.map((index) => hitAt(context, index, 'answer-without-webhook', 'answers a webhook, and the scenario has none.'))
  const towards = analysis.walk(responders, 'from')
  const behind = analysis.walk(responders, 'to')
  return graph.nodes.flatMap((node, index) => {
    if (node.type !== 'builtin:BasicRouter' || node.disabled || !analysis.reach.has(index) || behind.has(index)) return []
    const heads = analysis.after(index)
    const some = heads.filter((head) => towards.has(head))
    // A route without a filter always runs, so its answer is there for all.
    const isPartial = some.length > 0 && some.length < heads.length && some.every((head) => graph.nodes[head]?.gated === true)
    return isPartial ? [hitAt(context, index, 'answer-missing-on-route', 'leads to an answer on some of its routes and to none on others.')] : []
  })
}

function hitAt (context: RuleContext, index: number, evidence: string, says: string): Hit {
  return nodeHit(answer, context, index, { evidence, says }, context.graph.nodes[index]?.pointer ?? '')
}

/** A sub-workflow may answer for its caller; only where a webhook stands in the same workflow is the mode known. */
function isEntryThatAnswers (node: FlowNode): boolean {
  return node.type === 'n8n-nodes-base.webhook' && !node.disabled && !hasTrait(node, 'answers-by-node')
}
