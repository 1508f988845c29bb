// Minimal flows for every rule and platform, written by hand: the first has the fault, the second is the same flow mended.
export interface Case { code: string, platform: 'make' | 'n8n', fail: object, pass: object, also?: string[] }

export type Fields = Record<string, unknown>

export const m = (id: number, module: string, mapper: Fields = {}, rest: Fields = {}): Fields => ({ id, module, version: 1, parameters: {}, mapper, metadata: { designer: { x: 0, y: 0 } }, ...rest })
export const make = (flow: Fields[], rest: Fields = {}): Fields => ({ name: 'Case', flow, metadata: { version: 1 }, ...rest })
export const http = (id: number, mapper: Fields = {}, rest: Fields = {}): Fields => m(id, 'http:ActionSendData', { url: 'https://api.example.com/x', method: 'get', ...mapper }, rest)
export const gate = (a: string): Fields => ({ filter: { name: 'g', conditions: [[{ a, o: 'text:equal', b: 'x' }]] } })

export const node = (name: string, type: string, parameters: Fields = {}, rest: Fields = {}): Fields => ({ id: name, name, type: type.includes('.') ? type : `n8n-nodes-base.${type}`, typeVersion: 1, position: [0, 0], parameters, ...rest })
export const ai = (name: string, type: string, parameters: Fields = {}, rest: Fields = {}): Fields => node(name, `@n8n/n8n-nodes-langchain.${type}`, parameters, rest)
export const start = node('Start', 'manualTrigger')
export const hook = (parameters: Fields = {}): Fields => node('Hook', 'webhook', { path: 'p', ...parameters }, { typeVersion: 2 })
export const closed = { authentication: 'headerAuth' }

interface Wire { from: string, to: string, slot?: number, kind?: string }

// The nodes one after the other, and whatever else is wired.
export function n8n (nodes: Fields[], rest: Fields = {}, wires: Wire[] = [], chain: Fields[] = nodes): Fields {
  const all = [...chain.slice(1).map((to, at) => ({ from: String(chain[at]?.['name']), to: String(to['name']) })), ...wires]
  const connections: Record<string, Record<string, unknown[][]>> = {}
  for (const { from, to, slot = 0, kind = 'main' } of all as Wire[]) {
    const outputs = (connections[from] ??= {})[kind] ??= []
    while (outputs.length <= slot) outputs.push([])
    outputs[slot]?.push({ node: to, type: kind, index: 0 })
  }
  return { name: 'Case', nodes, connections, settings: { errorWorkflow: 'w' }, ...rest }
}

export const request = (parameters: Fields = {}, rest: Fields = {}): Fields => node('Call', 'httpRequest', { url: 'https://api.example.com/x', ...parameters }, { typeVersion: 4, ...rest })
const TOKEN = `ghp_${'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'}`
const SECRET = 'q8Zr5Tn2Vb7Xk4Lw9'
const SLACK = `https://hooks.slack.com/services/T0A1B2C3D/B4E5F6G7H/${'q8Zr5Tn2Vb7Xk4Lw9Mc3Pd6s'}`

const HOOK_ADDRESS = `hook.eu2.make.com/${'q8zr5tn2vb7xk4lw9mc3pd6s'}`

