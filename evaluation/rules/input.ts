/** Data that becomes a command, an address, code or a change. */
import type { FlowNode } from '../graph/types.ts'
import { hasEffect } from './analysis.ts'
import type { Rule } from './definition.ts'
import { BOTH, definePolicy, factRule, isHttp, nodeRule, openEntry, readsConstantsOnly } from './hits.ts'
import { controls } from './profiles.ts'

const command = definePolicy({
  code: 'INJ-002', title: 'Shell command built from data', severity: 'critical', confidence: 'certain', platforms: BOTH, frameworks: controls(['INPUT'], 'CWE-78')
}, {
  description: 'The command of a shell module is put together from data of the run.',
  rationale: 'Whoever controls the data runs commands on the machine.',
  detection: 'The command field of a module that runs shell commands reads data of another module or of the trigger.',
  fix: ['Use an interface or a fixed command.', 'Allow-list the arguments.', 'Run it on an isolated host.']
})

const target = definePolicy({
  code: 'INJ-003', title: 'Request target comes from data', severity: 'medium', confidence: 'certain', platforms: BOTH, frameworks: controls(['INPUT'], 'CWE-918')
}, {
  description: 'Data decides to which host a request goes.',
  rationale: 'Whoever controls the data can have the request, with its credentials, sent to a host of their own or into the network.',
  detection: 'A URL field begins with a reference to data. The platform\'s own variables, and constants of a setting module, do not count.',
  fix: ['Fix scheme and host and vary the path only.', 'Allow-list the hosts.', 'Send no credentials with such calls.']
})

const dynamicCode = definePolicy({
  code: 'INJ-004', title: 'Dynamic evaluation or host module in code', severity: 'high', confidence: 'likely', platforms: BOTH, frameworks: controls(['INPUT', 'SUPPLY'], 'CWE-95')
}, {
  description: 'Code evaluates text as code, or reaches for the machine that it runs on.',
  rationale: 'Such code does whatever the text says that day, with the rights of the runner.',
  detection: 'Code calls eval or the Function constructor, or loads a module for files, sockets, processes or the operating system.',
  fix: ['Write it without evaluation.', 'Use a built-in module of the platform.', 'Have it reviewed before release.']
})

const uncheckedWrite = definePolicy({
  code: 'INJ-005', title: 'Outside input reaches a write unchecked', severity: 'medium', confidence: 'likely', platforms: BOTH, frameworks: controls(['INPUT', 'INTEG'], 'CWE-20')
}, {
  description: 'What anyone may send arrives at a module that changes data, and nothing on the way can refuse it.',
  rationale: 'Wrong, doubled and hostile input is stored as it comes.',
  detection: 'A module that writes is reachable from an open, unauthenticated entry, and from an event from outside without a filter, a branch or an approval between.',
  fix: ['Validate type, length and allowed values right after the trigger.', 'Refuse what does not fit with a clear answer.', 'Drop what was seen before by its event id.']
})

export const INPUT_RULES: readonly Rule[] = [
  factRule(command, runsShell, {
    when: ({ classes }, node) => runsShell(node) && classes.includes('command-text') && classes.includes('data-reference'), evidence: 'command-from-data', says: 'builds a shell command from data.', up: openEntry
  }),
  factRule(target, isHttp, {
    when: (fact, node, index, context) => node.kind === 'http' && fact.classes.includes('dynamic-host') && !readsConstantsOnly(fact, index, context),
    evidence: 'target-from-data',
    says: 'lets data decide the host that it calls.',
    up: (_node, index, { analysis }) => analysis.unguarded.has(index) ? ['outside-event'] : []
  }),
  factRule(dynamicCode, ({ kind }) => kind === 'code', { when: ({ classes }) => classes.includes('dynamic-code'), evidence: 'dynamic-code', says: 'evaluates text as code or reaches the machine it runs on.' }),
  nodeRule(uncheckedWrite, writes, {
    when: (node, index, { analysis }) => writes(node) && !node.disabled && analysis.fromOpen.has(index) && analysis.unguarded.has(index),
    evidence: 'unchecked-write',
    says: 'stores what anyone can send, and nothing on the way can refuse it.',
    up: (node) => hasEffect(node, ['MONEY', 'DELETE', 'IDENTITY']) ? ['consequential-effect'] : [],
    down: (_node, index, { analysis }) => analysis.fromUnlisted.has(index) ? [] : ['address-list']
  })
]

function runsShell (node: FlowNode): boolean {
  return node.effects.includes('SHELL')
}

function writes (node: FlowNode): boolean {
  return node.effects.includes('WRITE') && node.kind !== 'trigger'
}
