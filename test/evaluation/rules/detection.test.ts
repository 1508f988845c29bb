import t from 'tap'
import { evaluateGraph } from '../../../evaluation/evaluate.ts'
import { importBlueprint } from '../../../evaluation/graph/import.ts'
import type { Finding } from '../../../evaluation/graph/types.ts'
import { ai, closed, gate, hook, http, m, make, n8n, node, request, start, type Fields } from './cases.ts'

function found (blueprint: object, code: string): Finding[] {
  const imported = importBlueprint(JSON.parse(JSON.stringify(blueprint)))
  if (!imported.ok) throw new Error(imported.reason)
  return evaluateGraph(imported.graph).violations.filter((one) => one.code === code)
}

const PEM = `-----BEGIN PRIVATE KEY-----\n${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7q8Zr5Tn2Vb7Xk4Lw9Mc3'}`
const KEY = 'q8Zr5Tn2Vb7Xk4Lw9'
const post = (parameters: Fields = {}): Fields => request({ method: 'POST', ...parameters })
const notion = (name: string, operation: string): Fields => node(name, 'notion', { operation }, { typeVersion: 3 })
const set = (parameters: Fields): Fields => node('Config', 'set', parameters, { typeVersion: 3 })
const makeHook = (data: Fields = {}): Fields => m(1, 'gateway:CustomWebHook', {}, { metadata: { restore: { parameters: { hook: { data } } } } })
const reply = (id: number, rest: Fields = {}): Fields => m(id, 'gateway:WebhookRespond', {}, rest)
const get = (id: number, rest: Fields = {}): Fields => m(id, 'notion:getItem', {}, rest)
const route = (...flow: Fields[]): Fields => ({ flow })
const router = (...routes: Fields[]): Fields => m(5, 'builtin:BasicRouter', {}, { routes })
const ifElse = (merges: boolean[]): Fields => m(2, 'builtin:BasicIfElse', {}, { branches: merges.map((merge, at) => ({ type: at === 0 ? 'condition' : 'else', merge, flow: [get(10 + at)] })) })
const query = (text: string): Fields => node('Q', 'postgres', { operation: 'executeQuery', query: text }, { typeVersion: 2 })
const listed = { options: { ipWhitelist: '203.0.113.7' } }
const connected = (module: string, data: Fields): Fields => m(1, module, {}, { parameters: { __IMTCONN__: 5 }, metadata: { restore: { parameters: { __IMTCONN__: { label: 'Bot', data } } } } })
const pinned = (value: string, rest: Fields = {}): Fields => n8n([start], { pinData: { Start: [{ json: { a: value } }] }, ...rest })
const designer = (...severities: string[]): Fields => make([http(1, {}, { metadata: { designer: { messages: severities.map((severity) => ({ severity, category: 'link', message: 'x' })) } } })])
const settings = (more: Fields): Fields => ({ settings: { errorWorkflow: 'w', ...more } })

