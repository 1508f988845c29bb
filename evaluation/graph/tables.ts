/** Platform knowledge that is not in the files: verbs, apps, hosts, defaults. Data, versioned apart from the code that reads it. */
import type { Effect, NodeKind } from './types.ts'

export const TABLES_VERSION = '2026.11.0'

const VERBS: ReadonlyArray<readonly [RegExp, readonly Effect[]]> = [
  [/^(?:delete|remove|purge|truncate|drop|destroy|archive|clear|deactivate|objectsdelete)/i, ['DELETE']],
  [/^(?:create|add|insert|update|upsert|append|upload|post|send|reply|publish|move|copy|set|write|edit|patch|execute|issue|charge|refund|transfer|invite|assign|import|sync|share|makeanapicall|makeapicall)/i, ['WRITE']],
  [/^(?:get|list|search|find|read|download|lookup|fetch|retrieve|query|filterrows|count|analyze|extract|parse)/i, ['READ']]
]

const APPS: ReadonlyArray<readonly [RegExp, readonly Effect[]]> = [
  [/^(?:openai|openaichatgpt|openai-gpt-3|anthropic|anthropic-claude|gemini|gemini-ai|mistral|groq|perplexity|deepseek|cohere|openrouter|lmchat|googlegemini)/i, ['AI']],
  [/^(?:slack|gmail|email|emailsend|telegram|twilio|whatsapp|discord|microsoftteams|microsoft-email|microsoftoutlook|mattermost|sendgrid|mailgun)/i, ['MESSAGE']],
  [/^(?:stripe|paypal|quickbooks|xero|square|adyen|wise)/i, ['MONEY']],
  [/^(?:okta|auth0|azure-ad|entra|googleworkspaceadmin|gsuiteadmin|google-workspace-admin|microsoftentra)/i, ['IDENTITY']],
  [/^(?:postgres|postgresql|mysql|microsoftsql|mssql|snowflake|cratedb|questdb|timescaledb|googlebigquery|bigquery)/i, ['SQL']],
  [/^(?:google-?sheets|microsoftexcel|microsoft-excel|airtable|smartsheet|baserow)/i, ['SHEET']],
  [/^(?:executecommand|ssh)/i, ['SHELL']],
  [/^(?:readwritefile|readbinaryfiles?|writebinaryfile|localfiletrigger)/i, ['FILES']]
]

const HOSTS: ReadonlyArray<readonly [RegExp, Effect]> = [
  [/^https?:\/\/(?:api\.openai\.com|api\.anthropic\.com|openrouter\.ai|generativelanguage\.googleapis\.com|api\.groq\.com|api\.mistral\.ai)/i, 'AI'],
  [/^https?:\/\/(?:slack\.com\/api|api\.telegram\.org|api\.twilio\.com|discord\.com\/api)/i, 'MESSAGE'],
  [/^https?:\/\/(?:api\.stripe\.com|api\.paypal\.com)/i, 'MONEY']
]

/** n8n leaves defaults out: what a node does when the file names no operation. */
const N8N_DEFAULT_OPERATION: ReadonlyMap<string, string> = new Map([
  ...['gmail', 'microsoftOutlook', 'emailSend', 'twilio', 'telegram', 'whatsApp', 'rabbitmq'].map((type) => [type, 'send'] as const),
  ['slack', 'post'], ['discord', 'create'], ['hubspot', 'upsert'], ['googleDrive', 'upload'], ['googleBigQuery', 'executeQuery'], ['ssh', 'execute'],
  ...['postgres', 'mySql', 'microsoftSql', 'snowflake', 'dataTable'].map((type) => [type, 'insert'] as const),
  ...['notion', 'supabase', 'salesforce', 'pipedrive', 'shopify', 'wooCommerce', 'wordpress', 'github', 'gitlab', 'jira', 'asana', 'clickUp', 'trello',
    'linear', 'zendesk', 'googleCalendar', 'googleDocs', 'xero', 'linkedIn', 'twitter', 'mailchimp'].map((type) => [type, 'create'] as const),
  ...['googleSheets', 'airtable', 'nocoDb', 'stripe', 'quickbooks', 'elasticsearch', 'bitwarden', 'microsoftExcel', 'baserow', 'okta', 'youTube',
    'awsS3', 'ftp', 'mongoDb', 'redis', 'readWriteFile', 'git'].map((type) => [type, 'get'] as const)
])

const N8N_KINDS: ReadonlyMap<string, NodeKind> = new Map<string, NodeKind>([
  ['if', 'branch'], ['switch', 'branch'], ['filter', 'branch'], ['textClassifier', 'branch'], ['merge', 'merge'], ['splitInBatches', 'iterator'],
  ['splitOut', 'iterator'], ['aggregate', 'aggregator'], ['code', 'code'], ['function', 'code'], ['functionItem', 'code'], ['set', 'transform'],
  ['httpRequest', 'http'], ['httpRequestTool', 'http'], ['toolHttpRequest', 'http'], ['executeWorkflow', 'sub'], ['toolWorkflow', 'sub'],
  ['respondToWebhook', 'response'], ['wait', 'wait'], ['agent', 'agent'], ['agentTool', 'agent'], ['noOp', 'transform'], ['stopAndError', 'directive']
])

/** Effects of an app's operation, from its verb and its app. */
export function effectsOf (app: string, op: string): Effect[] {
  const effects = new Set<Effect>()
  const verb = op.replace(/^Action/, '')
  const byVerb = VERBS.find(([pattern]) => pattern.test(verb))?.[1] ?? []
  for (const effect of byVerb) effects.add(effect)
  const acts = effects.has('WRITE') || effects.has('DELETE')
  for (const effect of APPS.find(([pattern]) => pattern.test(app))?.[1] ?? []) {
    // Reading mail sends none, and reading an invoice moves no money.
    if (acts || !['MESSAGE', 'MONEY', 'IDENTITY'].includes(effect)) effects.add(effect)
  }
  if (effects.size > 0) effects.add('EGRESS')
  return [...effects]
}

/** Effects of a raw HTTP call: its method decides what it does, its host what it is. */
export function httpEffects (method: string, url: string): Effect[] {
  const effects = new Set<Effect>(['EGRESS'])
  if (/^(?:POST|PUT|PATCH)$/i.test(method)) effects.add('WRITE')
  else effects.add(/^DELETE$/i.test(method) ? 'DELETE' : 'READ')
  const byHost = HOSTS.find(([pattern]) => pattern.test(url))?.[1]
  if (byHost === 'AI') return ['EGRESS', 'AI']
  if (byHost !== undefined && effects.has('WRITE')) effects.add(byHost)
  return [...effects]
}

export function n8nDefaultOperation (type: string): string {
  return N8N_DEFAULT_OPERATION.get(type) ?? ''
}

export function n8nKind (type: string): NodeKind | undefined {
  return N8N_KINDS.get(type)
}

/** Whether a Make operation starts a run. */
export function isMakeTrigger (app: string, op: string): boolean {
  return app === 'gateway' ? /^Custom(?:WebHook|MailHook)$/i.test(op) : /^(?:[Tt]rigger|[Ww]atch|[Nn]ew[A-Z]|on[A-Z])/.test(op)
}
