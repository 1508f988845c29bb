/**
 * What the platforms' modules do, as data. A finding depends on these tables as much as on the rule, so they carry a version.
 * Names without package or app prefix; n8n's `…Tool` twins share the row of the node they wrap.
 */
import type { Effect, NodeKind } from './types.ts'

/** Raised whenever a row changes what a graph says. */
export const TABLES_VERSION = '2026-12-2'

export type Verb = 'read' | 'write' | 'delete' | 'trigger'

function words (text: string): string[] {
  return text.split(' ')
}

function rows<Value> (...groups: [names: string, value: Value][]): ReadonlyMap<string, Value> {
  return new Map(groups.flatMap(([names, value]) => words(names).map((name) => [name, value] as const)))
}

const VERBS = rows<Verb>(
  ['get list search find read download lookup fetch retrieve query filter count analyze extract parse info log', 'read'],
  ['trigger watch new', 'trigger'],
  ['create add insert update upsert append upload post send reply publish move copy set write edit patch execute issue charge ' +
    'refund transfer invite assign import sync share push put submit start run enable disable', 'write'],
  ['delete remove purge truncate drop destroy archive clear deactivate', 'delete']
)

/** The verb of an operation name such as `ActionCreateRecord`, `getAll` or `objectsDelete`; null when it tells nothing. */
export function verbOf (operation: string): { verb: Verb, word: string } | null {
  const plain = operation.slice(0, 80).replace(/^Action(?=[A-Z])/, '')
  if (/^on[A-Z]/.test(plain)) return { verb: 'trigger', word: 'on' }
  if (/^make(?:An)?ApiCall/i.test(plain)) return { verb: 'write', word: 'makeApiCall' }
  for (const part of plain.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? []) {
    const word = part.toLowerCase()
    const verb = VERBS.get(word) ?? VERBS.get(word.replace(/(?:es|s)$/, ''))
    if (verb !== undefined) return { verb, word }
  }
  return null
}

/** What an app is about, whatever the platform calls it. `on`: the effect belongs to changes only, or to every use. */
export interface AppRow { effect: Effect, on: 'write' | 'any' }

const APPS = rows<AppRow>(
  ['slack telegram discord gmail google-email email emailsend microsoftoutlook microsoft-email microsoft365-email twilio whatsapp ' +
    'whatsapp-business-cloud mailgun sendgrid mattermost microsoftteams microsoft-teams rocketchat matrix line vonage ' +
    'messagebird sendinblue brevo mailchimp mailjet pushover pushbullet awsses signal rabbitmq', { effect: 'MESSAGE', on: 'write' }],
  ['stripe paypal wise chargebee paddle quickbooks quickbooks-online xero square mollie razorpay braintree', { effect: 'MONEY', on: 'write' }],
  ['okta auth0 microsoftentra azure-ad gsuiteadmin google-admin awscognito awsiam ldap bitwarden onelogin jumpcloud',
    { effect: 'IDENTITY', on: 'write' }],
  ['googlesheets google-sheets microsoftexcel microsoft-excel airtable baserow nocodb smartsheet', { effect: 'SHEET', on: 'any' }],
  ['twitter linkedin facebookgraphapi facebook-pages instagram-business wordpress youtube medium reddit postiz', { effect: 'PUBLISH', on: 'write' }],
  ['readwritefile readbinaryfile readbinaryfiles writebinaryfile ftp sftp', { effect: 'FILES', on: 'any' }],
  ['executecommand ssh', { effect: 'SHELL', on: 'any' }],
  ['code function functionitem toolcode pythoncode custom-js python javascript 0codekit', { effect: 'CODE', on: 'any' }],
  ['openai-gpt-3 openai anthropic-claude anthropic google-gemini gemini-ai googlegemini google-vertex-ai mistral-ai mistralai perplexity ' +
    'perplexity-ai groq deepseek-ai cohere huggingface hugging-face openrouter ai-provider ai-tools ai-agent ai-local-agent elevenlabs ' +
    'make-ai-extractors stability-ai replicate', { effect: 'AI', on: 'any' }],
  ['ollama', { effect: 'AILOCAL', on: 'any' }]
)

export function appRow (app: string): AppRow | undefined {
  return APPS.get(app.toLowerCase())
}