export const CASES: Case[] = [
  { code: 'SEC-001', platform: 'make', fail: make([http(1, { qs: [{ name: 'q', value: TOKEN }] })]), pass: make([http(1, { qs: [{ name: 'q', value: '' }] })]) },
  { code: 'SEC-001', platform: 'n8n', fail: n8n([start, request({ jsonBody: `{"t":"${TOKEN}"}` })]), pass: n8n([start, request({ jsonBody: '{}' })]) },
  { code: 'SEC-002', platform: 'make', fail: make([m(1, 'crm:getRecord', { apiKey: SECRET })]), pass: make([m(1, 'crm:getRecord', { apiKey: '' })]) },
  { code: 'SEC-002', platform: 'n8n', fail: n8n([start, node('Get', 'hubspot', { operation: 'get', clientSecret: SECRET })]), pass: n8n([start, node('Get', 'hubspot', { operation: 'get' })]) },
  { code: 'SEC-003', platform: 'make', fail: make([http(1, { headers: [{ name: 'Authorization', value: 'Bearer {{2.token}}' }] })]), pass: make([http(1, { headers: [{ name: 'Accept', value: 'application/json' }] })]), also: ['FLW-003'] },
  { code: 'SEC-003', platform: 'n8n', fail: n8n([start, request({ headerParameters: { parameters: [{ name: 'X-Auth-Token', value: '={{ $json.t }}' }] } })]), pass: n8n([start, request({ authentication: 'genericCredentialType' })]) },
  { code: 'SEC-004', platform: 'make', fail: make([http(1, { url: `https://api.example.com/x?api_key=${SECRET}` })]), pass: make([http(1)]) },
  { code: 'SEC-004', platform: 'n8n', fail: n8n([start, request({ url: `https://api.example.com/x?token=${SECRET}` })]), pass: n8n([start, request()]) },
  { code: 'SEC-005', platform: 'make', fail: make([m(1, 'chat:getHook', { target: SLACK })]), pass: make([m(1, 'chat:getHook', { target: '{{var.organization.hook}}' })]) },
  { code: 'SEC-005', platform: 'n8n', fail: n8n([start, node('Set', 'set', { value: SLACK })]), pass: n8n([start, node('Set', 'set', { value: '={{ $vars.hook }}' })]) },
  { code: 'SEC-006', platform: 'make', fail: make([m(1, 'wallet:getBalance', { privateKey: '{{var.team.key}}' })]), pass: make([m(1, 'wallet:getBalance', { keyReference: '{{var.team.key}}' })]) },
  { code: 'SEC-006', platform: 'n8n', fail: n8n([start, node('Set', 'set', { mnemonic: '={{ $json.words }}' })]), pass: n8n([start, node('Set', 'set', { reference: '={{ $json.words }}' })]) },
  { code: 'SEC-007', platform: 'make', fail: make([http(1)], { metadata: { version: 1, notes: [{ content: TOKEN }] } }), pass: make([http(1)], { metadata: { version: 1, notes: [{ content: 'see the vault' }] } }) },
  { code: 'SEC-007', platform: 'n8n', fail: n8n([start, node('Note', 'stickyNote', { content: `use ${TOKEN}` })], {}, [], [start]), pass: n8n([start, node('Note', 'stickyNote', { content: 'see the vault' })], {}, [], [start]) },
  { code: 'ACC-001', platform: 'n8n', fail: n8n([hook()]), pass: n8n([hook(closed)]) },
  { code: 'ACC-002', platform: 'make', fail: make([m(1, 'gateway:CustomWebHook'), http(2)]), pass: make([m(1, 'gateway:CustomWebHook'), http(2, {}, gate('{{1.headers.`x-signature`}}'))]) },
  { code: 'ACC-003', platform: 'n8n', fail: n8n([node('Form', 'formTrigger')]), pass: n8n([node('Form', 'formTrigger', { authentication: 'basicAuth' })]) },
  { code: 'ACC-004', platform: 'n8n', fail: n8n([ai('Tools', 'mcpTrigger')]), pass: n8n([ai('Tools', 'mcpTrigger', { authentication: 'bearerAuth' })]) },
  { code: 'ACC-005', platform: 'make', fail: make([m(1, 'google-sheets:getRows', {}, { parameters: { __IMTCONN__: 5 }, metadata: { restore: { parameters: { __IMTCONN__: { label: 'Google (jo.doe@gmail.com)' } } } } })]), pass: make([m(1, 'google-sheets:getRows', {}, { parameters: { __IMTCONN__: 5 }, metadata: { restore: { parameters: { __IMTCONN__: { label: 'Google (bot@corp.example)' } } } } })]) },
  { code: 'ACC-005', platform: 'n8n', fail: n8n([start, node('Get', 'hubspot', { operation: 'get' }, { credentials: { hubspotApi: { id: 'a1', name: 'jo.doe@gmail.com' } } })]), pass: n8n([start, node('Get', 'hubspot', { operation: 'get' }, { credentials: { hubspotApi: { id: 'a1', name: 'Service account' } } })]) },
  { code: 'ACC-006', platform: 'n8n', fail: n8n([start, shared('Charge', 'stripe', 'a1'), shared('Note', 'notion', 'a1')]), pass: n8n([start, shared('Charge', 'stripe', 'a1'), shared('Note', 'notion', 'b2')]) },
  { code: 'ACC-006', platform: 'make', fail: make([sharedMake(1, 'stripe:createCharge', 5), sharedMake(2, 'notion:createItem', 5)]), pass: make([sharedMake(1, 'stripe:createCharge', 5), sharedMake(2, 'notion:createItem', 6)]) },
  { code: 'NET-001', platform: 'make', fail: make([http(1, { url: 'http://api.example.com/x' })]), pass: make([http(1)]) },
  { code: 'NET-001', platform: 'n8n', fail: n8n([start, request({ url: 'http://api.example.com/x' })]), pass: n8n([start, request()]) },
  { code: 'NET-002', platform: 'make', fail: make([http(1, {}, { parameters: { rejectUnauthorized: false } })]), pass: make([http(1, {}, { parameters: { rejectUnauthorized: true } })]) },
  { code: 'NET-002', platform: 'n8n', fail: n8n([start, request({ options: { allowUnauthorizedCerts: true } })]), pass: n8n([start, request({ options: {} })]) },
  { code: 'NET-003', platform: 'make', fail: make([m(1, 'ftp:getFile')]), pass: make([m(1, 'sftp:getFile')]) },
  { code: 'NET-003', platform: 'n8n', fail: n8n([start, node('Get', 'ftp', { operation: 'download' })]), pass: n8n([start, node('Get', 'ftp', { operation: 'download', protocol: 'sftp' })]) },
  { code: 'NET-004', platform: 'make', fail: make([http(1, { url: 'https://10.0.0.7/x' })]), pass: make([http(1)]) },
  { code: 'NET-004', platform: 'n8n', fail: n8n([start, request({ url: 'http://169.254.169.254/latest' })]), pass: n8n([start, request()]) },
  { code: 'NET-005', platform: 'make', fail: make([http(1, { url: 'https://abc.ngrok.io/x' })]), pass: make([http(1)]) },
  { code: 'NET-005', platform: 'n8n', fail: n8n([start, request({ url: 'https://webhook.site/x' })]), pass: n8n([start, request()]) },
  { code: 'INJ-001', platform: 'make', fail: make([m(1, 'crm:getRecord'), m(2, 'postgres:executeQuery', { query: "select * from t where a = '{{1.a}}'" })]), pass: make([m(1, 'crm:getRecord'), m(2, 'postgres:executeQuery', { query: 'select * from t where a = $1' })]) },
  { code: 'INJ-001', platform: 'n8n', fail: n8n([start, node('Q', 'postgres', { operation: 'executeQuery', query: "=select * from t where a = '{{ $json.a }}'" })]), pass: n8n([start, node('Q', 'postgres', { operation: 'executeQuery', query: 'select * from t where a = $1' })]) },
  { code: 'INJ-002', platform: 'make', fail: make([m(1, 'crm:getRecord'), m(2, 'util:ExecuteCommand', { command: 'ls {{1.dir}}' })]), pass: make([m(1, 'crm:getRecord'), m(2, 'util:ExecuteCommand', { command: 'ls' })]) },
  { code: 'INJ-002', platform: 'n8n', fail: n8n([start, node('Run', 'executeCommand', { command: '=ls {{ $json.dir }}' })]), pass: n8n([start, node('Run', 'executeCommand', { command: 'ls' })]) },
  { code: 'INJ-003', platform: 'make', fail: make([m(1, 'crm:getRecord'), http(2, { url: '{{1.url}}' })]), pass: make([m(1, 'crm:getRecord'), http(2, { url: 'https://api.example.com/{{1.url}}' })]) },
  { code: 'INJ-003', platform: 'n8n', fail: n8n([start, request({ url: '={{ $json.url }}' })]), pass: n8n([start, request({ url: '=https://api.example.com/{{ $json.id }}' })]) },
  { code: 'INJ-004', platform: 'make', fail: make([m(1, 'code:ExecuteCode', { code: 'return eval(input.x)' })]), pass: make([m(1, 'code:ExecuteCode', { code: 'return input.x' })]) },
  { code: 'INJ-004', platform: 'n8n', fail: n8n([start, node('Code', 'code', { jsCode: "const fs = require('fs')" })]), pass: n8n([start, node('Code', 'code', { jsCode: 'return items' })]) },
  { code: 'INJ-005', platform: 'make', fail: make([m(1, 'gateway:CustomWebHook'), m(2, 'notion:createItem')]), pass: make([m(1, 'gateway:CustomWebHook'), m(2, 'notion:createItem', {}, gate('{{1.kind}}'))]) },
  { code: 'INJ-005', platform: 'n8n', fail: n8n([hook(), node('Save', 'notion', { operation: 'create' })]), pass: n8n([hook(closed), node('Save', 'notion', { operation: 'create' })]), also: ['ACC-001'] },
  { code: 'DAT-001', platform: 'make', fail: make([m(1, 'crm:getRecord'), m(2, 'crm:getRecord', { note: '{{1.cardNumber}}' })]), pass: make([m(1, 'crm:getRecord'), m(2, 'crm:getRecord', { note: '{{1.paymentToken}}' })]) },
  { code: 'DAT-001', platform: 'n8n', fail: n8n([start, node('Set', 'set', { value: '={{ $json.cvv }}' })]), pass: n8n([start, node('Set', 'set', { value: '={{ $json.payment_token }}' })]) },
  { code: 'DAT-002', platform: 'make', fail: make([m(1, 'crm:getRecord'), m(2, 'openai-gpt-3:CreateCompletion', { prompt: 'Write to {{1.email}}' })], confidential()), pass: make([m(1, 'crm:getRecord'), m(2, 'openai-gpt-3:CreateCompletion', { prompt: 'Write to {{1.pseudonym}}' })], confidential()) },
  { code: 'DAT-002', platform: 'n8n', fail: n8n([start, ai('Model', 'chainLlm', { text: '={{ $json.phone }}' })], { settings: { errorWorkflow: 'w', redactionPolicy: 'all' } }), pass: n8n([start, ai('Model', 'chainLlm', { text: '={{ $json.ticket }}' })], { settings: { errorWorkflow: 'w', redactionPolicy: 'all' } }) },
  { code: 'DAT-003', platform: 'make', fail: make([m(1, 'crm:getRecord'), m(2, 'slack:getMessage', {}, {}), m(3, 'google-sheets:getRows', { cell: '{{1.iban}}' })]), pass: make([m(1, 'crm:getRecord'), m(2, 'slack:getMessage'), m(3, 'google-sheets:getRows', { cell: '{{1.link}}' })]) },
  { code: 'DAT-003', platform: 'n8n', fail: n8n([start, node('Say', 'slack', { text: '={{ $json.diagnosis }}' })]), pass: n8n([start, node('Say', 'slack', { text: '={{ $json.link }}' })]) },
  { code: 'DAT-004', platform: 'make', fail: make([m(1, 'crm:getRecord'), m(2, 'crm:getRecord', { q: '{{1.lastName}}' })]), pass: make([m(1, 'crm:getRecord'), m(2, 'crm:getRecord', { q: '{{1.lastName}}' })], confidential()) },
  { code: 'DAT-004', platform: 'n8n', fail: n8n([start, node('Set', 'set', { value: '={{ $json.lastName }}' })]), pass: n8n([start, node('Set', 'set', { value: '={{ $json.lastName }}' })], { settings: { errorWorkflow: 'w', saveDataSuccessExecution: 'none' } }) },
  { code: 'DAT-005', platform: 'n8n', fail: n8n([start], { pinData: { Start: [{ json: { a: 1 } }] } }), pass: n8n([start], { pinData: {} }) },
  { code: 'DAT-006', platform: 'make', fail: make([m(1, 'google-drive:getShare', { type: 'anyone' })]), pass: make([m(1, 'google-drive:getShare', { type: 'domain' })]) },
  { code: 'DAT-006', platform: 'n8n', fail: n8n([start, node('Share', 'googleDrive', { operation: 'download', permissionsUi: { permissionsValues: { type: 'anyone' } } })]), pass: n8n([start, node('Share', 'googleDrive', { operation: 'download', permissionsUi: { permissionsValues: { type: 'user' } } })]) },
  { code: 'AIX-001', platform: 'make', fail: make([m(1, 'ai-local-agent:RunLocalAIAgent', {}, { tools: [{ flow: [m(2, 'notion:createItem')] }] })]), pass: make([m(1, 'ai-local-agent:RunLocalAIAgent', {}, { tools: [{ flow: [m(2, 'notion:getItem')] }] })]), also: ['ERR-001'] },
  { code: 'AIX-001', platform: 'n8n', fail: agentFlow(start, 'create'), pass: agentFlow(start, 'get') },
  { code: 'AIX-002', platform: 'n8n', fail: agentFlow(hook(closed), 'create'), pass: agentFlow(start, 'create') },
  { code: 'AIX-002', platform: 'make', fail: make([m(3, 'email:TriggerNewEmail'), m(1, 'ai-local-agent:RunLocalAIAgent', {}, { tools: [{ flow: [m(2, 'notion:createItem')] }] })]), pass: make([m(1, 'ai-local-agent:RunLocalAIAgent', {}, { tools: [{ flow: [m(2, 'notion:createItem')] }] })]) },
  { code: 'AIX-003', platform: 'n8n', fail: n8n([start, ai('Model', 'chainLlm', { text: 'x' }), node('Q', 'postgres', { operation: 'executeQuery', query: '={{ $json.sql }}' })]), pass: n8n([start, ai('Model', 'chainLlm', { text: 'x' }), node('Q', 'postgres', { operation: 'executeQuery', query: 'select $1' })]), also: ['INJ-001'] },
  { code: 'AIX-003', platform: 'make', fail: make([m(1, 'openai-gpt-3:CreateCompletion'), m(2, 'postgres:executeQuery', { query: '{{1.choices}}' })]), pass: make([m(1, 'openai-gpt-3:CreateCompletion'), m(2, 'postgres:executeQuery', { query: 'select 1' })]), also: ['INJ-001'] },
  { code: 'AIX-004', platform: 'n8n', fail: n8n([hook(), ai('Model', 'chainLlm', { text: 'x' }), node('Say', 'slack', { text: 'x' })]), pass: n8n([hook(closed), ai('Model', 'chainLlm', { text: 'x' }), node('Say', 'slack', { text: 'x' })]), also: ['ACC-001', 'INJ-005'] },
  { code: 'AIX-004', platform: 'make', fail: make([m(1, 'gateway:CustomWebHook'), m(2, 'openai-gpt-3:CreateCompletion'), m(3, 'slack:CreateMessage')]), pass: make([m(1, 'gateway:CustomWebHook'), m(2, 'openai-gpt-3:CreateCompletion'), m(3, 'slack:CreateMessage', {}, gate('{{2.ok}}'))]), also: ['INJ-005'] },
  { code: 'ERR-001', platform: 'make', fail: make([m(1, 'notion:createItem')]), pass: make([m(1, 'notion:createItem', {}, { onerror: [m(2, 'builtin:Break', { retry: true, count: '3', interval: '15' })] })], { metadata: { version: 1, scenario: { dlq: true } } }) },
  { code: 'ERR-002', platform: 'n8n', fail: n8n([node('At', 'scheduleTrigger')], { settings: {} }), pass: n8n([node('At', 'scheduleTrigger')]) },
  { code: 'ERR-003', platform: 'make', fail: make([m(1, 'crm:getRecord', {}, { onerror: [m(2, 'builtin:Ignore')] })]), pass: make([m(1, 'crm:getRecord', {}, { onerror: [m(3, 'datastore:AddRecord'), m(2, 'builtin:Ignore')] })]) },
  { code: 'ERR-003', platform: 'n8n', fail: n8n([start, request({}, { onError: 'continueRegularOutput' })]), pass: n8n([start, request()]) },
  { code: 'ERR-004', platform: 'make', fail: make([m(1, 'crm:getRecord', {}, { onerror: [m(2, 'builtin:Break', { retry: true, count: '3', interval: '15' })] })]), pass: make([m(1, 'crm:getRecord', {}, { onerror: [m(2, 'builtin:Break', { retry: true, count: '3', interval: '15' })] })], { metadata: { version: 1, scenario: { dlq: true } } }) },
  { code: 'ERR-005', platform: 'make', fail: make([http(1)], { metadata: { version: 1, scenario: { dataloss: true } } }), pass: make([http(1)], { metadata: { version: 1, scenario: { dataloss: false } } }) },
  { code: 'ERR-006', platform: 'make', fail: make([http(1, {}, { parameters: { handleErrors: false } })]), pass: make([http(1, {}, { parameters: { handleErrors: true } })]) },
  { code: 'ERR-006', platform: 'n8n', fail: n8n([start, request({ options: { response: { response: { neverError: true } } } })]), pass: n8n([start, request()]) },
  { code: 'ERR-007', platform: 'n8n', fail: n8n([start, request({}, { onError: 'continueErrorOutput' })]), pass: n8n([start, request({}, { onError: 'continueErrorOutput' }), node('Stop', 'stopAndError')], {}, [{ from: 'Call', to: 'Stop', slot: 1 }], [start, request()]) },
  { code: 'ERR-008', platform: 'n8n', fail: n8n([start, request({ method: 'POST' }, { retryOnFail: true })]), pass: n8n([start, request({ method: 'POST' })]) },
  { code: 'FLW-001', platform: 'make', fail: make([http(1)], { metadata: { version: 1, designer: { orphans: [[http(2)]] } } }), pass: make([http(1), http(2)]) },
  { code: 'FLW-001', platform: 'n8n', fail: n8n([start, request()], {}, [], [start]), pass: n8n([start, request()]) },
  { code: 'FLW-002', platform: 'make', fail: make([http(1), m(2, 'email:TriggerNewEmail')]), pass: make([m(2, 'email:TriggerNewEmail'), http(1)]) },
  { code: 'FLW-002', platform: 'n8n', fail: n8n([request()]), pass: n8n([start, request()]) },
  { code: 'FLW-003', platform: 'make', fail: make([http(1, { url: 'https://api.example.com/{{9.id}}' })]), pass: make([http(1, { url: 'https://api.example.com/' })]) },
  { code: 'FLW-003', platform: 'n8n', fail: n8n([start, request({ url: "=https://api.example.com/{{ $('Gone').item.json.id }}" })]), pass: n8n([start, request({ url: "=https://api.example.com/{{ $('Start').item.json.id }}" })]) },
  { code: 'FLW-004', platform: 'n8n', fail: n8n([start, request()], {}, [{ from: 'Call', to: 'Gone' }]), pass: n8n([start, request()]) },
  { code: 'FLW-004', platform: 'make', fail: make([http(1), http(1)]), pass: make([http(1), http(2)]) },
  { code: 'FLW-005', platform: 'n8n', fail: n8n([start, request(), node('Set', 'set')], {}, [{ from: 'Set', to: 'Call' }]), pass: n8n([start, request(), node('Set', 'set')]) },
  { code: 'FLW-005', platform: 'make', fail: make([ownHook(), callOwnHook()]), pass: make([ownHook(), callOwnHook(gate('{{1.rounds}}'))]) },
  { code: 'FLW-006', platform: 'make', fail: make([m(1, 'crm:getRecord'), m(2, 'builtin:BasicRouter', {}, { routes: [{ flow: [http(3, {}, gate('{{1.a}}'))] }, { flow: [http(4, {}, gate('{{1.a}}'))] }] })]), pass: make([m(1, 'crm:getRecord'), m(2, 'builtin:BasicRouter', {}, { routes: [{ flow: [http(3, {}, gate('{{1.a}}'))] }, { flow: [http(4)] }] })]) },
  { code: 'FLW-006', platform: 'n8n', fail: n8n([start, node('Way', 'switch', { rules: { values: [{}] } }, { typeVersion: 3 })]), pass: n8n([start, node('Way', 'switch', { rules: { values: [{}] }, options: { fallbackOutput: 'extra' } }, { typeVersion: 3 })]) },
  { code: 'FLW-007', platform: 'make', fail: make([http(1), m(2, 'gateway:WebhookRespond')]), pass: make([http(1)]) },
  { code: 'FLW-007', platform: 'n8n', fail: n8n([hook({ ...closed, responseMode: 'responseNode' })]), pass: n8n([hook({ ...closed, responseMode: 'responseNode' }), node('Answer', 'respondToWebhook')]) },
  { code: 'FLW-008', platform: 'make', fail: make([http(1, {}, { metadata: { designer: { messages: [{ severity: 'error', category: 'setup', message: 'x' }] } } })]), pass: make([http(1)]) },
  { code: 'CMP-001', platform: 'make', fail: make([m(1, 'app#acme-1x2:getThing')]), pass: make([m(1, 'notion:getThing')]) },
  { code: 'CMP-001', platform: 'n8n', fail: n8n([start, node('Do', 'n8n-nodes-acme.acme')]), pass: n8n([start, node('Do', 'noOp')]) },
  { code: 'CMP-002', platform: 'n8n', fail: n8n([start, node('Do', 'itemLists')]), pass: n8n([start, node('Do', 'splitOut')]) },
  { code: 'CMP-002', platform: 'make', fail: make([http(1), m(2, 'builtin:BasicIterator', { array: '{{1.data}}' })]), pass: make([http(1), m(2, 'builtin:BasicFeeder', { array: '{{1.data}}' })]) },
  { code: 'CMP-003', platform: 'make', fail: make([m(1, 'util:ExecuteCommand', { command: 'ls' })]), pass: make([m(1, 'crm:getRecord')]) },
  { code: 'CMP-003', platform: 'n8n', fail: n8n([start, node('Do', 'readWriteFile')]), pass: n8n([start, node('Do', 'noOp')]) },
  { code: 'CMP-004', platform: 'n8n', fail: n8n([start, node('Sub', 'executeWorkflow', { workflowId: '={{ $json.id }}' })]), pass: n8n([start, node('Sub', 'executeWorkflow', { workflowId: 'abc' })]) },
  { code: 'LOG-001', platform: 'n8n', fail: n8n([start], { settings: { errorWorkflow: 'w', saveDataErrorExecution: 'none' } }), pass: n8n([start], { settings: { errorWorkflow: 'w', saveDataErrorExecution: 'all' } }) },
  { code: 'GOV-001', platform: 'make', fail: make([m(1, 'crm:getRecord'), m(2, 'notion:deleteItem')]), pass: make([m(1, 'crm:getRecord'), m(2, 'notion:deleteItem', {}, gate('{{1.sure}}'))]) },
  { code: 'GOV-001', platform: 'n8n', fail: n8n([start, node('Del', 'notion', { operation: 'delete' })]), pass: n8n([start, node('Sure', 'if', { conditions: { a: 1 } }), node('Del', 'notion', { operation: 'delete' })]) },
  { code: 'GOV-002', platform: 'make', fail: make([m(1, 'stripe:createCharge')]), pass: make([m(1, 'stripe:getCharge')]), also: ['ERR-001'] },
  { code: 'GOV-002', platform: 'n8n', fail: n8n([start, node('Pay', 'stripe', { operation: 'create' })]), pass: n8n([start, node('Ask', 'slack', { operation: 'sendAndWait' }), node('Pay', 'stripe', { operation: 'create' })]) },
  { code: 'GOV-003', platform: 'make', fail: make([m(1, 'okta:createUser')]), pass: make([m(1, 'okta:getUser')]), also: ['ERR-001'] },
  { code: 'GOV-003', platform: 'n8n', fail: n8n([start, node('Add', 'okta', { operation: 'create' })]), pass: n8n([start, node('Ask', 'slack', { operation: 'sendAndWait' }), node('Add', 'okta', { operation: 'create' })]) },
  { code: 'GOV-004', platform: 'make', fail: make([m(1, 'builtin:BasicFeeder'), m(2, 'slack:CreateMessage')]), pass: make([m(1, 'builtin:BasicFeeder'), m(3, 'util:FunctionSleep'), m(2, 'slack:CreateMessage')]) },
  { code: 'GOV-004', platform: 'n8n', fail: batches([node('Say', 'slack', { text: 'x' })]), pass: batches([node('Say', 'slack', { text: 'x' }), node('Pause', 'wait', { amount: 1 })]) },
  { code: 'GOV-005', platform: 'make', fail: make(Array.from({ length: 8 }, (_, n) => m(n + 1, 'crm:getRecord'))), pass: make(Array.from({ length: 8 }, (_, n) => m(n + 1, 'crm:getRecord')), { metadata: { version: 1, notes: [{ content: 'purpose, owner' }] } }) },
  { code: 'GOV-005', platform: 'n8n', fail: n8n([start, ...steps(7)]), pass: n8n([start, ...steps(7), node('Note', 'stickyNote', { content: 'purpose, owner' })], {}, [], [start, ...steps(7)]) },
  { code: 'GOV-006', platform: 'make', fail: make(Array.from({ length: 51 }, (_, n) => m(n + 1, 'crm:getRecord')), { description: 'd' }), pass: make(Array.from({ length: 50 }, (_, n) => m(n + 1, 'crm:getRecord')), { description: 'd' }) },
  { code: 'GOV-006', platform: 'n8n', fail: n8n([start, ...steps(50)], { description: 'd' }), pass: n8n([start, ...steps(49)], { description: 'd' }) }
]