// What a flow shows of one code: the severities of its findings, in order.
const TABLE: readonly [guarantee: string, code: string, blueprint: Fields, severities: string[]][] = [
  ['a typed header counts whatever its value, also none', 'SEC-003', make([http(1, { headers: [{ name: 'X-Api-Key', value: '' }] })]), ['medium']],
  ['a typed header counts at every HTTP module that stores no authentication', 'SEC-003', make([m(1, 'http:MakeRequest', { headers: [{ name: 'Authorization', value: 'x' }] }, { parameters: { authenticationType: 'noAuth' } })]), ['medium']],
  ['a keychain beside the header is stored authentication', 'SEC-003', make([m(1, 'http:MakeRequest', { headers: [{ name: 'Authorization', value: 'x' }] }, { parameters: { authenticationType: 'apiKey', apiKeyKeychain: 4 } })]), []],
  ['headers typed as JSON count', 'SEC-003', n8n([start, request({ jsonHeaders: '{"Authorization": "x"}' })]), ['medium']],
  ['a secret in the list of query parameters stands in the address', 'SEC-004', make([http(1, { qs: [{ name: 'key', value: KEY }] })]), ['high']],
  ['such a secret is named once', 'SEC-002', n8n([start, request({ queryParameters: { parameters: [{ name: 'api_key', value: KEY }] } })]), []],
  ['a PEM block is key material in whatever field', 'SEC-006', n8n([start, node('Set', 'set', { text: PEM }, { typeVersion: 3 })]), ['critical']],
  ['an allow-list of addresses lowers an open webhook', 'ACC-001', n8n([hook(listed)]), ['medium']],
  ['an allow-list of addresses lowers what outsiders write', 'INJ-005', n8n([hook(listed), notion('Save', 'create')]), ['low']],
  ['an open form that leads to money is raised', 'ACC-003', n8n([node('Form', 'formTrigger'), node('Pay', 'stripe', { operation: 'create' })]), ['high']],
  ['personal data sent without encryption is raised', 'NET-001', n8n([start, post({ url: 'http://api.example.com/x', jsonBody: '={{ $json.email }}' })]), ['critical']],
  ['a personal account with unlimited scopes is raised', 'ACC-005', make([m(1, 'google-drive:getFile', {}, { parameters: { __IMTCONN__: 5 }, metadata: { restore: { parameters: { __IMTCONN__: { label: 'jo@gmail.com', data: { scoped: 'false' } } } } } })]), ['high']],
  ['unknown scopes raise a deletion', 'GOV-001', make([connected('notion:deleteItem', { scopes: [] })]), ['critical']],
  ['limited scopes do not', 'GOV-001', make([connected('notion:deleteItem', { scoped: 'true' })]), ['high']],
  ['a switch written as an expression is a switch', 'NET-002', n8n([start, request({ options: { allowUnauthorizedCerts: '={{ true }}' } })]), ['high']],
  ['a switch written as text is a switch', 'NET-002', make([http(1, { rejectUnauthorized: 'false' })]), ['high']],
  ['mail without TLS is in the clear', 'NET-003', n8n([start, node('Mail', 'emailSend', { secure: false }, { typeVersion: 2 })]), ['high']],
  ['mail that starts TLS is not', 'NET-003', n8n([start, node('Mail', 'emailSend', { secure: false, options: { requireTls: true } }, { typeVersion: 2 })]), []],
  ['the metadata address is critical', 'NET-004', n8n([start, request({ url: 'http://169.254.169.254/latest' })]), ['critical']],
  ['the platform\'s own variables are no data', 'INJ-001', n8n([start, query('=select * from {{ $vars.table }} limit {{ $env.LIMIT }}')]), []],
  ['a constant of a setting node is no data', 'INJ-001', n8n([start, set({ value: 'orders' }), query('=select * from {{ $json.value }}')]), []],
  ['what a setting node passes on is data', 'INJ-001', n8n([start, set({ value: 'orders', includeOtherFields: true }), query('=select * from {{ $json.value }}')]), ['high']],
  ['values in the parameter list lower a statement', 'INJ-001', n8n([start, node('Q', 'postgres', { operation: 'executeQuery', query: '=select {{ $json.a }} where b = $1', options: { queryReplacement: '={{ $json.b }}' } }, { typeVersion: 2 })]), ['medium']],
  ['an open entry raises a statement', 'INJ-001', n8n([hook(), query('=select {{ $json.a }}')]), ['critical']],
  ['an address from a constant is fixed', 'INJ-003', n8n([start, set({ base: 'https://api.example.com' }), request({ url: "={{ $('Config').item.json.base }}/x", jsonBody: '={{ $json.a }}' })]), []],
  ['an address from elsewhere is not, though the module reads constants too', 'INJ-003', n8n([start, set({ base: 'x' }), node('Any', 'noOp'), request({ url: '={{ $json.url }}', jsonBody: "={{ $('Config').item.json.base }}" })]), ['medium']],
  ['an address from data behind an event from outside is raised', 'INJ-003', n8n([hook(closed), request({ url: '={{ $json.url }}' })]), ['high']],
  ['an address that an expression begins with a fixed host is fixed', 'INJ-003', n8n([start, request({ url: ['={{ `https://api.example.com/repos/$', '{$json.repo}` }}'].join('') })]), []],
  ['an address that an expression begins with a scheme only is not', 'INJ-003', n8n([start, request({ url: '={{ "https://" + $json.host }}' })]), ['medium']],
  ['a caller\'s input is data on Make', 'INJ-003', make([http(1, { url: '{{var.input.url}}' })]), ['medium']],
  ['the organization\'s own variable is not', 'INJ-003', make([http(1, { url: '{{var.organization.base}}/x' })]), []],
  ['every way has to pass the redacting step', 'DAT-002', n8n([start, ai('Clean', 'guardrails', { operation: 'sanitize' }), node('Any', 'noOp'), ai('Model', 'chainLlm', { text: '={{ $json.email }}' })]), []],
  ['a step that only checks does not redact', 'DAT-002', n8n([start, ai('Check', 'guardrails'), ai('Model', 'chainLlm', { text: '={{ $json.email }}' })]), ['high']],
  ['a way around the redacting step counts', 'DAT-002', n8n([start, ai('Clean', 'guardrails', { operation: 'sanitize' }), ai('Model', 'chainLlm', { text: '={{ $json.email }}' })], {}, [{ from: 'Start', to: 'Model' }]), ['high']],
  ['prose in a prompt reads nothing', 'DAT-002', n8n([start, ai('Model', 'chainLlm', { text: '=Read it. Based on the received email. Address the person. {{ $json.text }}' })]), []],
  ['prose beside a Make expression reads nothing', 'DAT-002', make([m(1, 'crm:getRecord'), m(2, 'openai-gpt-3:CreateCompletion', { prompt: 'Summarise. email address and phone follow. {{1.text}}' })]), []],
  ['the body of a mail is no address of a person', 'DAT-004', n8n([start, node('Set', 'set', { a: '={{ $json.emailBody }} {{ $json.email_status }} {{ $json.salary_range }}' }, { typeVersion: 3 })]), []],
  ['the address of a wallet is public', 'DAT-004', make([m(1, 'crm:getRecord'), m(2, 'crm:getRecord', { q: '{{1.address}} holds {{1.balance}}' })]), []],
  ['the health of a system is not that of a person', 'DAT-003', n8n([start, node('Say', 'slack', { text: '={{ $json.overall_health }} {{ $json.health_check }}' }, { typeVersion: 2 })]), []],
  ['samples of persons are high, also where nothing runs', 'DAT-005', pinned('jo@mail.example.com', { active: false }), ['high']],
  ['few impersonal samples of an inactive workflow are information', 'DAT-005', pinned('blue', { active: false }), ['info']],
  ['many are one step lower', 'DAT-005', pinned('blue '.repeat(500), { active: false }), ['low']],
  ['samples of an active workflow are medium', 'DAT-005', pinned('blue'), ['medium']],
  ['making a public link is sharing with anyone', 'DAT-006', make([m(1, 'dropbox:createSharedLink')]), ['high']],
  ['code that names a model is one step lower than code that evaluates its answer', 'AIX-003', n8n([start, ai('Model', 'chainLlm', { text: 'x' }), node('Code', 'code', { jsCode: "return JSON.parse($('Model').first().json.text)" }, { typeVersion: 2 })]), ['medium']],
  ['code that evaluates an answer executes it', 'AIX-003', n8n([start, ai('Model', 'chainLlm', { text: 'x' }), node('Code', 'code', { jsCode: 'return eval($json.text)' }, { typeVersion: 2 })]), ['high']],
  ['a trigger that goes on discards nothing', 'ERR-003', n8n([{ ...hook(closed), onError: 'continueRegularOutput' }]), []],
  ['a Break without retry is useless in a handler of any shape', 'ERR-004', make([m(1, 'crm:getRecord', {}, { onerror: m(2, 'builtin:Break', { retry: 'false', count: '3', interval: '15' }) })], { metadata: { version: 1, scenario: { dlq: true } } }), ['medium']],
  ['a node on a parallel way has not run', 'FLW-003', n8n([start, request({ url: "=https://api.example.com/{{ $('B').item.json.id }}" }), node('B', 'noOp')], {}, [{ from: 'Start', to: 'B' }], [start, request()]), ['medium']],
  ['a node further back has', 'FLW-003', n8n([start, node('A', 'noOp'), node('B', 'noOp'), request({ url: "=https://api.example.com/{{ $('A').item.json.id }}" })]), []],
  ['a node of the same loop may have', 'FLW-003', n8n([start, request({ url: "=https://api.example.com/{{ $('Set').item.json.id }}" }), set({ a: 'x' }), node('Sure', 'if')].map((one) => one['name'] === 'Config' ? { ...one, name: 'Set' } : one), {}, [{ from: 'Sure', to: 'Call' }]), []],
  ['a merge with a filter for each branch fits', 'FLW-004', make([get(1), ifElse([true, true]), m(3, 'builtin:BasicMerge', {}, { filters: [{}, {}] })]), []],
  ['a merge that counts other branches does not', 'FLW-004', make([get(1), ifElse([true, false]), m(3, 'builtin:BasicMerge', {}, { filters: [{}, {}] })]), ['high']],
  ['branches that are to merge need a merge', 'FLW-004', make([get(1), ifElse([true, true]), get(3)]), ['high']],
  ['branches at the end of a flow need it too', 'FLW-004', make([get(1), ifElse([true, true])]), ['high']],
  ['an input that a merge does not have is no connection', 'FLW-004', { ...n8n([start, node('Merge', 'merge', {}, { typeVersion: 3 })]), connections: { Start: { main: [[{ node: 'Merge', type: 'main', index: 2 }]] } } }, ['high']],
  ['a scenario that calls the number of its own hook loops', 'FLW-005', make([m(1, 'gateway:CustomWebHook', {}, { parameters: { hook: 7 } }), m(2, 'make:callHook', {}, { parameters: { hook: 7 } })]), ['high']],
  ['money in the flow raises a router without fallback', 'FLW-006', n8n([start, node('Way', 'switch', { rules: { values: [{}] } }, { typeVersion: 3 }), node('Pay', 'stripe', { operation: 'create' })]), ['medium']],
  ['an answer on some routes leaves the others waiting', 'FLW-007', make([makeHook({ apiKeys: ['k'] }), router(route(get(6, gate('{{1.a}}')), reply(7)), route(get(8, gate('{{1.a}}'))))]), ['medium']],
  ['an answer on every route is whole', 'FLW-007', make([makeHook(), router(route(get(6, gate('{{1.a}}')), reply(7)), route(get(8, gate('{{1.a}}')), reply(9)))]), []],
  ['an answer on a route that always runs is whole', 'FLW-007', make([makeHook(), router(route(reply(7)), route(get(8, gate('{{1.a}}'))))]), []],
  ['an answer before the router is whole', 'FLW-007', make([makeHook(), reply(2), router(route(get(6, gate('{{1.a}}'))), route(get(8, gate('{{1.a}}'))))]), []],
  ['each webhook needs an answering node of its own', 'FLW-007', n8n([hook({ ...closed, responseMode: 'responseNode' }), node('Answer', 'respondToWebhook'), node('Other', 'webhook', { path: 'o', ...closed, responseMode: 'responseNode' }, { typeVersion: 2 })], {}, [], [hook(), node('Answer', 'respondToWebhook')]), ['medium']],
  ['an answer behind a webhook that has answered is one too many', 'FLW-007', n8n([hook(closed), node('Answer', 'respondToWebhook')]), ['medium']],
  ['a warning of the designer is lower than an error', 'FLW-008', designer('warning'), ['low']],
  ['an error beside a warning counts', 'FLW-008', designer('warning', 'error'), ['medium']],
  ['a type that the vendor does not know is reported', 'CMP-002', n8n([start, node('Do', 'n8n-nodes-base.inventedByHand')]), ['low']],
  ['an old version of a present type is information', 'CMP-002', n8n([start, node('Do', 'httpRequest', { url: 'https://api.example.com' }, { typeVersion: 2 })]), ['info']],
  ['a flow control of Make that does not exist is reported', 'CMP-002', make([m(1, 'crm:getRecord', {}, { onerror: [m(2, 'builtin:IgnoreError')] })]), ['low']],
  ['any app may exist on Make', 'CMP-002', make([m(1, 'never-heard-of:getThing')]), []],
  ['no record of successes where something is deleted', 'LOG-001', n8n([start, notion('Del', 'delete')], settings({ saveDataSuccessExecution: 'none' })), ['medium']],
  ['a record written elsewhere stands in for it', 'LOG-001', n8n([start, notion('Del', 'delete'), node('Log', 'googleSheets', { operation: 'append' }, { typeVersion: 4 })], settings({ saveDataSuccessExecution: 'none' })), []],
  ['a new customer moves no money', 'GOV-002', n8n([start, node('New', 'quickbooks', { operation: 'create' }), node('Vendor', 'quickbooks', { resource: 'vendor', operation: 'create' }), node('Card', 'stripe', { resource: 'customerCard', operation: 'add' })]), []],
  ['a new bill does', 'GOV-002', n8n([start, node('Bill', 'quickbooks', { resource: 'bill', operation: 'create' })]), ['high']],
  ['a new customer on Make moves none either', 'GOV-002', make([m(1, 'stripe:createCustomer'), m(2, 'stripe:createAnInvoice')]), ['high']],
  ['a limit before the loop holds for the loop', 'GOV-004', n8n([start, node('Limit', 'limit'), node('Each', 'splitOut'), node('Say', 'slack', { text: 'x' }, { typeVersion: 2 })]), []]
]