/** What a payment or accounting app moves, and what it only keeps beside that: a new customer costs nobody anything. */
const MOVES_MONEY = /charge|refund|transfer|payout|payment|invoice|bill|purchase|order|checkout|subscription|payroll|sale|deposit|withdraw/i
const KEEPS_RECORDS = /customer|vendor|supplier|employee|contact|estimate|quote|item|product|price|plan|coupon|discount|source|token|card|account|recipient|profile|balance|tax/i
/** n8n leaves the default resource out of the file. */
const N8N_DEFAULT_RESOURCES = rows<string>(['quickbooks', 'customer'], ['wise', 'account'])

/** `subject`: n8n's resource, or the name of Make's operation. What is neither known to move money nor to be a record may move it. */
export function movesMoney (app: string, subject: string): boolean {
  const about = (subject === '' ? N8N_DEFAULT_RESOURCES.get(app) ?? '' : subject).slice(0, 80)
  return MOVES_MONEY.test(about) || !KEEPS_RECORDS.test(about)
}

const SQL_APPS: ReadonlySet<string> = new Set(words('postgres mysql microsoftsql mssql snowflake googlebigquery google-bigquery ' +
  'google-big-query bigquery cratedb questdb timescaledb oracle oracledb redshift mariadb databricks'))

export function isSqlApp (app: string): boolean {
  return SQL_APPS.has(app.toLowerCase())
}

const HOSTS: readonly { suffix: string, effect: Effect }[] = [
  ...words('api.openai.com api.anthropic.com openrouter.ai generativelanguage.googleapis.com api.mistral.ai api.groq.com api.cohere.ai ' +
    'api.cohere.com api.perplexity.ai api.deepseek.com api-inference.huggingface.co router.huggingface.co openai.azure.com api.x.ai ' +
    'api.replicate.com api.elevenlabs.io api.together.xyz').map((suffix) => ({ suffix, effect: 'AI' as const })),
  ...words('slack.com api.telegram.org discord.com discordapp.com graph.facebook.com api.twilio.com api.sendgrid.com api.mailgun.net ' +
    'api.postmarkapp.com api.resend.com api.brevo.com').map((suffix) => ({ suffix, effect: 'MESSAGE' as const })),
  ...words('api.stripe.com api.paypal.com api-m.paypal.com api.wise.com api.mollie.com api.razorpay.com connect.squareup.com')
    .map((suffix) => ({ suffix, effect: 'MONEY' as const }))
]

/** What a raw HTTP call to this host does beyond reading and writing. */
export function hostEffect (host: string): Effect | undefined {
  return HOSTS.find(({ suffix }) => host === suffix || host.endsWith(`.${suffix}`))?.effect
}

/** n8n leaves defaults out of the file: what a node does when `operation` is absent. */
const N8N_DEFAULT_OPERATIONS = rows<string>(
  ['gmail microsoftOutlook emailSend twilio', 'send'],
  ['slack', 'post'],
  ['telegram rabbitmq', 'sendMessage'],
  ['whatsApp', 'sendTemplate'],
  ['notion supabase salesforce pipedrive shopify wooCommerce wordpress github gitlab jira asana clickUp trello linear zendesk ' +
    'googleCalendar googleDocs xero linkedIn twitter mailchimp discord', 'create'],
  ['hubspot', 'upsert'],
  ['postgres mySql microsoftSql snowflake dataTable crateDb questDb timescaleDb', 'insert'],
  ['googleDrive', 'upload'],
  ['googleBigQuery', 'executeQuery'],
  ['ssh executeCommand', 'execute'],
  ['googleSheets readWriteFile readBinaryFile readBinaryFiles rssFeedRead', 'read'],
  ['writeBinaryFile', 'write'],
  ['airtable nocoDb stripe quickbooks elasticsearch bitwarden', 'get'],
  ['microsoftExcel baserow okta youTube', 'getAll'],
  ['awsS3 ftp', 'download'],
  ['mongoDb', 'find'],
  ['redis', 'info'],
  ['git', 'log']
)

export function n8nDefaultOperation (name: string): string | undefined {
  return N8N_DEFAULT_OPERATIONS.get(name)
}

