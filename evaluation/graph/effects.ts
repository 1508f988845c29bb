/** Kind and effects of a module from the tables: what the rules mean by "it writes" or "it is open". */
import { hostOf } from './patterns.ts'
import { appRow, hostEffect, isSqlApp, makeKind, movesMoney, N8N_INNER_TRIGGERS, n8nKind, verbOf, type Verb } from './tables.ts'
import type { Effect, NodeKind } from './types.ts'

export interface Nature { kind: NodeKind, effects: Effect[] }

const VERB_EFFECTS: Readonly<Record<Verb, readonly Effect[]>> = {
  read: ['READ'], write: ['WRITE'], delete: ['DELETE'], trigger: ['INGRESS']
}

const INNER_KINDS: ReadonlySet<NodeKind> = new Set(['router', 'branch', 'merge', 'iterator', 'aggregator', 'transform', 'directive', 'wait', 'sub'])

/** A raw call: the method says what it does, the host to whom. A method that data decides may be any. */
export function httpEffects (method: string, url: string): Effect[] {
  const effects = new Set<Effect>(['EGRESS'])
  const name = method.trim().toUpperCase()
  const host = hostOf(url)
  const special = host === null ? undefined : hostEffect(host)
  const reads = ['', 'GET', 'HEAD', 'OPTIONS'].includes(name)
  if (reads) effects.add('READ')
  else if (name === 'DELETE') effects.add('DELETE')
  // A prompt is posted, yet nothing is changed by asking.
  else if (special !== 'AI') effects.add('WRITE')
  if (special === 'AI' || (special !== undefined && !reads)) effects.add(special)
  return [...effects]
}

export function makeNature (type: string, app: string, op: string, listens: boolean): Nature {
  const known = makeKind(type, app)
  if (app === 'gateway' && known === 'trigger') return { kind: 'trigger', effects: ['INGRESS', 'OPEN'] }
  if (known === 'trigger') return { kind: 'trigger', effects: [] }
  if (type === 'gateway:WebhookRespond') return { kind: 'response', effects: ['RESPOND'] }
  if (type === 'util:ExecuteCommand') return { kind: 'action', effects: ['SHELL'] }
  if (app === 'util' && /Aggregator$/.test(op)) return { kind: 'aggregator', effects: [] }
  if (known !== undefined && (INNER_KINDS.has(known) || known === 'response')) return { kind: known, effects: [] }
  const verb = listens ? 'trigger' : verbOf(op)?.verb
  if (known === 'store') return { kind: 'store', effects: [...VERB_EFFECTS[verb ?? 'read']] }
  if (verb === 'trigger') return { kind: 'trigger', effects: ['INGRESS'] }
  return appNature({ app, about: op, known, verb, sql: isSqlApp(app) && /query|sql|execute|statement/i.test(op), unknown: !type.includes(':') })
}

export interface N8nSubject {
  /** Without package prefix, and without `Tool` where the node is a tool's twin. */
  name: string
  community: boolean
  operation: string
  resource: string
  mode: string
}

export function n8nNature ({ name, community, operation, resource, mode }: N8nSubject): Nature {
  const known = community ? undefined : n8nKind(name)
  if (known === 'trigger' || /Trigger$/.test(name)) return { kind: 'trigger', effects: N8N_INNER_TRIGGERS.has(name) ? [] : ['INGRESS'] }
  if (known === 'response') return { kind: 'response', effects: ['RESPOND'] }
  if (known === 'router' && name !== 'switch') return { kind: 'router', effects: ['AI'] }
  if (known === 'agent') return { kind: 'agent', effects: ['AI'] }
  if (known !== undefined && INNER_KINDS.has(known)) return { kind: known, effects: [] }
  if (/^(?:lm|embeddings|chain|informationExtractor|guardrails)/.test(name)) {
    return { kind: 'ai', effects: name.endsWith('Ollama') ? ['AILOCAL'] : ['AI', 'EGRESS'] }
  }
  if (name.startsWith('vectorStore')) return { kind: 'store', effects: [mode === 'insert' || mode === 'update' ? 'WRITE' : 'READ', 'EGRESS'] }
  if (/^(?:memory|document|textSplitter|outputParser|retriever|toolCalculator|toolThink|toolVectorStore)/.test(name)) {
    return { kind: name.startsWith('memory') ? 'store' : 'transform', effects: [] }
  }
  // An operation that data decides may be any, so it counts as a change.
  const verb = operation.startsWith('=') ? 'write' : verbOf(operation)?.verb
  if (known === 'store') return { kind: 'store', effects: [...VERB_EFFECTS[verb ?? 'read']] }
  return appNature({ app: name, about: resource, known, verb: verb === 'trigger' ? undefined : verb, sql: isSqlApp(name) && operation.startsWith('executeQuery'), unknown: community })
}

interface AppSubject { app: string, about: string, known: NodeKind | undefined, verb: Verb | undefined, sql: boolean, unknown: boolean }

function appNature ({ app, about, known, verb, sql, unknown }: AppSubject): Nature {
  const found = appRow(app)
  const row = found?.effect === 'MONEY' && !movesMoney(app, about) ? undefined : found
  const effects = new Set<Effect>(verb === undefined ? [] : VERB_EFFECTS[verb])
  const changes = verb === 'write' || verb === 'delete'
  if (row !== undefined && (row.on === 'any' || changes)) effects.add(row.effect)
  if (row?.effect === 'AI') effects.delete('WRITE')
  if (sql) {
    effects.add('SQL')
    effects.add('WRITE')
  }
  if (row?.effect !== 'CODE' && row?.effect !== 'AILOCAL') effects.add('EGRESS')
  return { kind: known ?? kindOf(row?.effect, verb, unknown), effects: [...effects] }
}

function kindOf (effect: Effect | undefined, verb: Verb | undefined, unknown: boolean): NodeKind {
  if (effect === 'AI' || effect === 'AILOCAL') return 'ai'
  if (effect === 'CODE') return 'code'
  if (verb === 'read') return 'search'
  return unknown && verb === undefined ? 'unknown' : 'action'
}
