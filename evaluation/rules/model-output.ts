/** What outsiders reach through a model, and what a model's output becomes. */
import type { Fact, FlowNode } from '../graph/types.ts'
import { hasEffect } from './analysis.ts'
import type { Hit, Rule, RuleContext } from './definition.ts'
import { BOTH, definePolicy, FACTS, nodeHit, nodeRule, wideScopes } from './hits.ts'
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
  detection: 'A statement, a command, a request\'s host, or code that evaluates text reads an AI module, by name or as the item that it hands on. Code that evaluates nothing and names an AI module is one step lower.',
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
    up: (node, index, { analysis }) => analysis.fromOpen.has(index) ? ['open-entry'] : wideScopes(node)
  }),
  { policy: executedOutput, minFacts: FACTS, applies: ({ graph }) => graph.nodes.some(isInterpreter), run: executedOutputs },
  nodeRule(steeredActions, isModel, {
    when: (node, index, { analysis }) => isModel(node) && !node.disabled && analysis.fromOpen.has(index) && analysis.towardsAct.has(index),
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

function executedOutputs (context: RuleContext): Hit[] {
  return context.graph.nodes.flatMap((node, index) => !isInterpreter(node)
    ? []
    : node.facts.flatMap((fact) => {
      if (isInterpreted(fact, node) && readsModel(fact, index, context)) return [nodeHit(executedOutput, context, index, { evidence: 'output-executed', says: 'executes what a model wrote.' }, fact.pointer)]
      // Unpacking an answer is what most code does with it: a finding one step lower, and only where the code names the model.
      if (fact.kind !== 'code' || !namesModel(fact, context)) return []
      return [nodeHit(executedOutput, context, index, { evidence: 'output-in-code', says: 'takes what a model wrote into code.', down: () => ['read-only-code'] }, fact.pointer)]
    }))
}

/** Code that only reads data is how answers are unpacked; code that evaluates them is another matter. */
function isInterpreted ({ classes }: Fact, node: FlowNode): boolean {
  if (classes.includes('dynamic-code')) return true
  if (!classes.includes('data-reference')) return false
  if (classes.includes('sql-text')) return node.effects.includes('SQL') && !classes.includes('sql-parameterised')
  return classes.includes('command-text') || (node.kind === 'http' && classes.includes('dynamic-host'))
}

/** By name, or as the item that a model hands on directly; an error output hands on no answer. */
function readsModel (fact: Fact, index: number, context: RuleContext): boolean {
  if (namesModel(fact, context)) return true
  return fact.classes.includes('reads-input') && context.analysis.before(index).some((at) => isModelAt(at, context))
}

function namesModel ({ refs = [] }: Fact, context: RuleContext): boolean {
  return refs.some((key) => isModelAt(context.analysis.byKey.get(key) ?? -1, context))
}

function isModelAt (index: number, { graph }: RuleContext): boolean {
  const node = graph.nodes[index]
  return node !== undefined && isModel(node)
}