/** n8n nodes whose name decides their kind. */
const N8N_KINDS = rows<NodeKind>(
  ['webhook cron interval emailReadImap start', 'trigger'],
  ['httpRequest toolHttpRequest graphql', 'http'],
  ['code function functionItem toolCode', 'code'],
  ['if filter', 'branch'],
  ['switch textClassifier sentimentAnalysis', 'router'],
  ['merge', 'merge'],
  ['splitInBatches splitOut', 'iterator'],
  ['aggregate summarize', 'aggregator'],
  ['set noOp dateTime html htmlExtract markdown xml sort limit removeDuplicates crypto convertToFile extractFromFile itemLists ' +
    'moveBinaryData renameKeys compareDatasets editImage compression executionData spreadsheetFile readPDF iCal formatter jwt totp ' +
    'debugHelper aiTransform', 'transform'],
  ['redis dataTable', 'store'],
  ['executeWorkflow toolWorkflow', 'sub'],
  ['respondToWebhook', 'response'],
  ['stopAndError', 'directive'],
  ['wait form', 'wait'],
  ['agent agentTool openAiAssistant', 'agent']
)

export function n8nKind (name: string): NodeKind | undefined {
  return N8N_KINDS.get(name)
}

/** Triggers that are not an event from outside. */
export const N8N_INNER_TRIGGERS: ReadonlySet<string> = new Set(words('manualTrigger scheduleTrigger cron interval start ' +
  'executeWorkflowTrigger errorTrigger manualChatTrigger evaluationTrigger workflowTrigger n8nTrigger'))

/** Make modules whose full name, or whose app, decides their kind. */
const MAKE_KINDS = rows<NodeKind>(
  ['builtin:BasicRouter', 'router'],
  ['builtin:BasicIfElse', 'branch'],
  ['builtin:BasicMerge', 'merge'],
  ['builtin:BasicFeeder builtin:BasicIterator builtin:BasicRepeater util:Repeater', 'iterator'],
  ['builtin:BasicAggregator archive:PackAggregator', 'aggregator'],
  ['builtin:Break builtin:Ignore builtin:Resume builtin:Commit builtin:Rollback', 'directive'],
  ['util:FunctionSleep util:Sleep', 'wait'],
  ['gateway:CustomWebHook gateway:CustomMailHook scenario-service:StartSubscenario util:BasicTrigger', 'trigger'],
  ['gateway:WebhookRespond scenario-service:ReturnData', 'response'],
  ['ai-local-agent:RunLocalAIAgent', 'agent'],
  ['http', 'http'],
  ['custom-js code python javascript 0codekit', 'code'],
  ['util json xml csv regexp handlebars markdown text-parser math image archive placeholder encryptor html-to-text', 'transform'],
  ['datastore data-store', 'store'],
  ['scenario-service', 'sub'],
  ['ai-agent ai-local-agent', 'agent']
)

export function makeKind (type: string, app: string): NodeKind | undefined {
  return MAKE_KINDS.get(type) ?? MAKE_KINDS.get(app)
}

/** Make's own flow control and hooks: here, and only here, a name that is not in the list does not exist. */
const MAKE_BUILTINS: ReadonlySet<string> = new Set(words('BasicRouter BasicIfElse BasicMerge BasicFeeder BasicRepeater BasicAggregator Break Ignore Resume Commit Rollback'))
const MAKE_GATEWAYS: ReadonlySet<string> = new Set(words('CustomWebHook CustomMailHook WebhookRespond'))
/** Names that older or hand-written blueprints use for a module of today. */
const MAKE_SUPERSEDED: ReadonlySet<string> = new Set(words('builtin:BasicIterator'))

/** What is known of a module's name; null where the app is not the platform's own, since nobody lists all apps. */
export function makeBuiltin (type: string): 'current' | 'superseded' | 'unknown' | null {
  if (MAKE_SUPERSEDED.has(type)) return 'superseded'
  const [app = '', name = ''] = type.split(':', 2)
  if (app !== 'builtin' && app !== 'gateway') return null
  return (app === 'builtin' ? MAKE_BUILTINS : MAKE_GATEWAYS).has(name) ? 'current' : 'unknown'
}

const MAKE_SETTERS: ReadonlySet<string> = new Set(words('util:SetVariable util:SetVariables util:SetVariable2 util:FunctionSetVariable util:FunctionSetVariables'))

/** Modules that only name values for later ones. */
export function isMakeSetter (type: string): boolean {
  return MAKE_SETTERS.has(type)
}

/** Nodes that run commands on, or read and write files of, the machine that runs them. */
const N8N_HOST_ACCESS: ReadonlySet<string> = new Set(words('executeCommand ssh readWriteFile readBinaryFile readBinaryFiles writeBinaryFile localFileTrigger git'))

export function n8nHostAccess (name: string): boolean {
  return N8N_HOST_ACCESS.has(name)
}