function ownHook (): Fields {
  return m(1, 'gateway:CustomWebHook', {}, { parameters: { hook: 77 }, metadata: { restore: { parameters: { hook: { label: 'Mine', data: { url: `https://${HOOK_ADDRESS}`, apiKeys: ['k'] } } } } } })
}

function callOwnHook (rest: Fields = {}): Fields {
  return http(2, { url: `https://${HOOK_ADDRESS}?again=1` }, rest)
}

function steps (count: number): Fields[] {
  return Array.from({ length: count }, (_, n) => node(`Step ${n}`, 'noOp'))
}

function shared (name: string, type: string, id: string): Fields {
  return node(name, type, { operation: 'create' }, { credentials: { api: { id, name: 'Service' } } })
}

function sharedMake (id: number, module: string, connection: number): Fields {
  return m(id, module, {}, { parameters: { __IMTCONN__: connection } })
}

function confidential (): Fields {
  return { metadata: { version: 1, scenario: { confidential: true } } }
}

function agentFlow (entry: Fields, operation: string): Fields {
  const agent = ai('Agent', 'agent')
  const tool = node('Tool', 'notionTool', { operation })
  return n8n([entry, agent, tool], {}, [{ from: 'Tool', to: 'Agent', kind: 'ai_tool' }], [entry, agent])
}

function batches (inside: Fields[]): Fields {
  const loop = node('Loop', 'splitInBatches', {}, { typeVersion: 3 })
  const chain = inside.slice(1).map((to, at) => ({ from: String(inside[at]?.['name']), to: String(to['name']) }))
  return n8n([start, loop, ...inside], {}, [{ from: 'Loop', to: String(inside[0]?.['name']), slot: 1 }, ...chain, { from: String(inside.at(-1)?.['name']), to: 'Loop' }], [start, loop])
}
