import t from 'tap'
import { evaluateGraph } from '../../../evaluation/evaluate.ts'
import { importBlueprint } from '../../../evaluation/graph/import.ts'
import { POLICIES } from '../../../evaluation/rules/index.ts'
import { ai, closed, gate, hook, http, m, make, n8n, node, request, start, type Fields } from './cases.ts'

// The codes that both platforms have, each with its severity: a rule of one platform only has no twin.
const SHARED = new Set(POLICIES.flatMap(({ code, platforms }) => platforms.length === 2 ? [code] : []))

function sharedCodes (blueprint: object): string[] {
  const imported = importBlueprint(JSON.parse(JSON.stringify(blueprint)))
  if (!imported.ok) throw new Error(imported.reason)
  const found = evaluateGraph(imported.graph).violations.filter(({ code }) => SHARED.has(code))
  return found.map(({ code, severity }) => `${code} ${severity}`).sort()
}

const mail = node('Mail', 'emailReadImap', {}, { typeVersion: 2 })
const makeMail = m(1, 'email:TriggerNewEmail')
const makeHook = m(1, 'gateway:CustomWebHook')
const model = ai('Model', 'chainLlm', { text: '={{ $json.body.email }}' })
const agent = ai('Agent', 'agent', {}, { typeVersion: 3 })
const sheet = { operation: 'append', columns: { value: '={{ $json.name }}' } }

interface Twin { flow: string, make: Fields, n8n: Fields, codes: string[] }