for (const [guarantee, code, blueprint, severities] of TABLE) {
  t.test(`${code}: ${guarantee}`, async (t) => {
    t.same(found(blueprint, code).map(({ severity }) => severity), severities)
  })
}

t.test('a reference to what may not have run is told as likely, one to nothing as certain', async (t) => {
  const later = n8n([start, request({ url: "=https://api.example.com/{{ $('Later').item.json.id }}" }), node('Later', 'noOp')])
  const gone = n8n([start, request({ url: "=https://api.example.com/{{ $('Gone').item.json.id }}" })])
  t.same([later, gone].map((one) => found(one, 'FLW-003').map(({ confidence }) => confidence)), [['likely'], ['certain']])
})

t.test('an agent that acts on open text and hands on a message is told both', async (t) => {
  const agent = ai('Agent', 'agent', {}, { typeVersion: 3 })
  const flow = n8n([hook(), agent, node('Say', 'slack', { text: 'x' }, { typeVersion: 2 }), node('Tool', 'notionTool', { operation: 'create' }, { typeVersion: 3 })], {}, [{ from: 'Tool', to: 'Agent', kind: 'ai_tool' }], [hook(), agent, node('Say', 'slack')])
  t.same(['AIX-001', 'AIX-002', 'AIX-004'].map((code) => found(flow, code).map(({ severity }) => severity)), [['critical'], ['critical'], ['medium']])
})
