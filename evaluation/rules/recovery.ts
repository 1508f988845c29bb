/** What happens after a failure, beyond having a handler at all. */
import type { FlowNode } from '../graph/types.ts'
import { hasEffect } from './analysis.ts'
import type { Rule, RuleContext } from './definition.ts'
import { BOTH, definePolicy, flowRule, hasClass, hasTrait, isHttp, nodeRule } from './hits.ts'
import { controls } from './profiles.ts'

const uselessBreak = definePolicy({
  code: 'ERR-004', title: 'Break without storage or retry', severity: 'medium', confidence: 'certain', platforms: ['make'], frameworks: controls(['RESIL'])
}, {
  description: 'A Break handler gives up without keeping the item, or retries in a way that cannot help.',
  rationale: 'The item is lost, or the same fault is hit again at once or for ever.',
  detection: 'A Break directive while incomplete executions are not stored; or its retry is off, counts zero or more than 50, or has no interval.',
  fix: ['Allow storing of incomplete executions.', 'Set three to ten retries with a growing interval.', 'Look through the queue every week.']
})

const dataLoss = definePolicy({
  code: 'ERR-005', title: 'Data loss enabled', severity: 'high', confidence: 'certain', platforms: ['make'], frameworks: controls(['RESIL', 'INTEG'])
}, {
  description: 'The scenario may drop data when its storage of incomplete executions is full.',
  rationale: 'Items vanish without a run that failed.',
  detection: 'The scenario\'s setting for data loss is on.',
  fix: ['Switch it off.', 'Enlarge or clear the storage of incomplete executions.']
})

const errorsPass = definePolicy({
  code: 'ERR-006', title: 'HTTP error counts as success', severity: 'medium', confidence: 'certain', platforms: BOTH, frameworks: controls(['INTEG'], 'CWE-252')
}, {
  description: 'An HTTP module goes on whatever the server answered, and nothing looks at the status.',
  rationale: 'A refusal or an error page is then worked on as if it were the record.',
  detection: 'The module does not treat other answers than 2xx as errors, and no later condition compares the status.',
  fix: ['Treat answers other than 2xx as errors.', 'Or decide by the status code in a filter.']
})

const deadErrorOutput = definePolicy({
  code: 'ERR-007', title: 'Error output leads nowhere', severity: 'medium', confidence: 'certain', platforms: ['n8n'], frameworks: controls(['RESIL'])
}, {
  description: 'A node sends its failures to an error output that nothing is connected to.',
  rationale: 'Failed items disappear, and the run is green.',
  detection: 'The node continues on its error output, and that output has no connection.',
  fix: ['Connect it to a handler.', 'Or let the node stop the workflow.']
})

const doubledWrite = definePolicy({
  code: 'ERR-008', title: 'Retrying a call that may already have happened', severity: 'medium', confidence: 'likely', platforms: ['n8n'], frameworks: controls(['INTEG'])
}, {
  description: 'A node that writes, sends or pays is tried again after a failure, without a key that tells the receiver so.',
  rationale: 'When only the answer was lost, the retry does it a second time.',
  detection: 'Retry on fail is on at an HTTP write, a message or a payment, and no field carries an idempotency key.',
  fix: ['Send an idempotency key.', 'Look up before writing.', 'Retry only what reads.']
})

export const RECOVERY_RULES: readonly Rule[] = [
  nodeRule(uselessBreak, ({ directive }) => directive === 'Break', {
    when: (node, _index, { graph }) => node.directive === 'Break' && (!graph.settings.dlq || hasTrait(node, 'break-unretried')), evidence: 'break-useless', says: 'breaks without storing the item or retrying it sensibly.'
  }),
  flowRule(dataLoss, ({ graph }) => graph.platform === 'make' && graph.nodes.length > 0, { when: ({ graph }) => graph.settings.dataloss, evidence: 'data-loss', message: 'The scenario may drop data when its storage is full.', pointer: '/metadata/scenario' }),
  nodeRule(errorsPass, isHttp, { when: (node, index, { analysis }) => hasTrait(node, 'http-errors-pass') && !analysis.towardsStatusTest.has(index), evidence: 'errors-pass', says: 'goes on whatever the server answered, and nothing looks at the status.' }),
  nodeRule(deadErrorOutput, (node, _index, { graph }) => graph.platform === 'n8n' && node.onError === 'route', { when: (node, index, context) => node.onError === 'route' && !hasErrorEdge(index, context), evidence: 'error-output-open', says: 'sends its failures to an output that leads nowhere.' }),
  nodeRule(doubledWrite, actsOutside, {
    when: (node, _index, { graph }) => graph.platform === 'n8n' && node.retry && actsOutside(node) && !hasClass(node, 'idempotency'),
    evidence: 'retried-write',
    says: 'is tried again after a failure, although it may have happened.',
    up: (node) => node.effects.includes('MONEY') ? ['consequential-effect'] : []
  })
]

function actsOutside (node: FlowNode): boolean {
  return (node.kind === 'http' && node.effects.includes('WRITE')) || hasEffect(node, ['MESSAGE', 'MONEY'])
}

function hasErrorEdge (index: number, { analysis }: RuleContext): boolean {
  return analysis.errorSources.has(index)
}
