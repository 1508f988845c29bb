/** Personal, sensitive and payment data: which of it is read, and where it goes. Told from names, so likely and never certain. */
import type { Fact, FlowNode } from '../graph/types.ts'
import { hasEffect, type Analysis } from './analysis.ts'
import type { Hit, Rule, RuleContext } from './definition.ts'
import { BOTH, FACTS, anyModule, carriesPersons, definePolicy, flowRule, hasClass, hasTrait, nodeRule } from './hits.ts'
import { controls } from './profiles.ts'
import { idleReasons, settle } from './severity.ts'

/** Up to here samples are a few invented words; more is mostly a copy of records. */
const SMALL_SAMPLE_CHARACTERS = 2000

const cardData = definePolicy({
  code: 'DAT-001', title: 'Payment-card data in the flow', severity: 'critical', confidence: 'likely', platforms: BOTH, frameworks: controls(['PRIVACY'], 'PCI DSS 3.3.1', 'PCI DSS 3.5.1', 'PCI DSS 4.2.2')
}, {
  description: 'A module reads or fills a field for card numbers, verification values or track data.',
  rationale: 'One module with card data brings the platform, its history and everyone who may look into it into the scope of the card industry\'s rules.',
  detection: 'A reference or a field is named after a card number, CVV, CVC or track data. Reading such a field is enough.',
  fix: ['Use the token of the payment processor.', 'Remove the field.', 'Purge the stored runs.']
})

const personalToModel = definePolicy({
  code: 'DAT-002', title: 'Personal data sent to a hosted model', severity: 'high', confidence: 'likely', platforms: BOTH, frameworks: controls(['PRIVACY', 'THIRD'], 'OWASP LLM02')
}, {
  description: 'A module of a hosted AI model reads fields of persons.',
  rationale: 'The data leaves for a provider that may keep it, and no purpose, agreement or region is visible in the scenario.',
  detection: 'A module of a hosted model references e-mail, phone, name, address, birth date, an identity number or salary, and a way leads there that no redacting step stands on.',
  fix: ['Leave the fields out or replace them by pseudonyms.', 'Use a provider with a processing agreement and a region.', 'Record the purpose.', 'Switch retention off at the provider.']
})

const sensitiveOut = definePolicy({
  code: 'DAT-003', title: 'Special-category or financial identifiers into chat, mail or sheets', severity: 'high', confidence: 'likely', platforms: BOTH, frameworks: controls(['PRIVACY'], 'GDPR Art.9', 'HIPAA 164.312(a)(1)', 'PCI DSS 4.2.2')
}, {
  description: 'A message or spreadsheet receives health, identity or account data.',
  rationale: 'Chats, mailboxes and sheets have no access control that fits such data, and copies cannot be called back.',
  detection: 'A module that sends a message or fills a sheet references a field of health, insurance, bank account, identity document, biometrics or religion.',
  fix: ['Send a link instead of the data.', 'Use a system with access control.', 'Mask the value.']
})

const keptInHistory = definePolicy({
  code: 'DAT-004', title: 'Personal data kept in run history', severity: 'low', confidence: 'likely', platforms: BOTH, frameworks: controls(['PRIVACY'])
}, {
  description: 'Personal data passes through, and the history of runs keeps it in clear.',
  rationale: 'The history is a second copy of the data that nobody counted, with its own readers and its own retention.',
  detection: 'A field of persons is referenced anywhere, and the scenario is not marked confidential or the workflow keeps successful runs without redaction.',
  fix: {
    make: ['Mark the scenario\'s data as confidential.', 'Shorten the retention of its runs.', 'Store incomplete executions only where a retry needs them.'],
    n8n: ['Set a redaction policy.', 'Shorten the retention.', 'Keep the data of failed runs only.']
  }
})

const pinnedSamples = definePolicy({
  code: 'DAT-005', title: 'Sample data stored in the definition', severity: 'medium', confidence: 'certain', platforms: ['n8n'], frameworks: controls(['PRIVACY'], 'ISO 27001 A.8.33')
}, {
  description: 'Pinned data is stored in the workflow\'s definition.',
  rationale: 'Samples are mostly real records, and they travel with every export and stay in every version.',
  detection: 'The definition holds pinned data; high when it looks like data of persons, informational when the workflow is not active and the samples are few and impersonal.',
  fix: ['Unpin it.', 'Use invented samples.', 'Purge the versions that hold it.']
})

const publicShare = definePolicy({
  code: 'DAT-006', title: 'File or object made public', severity: 'high', confidence: 'certain', platforms: BOTH, frameworks: controls(['PRIVACY', 'ACCESS'], 'ISO 27001 A.8.3')
}, {
  description: 'A module shares a file or object with anyone.',
  rationale: 'The address is enough to read it, and addresses are forwarded.',
  detection: 'A share goes to anyone, an object is stored with a public access rule, or a public link is made.',
  fix: ['Share with named people or a domain.', 'Use links that expire.', 'List what is already public.']
})

export const PRIVACY_RULES: readonly Rule[] = [
  nodeRule(cardData, anyModule, { when: (node) => hasClass(node, 'card-data'), evidence: 'card-data', says: 'handles payment-card data.' }),
  nodeRule(personalToModel, isHostedModel, { when: (node, index, context) => isHostedModel(node) && hasClass(node, 'personal-data') && !isRedacted(index, context.analysis), evidence: 'personal-to-model', says: 'sends personal data to a hosted model.' }),
  nodeRule(sensitiveOut, sends, { when: (node) => sends(node) && hasClass(node, 'sensitive-data'), evidence: 'sensitive-out', says: 'sends sensitive identifiers to a message or sheet.' }),
  flowRule(keptInHistory, ({ graph }) => graph.nodes.some(readsPersons), {
    when: ({ graph }) => graph.platform === 'make' ? !graph.settings.confidential : graph.settings.keepsSuccesses !== false && graph.settings.redacts !== true,
    evidence: 'personal-in-history',
    message: 'Personal data passes through, and the history of runs keeps it in clear.'
  }),
  { policy: pinnedSamples, minFacts: FACTS, applies: ({ graph }) => graph.nodes.length > 0, run: pinnedData },
  nodeRule(publicShare, anyModule, { when: (node) => hasTrait(node, 'public-share'), evidence: 'public-share', says: 'shares a file or object with anyone.', up: carriesPersons })
]

function pinnedData (context: RuleContext): Hit[] {
  const { pinned, settings } = context.graph
  if (pinned === undefined) return []
  const hit = { node: null, pointer: '/pinData', evidence: 'pinned-data', message: 'The definition holds pinned data.' }
  if (pinned.personal) return [{ ...hit, severity: 'high', reason: 'personal-samples' }]
  if (settings.active === false && pinned.characters <= SMALL_SAMPLE_CHARACTERS) return [{ ...hit, severity: 'info', reason: 'small-sample' }]
  return [{ ...hit, ...settle(pinnedSamples.severity, [], idleReasons(context, null)) }]
}

function isHostedModel (node: FlowNode): boolean {
  return (node.kind === 'ai' || node.kind === 'agent' || node.kind === 'http') && node.effects.includes('AI')
}

function sends (node: FlowNode): boolean {
  return hasEffect(node, ['MESSAGE', 'SHEET'])
}

function readsPersons (node: FlowNode): boolean {
  return node.facts.some(({ classes }: Fact) => classes.includes('personal-data'))
}

/** Every way from an entry passes a step that redacts. */
function isRedacted (index: number, { reach, unredacted }: Analysis): boolean {
  return reach.has(index) && !unredacted.has(index)
}
