/** What outsiders reach through a model, and what a model's output becomes. */
import type { FlowNode } from '../graph/types.ts'
import { hasEffect } from './analysis.ts'
import type { Rule, RuleContext } from './definition.ts'
import { BOTH, definePolicy, hasClass, nodeRule } from './hits.ts'
import { controls } from './profiles.ts'

const reachableAgent = definePolicy({
  code: 'AIX-002', title: 'Outsiders reach an agent that can act', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['AI', 'ACCESS'], 'OWASP LLM01', 'OWASP LLM06')
}, {
  description: 'Text from outside arrives at an agent whose tools change something.',
  rationale: 'A sentence in a mail or a form is then enough to have a tool used.',
  detection: 'An agent with an acting tool and no approval is reachable from an event from outside; critical from an open, unauthenticated entry.',
  fix: ['Authenticate the entry.', 'Separate the agent that reads from the agent that acts.', 'Put an approval before actions.', 'Allow-list recipients and ids.']
})

const executedOutput = definePolicy({
  code: 'AIX-003', title: 'Model output executed', severity: 'high', confidence: 'likely', platforms: BOTH, frameworks: controls(['AI', 'INPUT'], 'OWASP LLM05')
}, {
  description: 'What a model wrote becomes SQL, a command, code or the target of a request.',
  rationale: 'The model\'s answer can hold whatever its input made it say.',
  detection: 'A statement, a command, code or a request\'s host reads an AI module, by name or as its direct predecessor.',
  fix: ['Ask for structured output with a schema.', 'Check it against allowed values.', 'Pass it as a parameter, never as text of a command.']
})

const steeredActions = definePolicy({
  code: 'AIX-004', title: 'Open text steers outgoing actions through a model', severity: 'medium', confidence: 'likely', platforms: BOTH, frameworks: controls(['AI', 'INPUT'], 'OWASP LLM01')
}, {
  description: 'Anyone can send text to a model, and what follows from it acts without a check.',
  rationale: 'Instructions hidden in the text decide what is written, sent, paid or deleted.',
  detection: 'An AI module reachable from an open, unauthenticated entry leads to a write, message, payment or deletion with no guard between.',
  fix: ['Separate instructions from content.', 'Check the model\'s answer before using it.', 'Limit what the next step may do.']
})

export const MODEL_RULES: readonly Rule[] = [
  nodeRule(reachableAgent, ({ kind }) => kind === 'agent', {
    when: (_node, index, { analysis }) => analysis.actingAgents.has(index) && analysis.fromIn.has(index),
    evidence: 'agent-reachable',
    says: 'can act and is reached by text from outside.',
    up: (_node, index, { analysis }) => analysis.fromOpen.has(index) ? ['open-entry'] : []
  }),
  nodeRule(executedOutput, isInterpreter, { when: (node, index, context) => isInterpreter(node) && interprets(node) && readsModel(node, index, context), evidence: 'output-executed', says: 'executes what a model wrote.' }),
  nodeRule(steeredActions, isModel, {
    when: (node, index, { analysis }) => isModel(node) && !node.disabled && analysis.fromOpen.has(index) && analysis.towardsAct.has(index) && !analysis.actingAgents.has(index),
    evidence: 'model-steers',
    says: 'turns text that anyone can send into actions, with no check between.'
  })
]

function isModel (node: FlowNode): boolean {
  return (node.kind === 'ai' || node.kind === 'agent') && hasEffect(node, ['AI', 'AILOCAL'])
}

function isInterpreter (node: FlowNode): boolean {
  return hasEffect(node, ['SQL', 'SHELL', 'CODE']) || node.kind === 'code' || node.kind === 'http'
}

/** Code that only reads data is how answers are unpacked; code that evaluates them is another matter. */
function interprets (node: FlowNode): boolean {
  const reads = node.facts.filter(({ classes }) => classes.includes('data-reference'))
  if (node.effects.includes('SQL')) return reads.some(({ classes }) => classes.includes('sql-text') && !classes.includes('sql-parameterised'))
  if (node.effects.includes('SHELL')) return reads.some(({ classes }) => classes.includes('command-text'))
  return node.kind === 'http' ? hasClass(node, 'dynamic-host') : hasClass(node, 'dynamic-code')
}

function readsModel (node: FlowNode, index: number, { graph, analysis }: RuleContext): boolean {
  const sources = [...node.refs.map((key) => analysis.byKey.get(key) ?? -1), ...analysis.before(index)]
  return sources.some((at) => {
    const source = graph.nodes[at]
    return source !== undefined && isModel(source)
  })
}