const TWINS: Twin[] = [
  { flow: 'a mail is posted to a host without encryption', make: make([makeMail, http(2, { url: 'http://api.example.com/x', method: 'post' })]), n8n: n8n([mail, request({ url: 'http://api.example.com/x', method: 'POST' }, { typeVersion: 4 })]), codes: ['NET-001 high'] },
  { flow: 'a webhook writes what it is sent', make: make([makeHook, m(2, 'notion:createItem')]), n8n: n8n([hook(), node('Save', 'notion', { operation: 'create' }, { typeVersion: 3 })]), codes: ['INJ-005 medium'] },
  { flow: 'a webhook has a model write a message to a person', make: make([makeHook, m(2, 'openai-gpt-3:CreateCompletion', { prompt: 'To {{1.email}}' }), m(3, 'slack:CreateMessage', { text: '{{2.choices}}' })]), n8n: n8n([hook(), model, node('Say', 'slack', { text: '={{ $json.text }}' }, { typeVersion: 2 })]), codes: ['AIX-004 medium', 'DAT-002 high', 'DAT-004 low', 'INJ-005 medium'] },
  { flow: 'a mail reaches an agent that creates records', make: make([makeMail, m(2, 'ai-local-agent:RunLocalAIAgent', {}, { tools: [{ flow: [m(3, 'notion:createItem')] }] })]), n8n: n8n([mail, agent, node('Tool', 'notionTool', { operation: 'create' }, { typeVersion: 3 })], {}, [{ from: 'Tool', to: 'Agent', kind: 'ai_tool' }], [mail, agent]), codes: ['AIX-001 high', 'AIX-002 high'] },
  { flow: 'a mail becomes part of a statement', make: make([makeMail, m(2, 'postgres:executeQuery', { query: "select * from t where a = '{{1.subject}}'" })]), n8n: n8n([mail, node('Q', 'postgres', { operation: 'executeQuery', query: "=select * from t where a = '{{ $json.subject }}'" }, { typeVersion: 2 })]), codes: ['INJ-001 high'] },
  { flow: 'a mail deletes a record', make: make([makeMail, m(2, 'notion:deleteItem')]), n8n: n8n([mail, node('Del', 'notion', { operation: 'delete' }, { typeVersion: 3 })]), codes: ['GOV-001 high'] },
  { flow: 'a mail deletes a record under a condition', make: make([makeMail, m(2, 'notion:deleteItem', {}, gate('{{1.subject}}'))]), n8n: n8n([mail, node('Sure', 'if', {}, { typeVersion: 2 }), node('Del', 'notion', { operation: 'delete' }, { typeVersion: 3 })]), codes: [] },
  { flow: 'a charge without approval', make: make([makeMail, m(2, 'stripe:createCharge')]), n8n: n8n([mail, node('Pay', 'stripe', { operation: 'create' })]), codes: ['GOV-002 high'] },
  { flow: 'a message for each item', make: make([m(1, 'crm:getRecord'), m(2, 'builtin:BasicFeeder'), m(3, 'slack:CreateMessage')]), n8n: n8n([start, node('Each', 'splitOut'), node('Say', 'slack', { text: 'x' }, { typeVersion: 2 })]), codes: ['GOV-004 medium'] },
  { flow: 'a router without a way for the rest', make: make([makeMail, m(2, 'builtin:BasicRouter', {}, { routes: [{ flow: [m(3, 'notion:getItem', {}, gate('{{1.a}}'))] }] })]), n8n: n8n([mail, node('Way', 'switch', { rules: { values: [{}] } }, { typeVersion: 3 }), node('Get', 'notion', { operation: 'get' }, { typeVersion: 3 })]), codes: ['FLW-006 low'] },
  { flow: 'data decides the host, a typed header goes along, and errors pass', make: make([m(1, 'crm:getRecord'), http(2, { url: '{{1.url}}', headers: [{ name: 'Authorization', value: '' }] }, { parameters: { handleErrors: false } })]), n8n: n8n([start, request({ url: '={{ $json.url }}', headerParameters: { parameters: [{ name: 'Authorization', value: '' }] }, options: { response: { response: { neverError: true } } } })]), codes: ['ERR-006 medium', 'INJ-003 medium', 'SEC-003 medium'] },
  { flow: 'a module that nothing leads to, and one that reads what is gone', make: make([makeMail, m(2, 'notion:getItem', { id: '{{9.id}}' })], { metadata: { version: 1, designer: { orphans: [[m(4, 'notion:getItem')]] } } }), n8n: n8n([mail, node('Get', 'notion', { operation: 'get', id: "={{ $('Gone').item.json.id }}" }, { typeVersion: 3 }), node('Lost', 'notion', { operation: 'get' }, { typeVersion: 3 })], {}, [], [mail, node('Get', 'notion')]), codes: ['FLW-001 low', 'FLW-003 high'] },
  { flow: 'persons are kept in a sheet with what must not be there', make: make([makeMail, m(2, 'google-sheets:addRow', { values: { 0: '{{1.firstName}} {{1.iban}}' } })]), n8n: n8n([mail, node('Sheet', 'googleSheets', { ...sheet, columns: { value: '={{ $json.firstName }} {{ $json.iban }}' } }, { typeVersion: 4 })]), codes: ['DAT-003 high', 'DAT-004 low'] },
  { flow: 'a command is built from a mail', make: make([makeMail, m(2, 'ssh:executeCommand', { command: 'ls {{1.subject}}' })]), n8n: n8n([mail, node('Run', 'ssh', { command: '=ls {{ $json.subject }}' })]), codes: ['CMP-003 high', 'INJ-002 critical'] },
  { flow: 'a closed webhook answers', make: make([m(1, 'gateway:CustomWebHook', {}, { metadata: { restore: { parameters: { hook: { data: { apiKeys: ['k'] } } } } } }), m(2, 'notion:getItem'), m(3, 'gateway:WebhookRespond')]), n8n: n8n([hook({ ...closed, responseMode: 'responseNode' }), node('Get', 'notion', { operation: 'get' }, { typeVersion: 3 }), node('Answer', 'respondToWebhook')]), codes: [] }
]

for (const { flow, make: onMake, n8n: onN8n, codes } of TWINS) {
  t.test(`both platforms judge alike: ${flow}`, async (t) => {
    t.same(sharedCodes(onMake), codes, 'Make')
    t.same(sharedCodes(onN8n), codes, 'n8n')
  })
}
