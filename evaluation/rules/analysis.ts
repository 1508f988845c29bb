/**
 * The sets every rule shares, computed once per graph. Each is one iterative breadth-first walk, so the whole is linear in
 * nodes and edges, cycles end, and depth costs no stack.
 */
import { cyclesOf, levelsOf, type Levels } from './cycles.ts'
import type { Effect, FactGraph, FlowEdge, FlowNode } from '../graph/types.ts'

export interface Analysis {
  /** Nodes a run can arrive at, with the sub-nodes of those. */
  reach: ReadonlySet<number>
  /** Reachable from an event from outside. */
  fromIn: ReadonlySet<number>
  /** Reachable from an entry that anyone with the address can use and that asks for no authentication. */
  fromOpen: ReadonlySet<number>
  /** As `fromIn`, but the walk ends at a gate, a branch or an approval. */
  unguarded: ReadonlySet<number>
  /** Nodes that lead, with no guard between, to money, deletion, identities, shell or SQL writes. */
  towardsDanger: ReadonlySet<number>
  /** Nodes followed by a gate that compares a header, token or signature. */
  towardsAuthCheck: ReadonlySet<number>
  /** Nodes that lead to any effect without passing such a gate. */
  towardsUncheckedEffect: ReadonlySet<number>
  /** Nodes with a step downstream that tests for an error. */
  towardsErrorTest: ReadonlySet<number>
  /** Agents that have a tool which acts and is not held back by an approval. */
  actingAgents: ReadonlySet<number>
  /** Nodes of error handler chains. */
  handlers: ReadonlySet<number>
  /** Reachable from an open, unauthenticated entry that has no list of allowed addresses either. */
  fromUnlisted: ReadonlySet<number>
  /** Reachable from any entry without passing a gate, a branch or an approval. */
  unguardedReach: ReadonlySet<number>
  /** Reachable from any entry without passing an approval. */
  unapproved: ReadonlySet<number>
  /** Nodes that lead, with no guard between, to a step that handles personal or card data; themselves included. */
  towardsPersonal: ReadonlySet<number>
  /** Reachable from any entry without passing a step that redacts. */
  unredacted: ReadonlySet<number>
  /** Nodes that lead over data, with no guard between, to a write, a message, money or a deletion. */
  towardsAct: ReadonlySet<number>
  /** Nodes with a condition on the status of an HTTP answer downstream. */
  towardsStatusTest: ReadonlySet<number>
  /** Groups of nodes that lead back to themselves, without the edges of sub-nodes. */
  cycles: ReadonlyArray<readonly number[]>
  /** Nodes that run once for each item of an iterator or a batch. */
  iterated: ReadonlySet<number>
  /** Repeated nodes among which something waits or limits. */
  throttled: ReadonlySet<number>
  /** Nodes directly before one in the order of control, over data edges: calls of sub-nodes and error outputs are none. */
  before: (index: number) => number[]
  /** Nodes directly behind one, likewise. */
  after: (index: number) => number[]
  /** Where each node stands among what runs before it. */
  levels: () => Levels
  /** Everything that the starts lead to, or that leads to them, themselves included; error outputs are left out. */
  walk: (starts: readonly number[], side: Side) => Set<number>
  /** Nodes with an edge to an error handler. */
  errorSources: ReadonlySet<number>
  /** Index of a node by its key. */
  byKey: ReadonlyMap<string, number>
  /** A template whose connections are all unbound: nobody runs it as it is. */
  unboundTemplate: boolean
}

export type Side = 'from' | 'to'
interface Links { out: FlowEdge[][], in: FlowEdge[][] }

const DANGEROUS: readonly Effect[] = ['MONEY', 'DELETE', 'IDENTITY', 'SHELL']
const EFFECTFUL: readonly Effect[] = [...DANGEROUS, 'WRITE', 'MESSAGE', 'PUBLISH', 'SQL', 'CODE', 'EGRESS', 'FILES', 'SHEET', 'AI', 'READ', 'AILOCAL']
const ACTING: readonly Effect[] = ['WRITE', 'DELETE', 'MONEY', 'IDENTITY', 'SHELL', 'CODE', 'SQL']

export function hasEffect (node: FlowNode, effects: readonly Effect[]): boolean {
  return node.effects.some((effect) => effects.includes(effect))
}

export function analyse (graph: FactGraph): Analysis {
  const { nodes } = graph
  const steps = linksOf(graph, runOrder(graph))
  const guards = (index: number): boolean => isGuard(graph, index)
  // A disabled n8n node hands its input on; a disabled Make route or module ends the path.
  const runs = (edge: FlowEdge): boolean => graph.platform === 'n8n' || nodes[edge.from]?.disabled !== true
  const free = (edge: FlowEdge): boolean => runs(edge) && !isGated(graph, edge) && !guards(edge.from)
  const reach = spread(graph.entries, steps, 'to', runs)
  const dangers = indices(nodes, (node, index) => reach.has(index) && isDangerous(node))
  const checks = indices(nodes, isAuthCheck)
  const cycles = cyclesOf(graph)
  const iterated = iteratedNodes(graph, steps, cycles)
  const checkSet = new Set(checks)
  const effects = indices(nodes, (node, index) => !checkSet.has(index) && isEffectful(node))
  return {
    reach,
    fromIn: spread(indices(nodes, isIngress), steps, 'to', runs),
    fromOpen: spread(indices(nodes, isOpen), steps, 'to', runs),
    unguarded: spread(indices(nodes, isIngress), steps, 'to', free),
    towardsDanger: spread(dangers, steps, 'from', free),
    towardsAuthCheck: spread(checks, steps, 'from', runs),
    towardsUncheckedEffect: spread(effects, steps, 'from', (edge) => runs(edge) && !checkSet.has(edge.from)),
    // In the file's own direction: what follows a sub-node is whatever follows its parent.
    towardsErrorTest: spread(indices(nodes, (node) => node.testsError === true && !node.disabled), linksOf(graph, graph.edges), 'from', () => true),
    actingAgents: actingAgents(graph, steps),
    handlers: handlerNodes(graph, steps),
    fromUnlisted: spread(indices(nodes, (node) => isOpen(node) && node.traits?.includes('hook-guarded') !== true), steps, 'to', runs),
    unguardedReach: spread(graph.entries, steps, 'to', free),
    unapproved: spread(graph.entries, steps, 'to', (edge) => runs(edge) && nodes[edge.from]?.approval !== true),
    towardsPersonal: spread(indices(nodes, (node) => !node.disabled && handlesPersons(node)), steps, 'from', free),
    unredacted: spread(graph.entries, steps, 'to', (edge) => runs(edge) && nodes[edge.from]?.traits?.includes('redacts') !== true),
    towardsAct: towardsAct(graph, steps, free),
    towardsStatusTest: spread(indices(nodes, (node) => node.facts.some(({ classes }) => classes.includes('status-check'))), steps, 'from', () => true),
    cycles,
    iterated,
    throttled: throttledNodes(graph, steps, iterated),
    before: (index) => (steps.in[index] ?? []).filter(isData).map(({ from }) => from),
    after: (index) => (steps.out[index] ?? []).filter(isData).map(({ to }) => to),
    levels: () => levelsOf(steps.out.map((edges) => edges.map(({ to }) => to))),
    walk: (starts, side) => spread(starts, steps, side, (edge) => runs(edge) && edge.kind !== 'error'),
    errorSources: new Set(graph.edges.filter(({ kind }) => kind === 'error').map(({ from }) => from)),
    byKey: new Map(nodes.map(({ key }, index) => [key, index])),
    unboundTemplate: graph.settings.template && nodes.every((node) => node.connections.every(({ ref }) => ref === null))
  }
}

/** Edges in the direction of control. n8n wires a sub-node to its parent, but it is the parent that calls. */
function runOrder (graph: FactGraph): FlowEdge[] {
  return graph.edges.filter(({ kind }) => kind !== 'feed').map((edge) => {
    const turned = graph.platform === 'n8n' && (edge.kind === 'ai' || edge.kind === 'tool')
    return turned ? { ...edge, from: edge.to, to: edge.from } : edge
  })
}

function linksOf (graph: FactGraph, edges: readonly FlowEdge[]): Links {
  const links: Links = { out: graph.nodes.map(() => []), in: graph.nodes.map(() => []) }
  for (const edge of edges) {
    links.out[edge.from]?.push(edge)
    links.in[edge.to]?.push(edge)
  }
  return links
}

function spread (starts: readonly number[], links: Links, side: Side, passes: (edge: FlowEdge) => boolean): Set<number> {
  const seen = new Set(starts)
  const waiting = [...seen]
  const edges = side === 'to' ? links.out : links.in
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const edge of edges[at] ?? []) {
      const next = edge[side]
      if (seen.has(next) || !passes(edge)) continue
      seen.add(next)
      waiting.push(next)
    }
  }
  return seen
}

/** One walk for all agents: back from every acting step, ending at approvals; an agent counts when a tool of its own leads there. */
function actingAgents (graph: FactGraph, steps: Links): Set<number> {
  const { nodes } = graph
  const free = (index: number): boolean => nodes[index]?.disabled === false && !nodes[index].approval
  const actors = indices(nodes, (node, index) => free(index) && hasEffect(node, ACTING))
  // A sub-node that is not a tool (a model, a memory) does nothing at the agent's will.
  const acting = spread(actors, steps, 'from', (edge) => edge.kind !== 'ai' && free(edge.from))
  const calls = steps.in.flat().filter((edge) => edge.kind === 'tool' && acting.has(edge.to))
  return new Set(calls.map(({ from }) => from).filter((from) => nodes[from]?.kind === 'agent'))
}

function isData ({ kind }: FlowEdge): boolean {
  return kind !== 'tool' && kind !== 'ai' && kind !== 'error'
}

/** Strictly behind: that a step acts itself does not make it lead to an act. */
function towardsAct ({ nodes }: FactGraph, steps: Links, free: (edge: FlowEdge) => boolean): Set<number> {
  const acting = indices(nodes, (node) => !node.disabled && hasEffect(node, ['WRITE', 'MESSAGE', 'MONEY', 'DELETE']))
  const heads = acting.flatMap((index) => (steps.in[index] ?? []).filter((edge) => isData(edge) && free(edge)).map(({ from }) => from))
  return spread(heads, steps, 'from', (edge) => isData(edge) && free(edge))
}

function handlesPersons (node: FlowNode): boolean {
  return node.facts.some(({ classes }) => classes.includes('personal-data') || classes.includes('card-data'))
}

function handlerNodes (graph: FactGraph, steps: Links): Set<number> {
  const heads = graph.edges.filter(({ kind }) => kind === 'error').map(({ to }) => to)
  return spread(heads, steps, 'to', () => true)
}

/** What follows an iterator, up to its aggregator; and what stands in one loop with a splitter of batches. */
function iteratedNodes (graph: FactGraph, steps: Links, cycles: ReadonlyArray<readonly number[]>): Set<number> {
  const { nodes } = graph
  const iterators = indices(nodes, (node) => node.kind === 'iterator' && !node.disabled && (graph.platform === 'make' || !/splitInBatches$/.test(node.type)))
  const scope = spread(iterators, steps, 'to', ({ to }) => nodes[to]?.kind !== 'aggregator')
  for (const index of iterators) scope.delete(index)
  for (const cycle of cycles) {
    if (cycle.some((index) => /splitInBatches$/.test(nodes[index]?.type ?? ''))) for (const index of cycle) scope.add(index)
  }
  return scope
}

/** What is repeated together with a pause or a limit: connected with it inside the repeated part, in either direction. */
function throttledNodes (graph: FactGraph, steps: Links, iterated: ReadonlySet<number>): Set<number> {
  const limits = indices(graph.nodes, (node) => !node.disabled && /(?:^|\.)limit$/.test(node.type))
  const pauses = indices(graph.nodes, (node, index) => !node.disabled && iterated.has(index) && node.kind === 'wait').concat(limits.filter((index) => iterated.has(index)))
  const inside = (edge: FlowEdge): boolean => iterated.has(edge.from) && iterated.has(edge.to)
  // A limit before the loop holds for all of it.
  return new Set([...spread(pauses, steps, 'to', inside), ...spread(pauses, steps, 'from', inside), ...spread(limits, steps, 'to', () => true)])
}

function indices (nodes: readonly FlowNode[], matches: (node: FlowNode, index: number) => boolean): number[] {
  return nodes.flatMap((node, index) => matches(node, index) ? [index] : [])
}

function isIngress (node: FlowNode): boolean {
  return node.effects.includes('INGRESS') && !node.disabled
}

function isOpen (node: FlowNode): boolean {
  return node.effects.includes('OPEN') && !node.disabled && lacksAuthentication(node)
}

/** n8n leaves defaults out of the file, so an absent setting means none. */
export function lacksAuthentication (node: FlowNode): boolean {
  return node.authentication === undefined || node.authentication === 'none'
}

function isDangerous (node: FlowNode): boolean {
  return !node.disabled && (hasEffect(node, DANGEROUS) || (node.effects.includes('SQL') && node.effects.includes('WRITE')))
}

function isEffectful (node: FlowNode): boolean {
  return !node.disabled && !node.effects.includes('INGRESS') && hasEffect(node, EFFECTFUL)
}

/** Only a condition can refuse; code that mentions a signature is no proof that it does. */
function isAuthCheck (node: FlowNode): boolean {
  const decides = node.gated || node.kind === 'branch' || node.kind === 'router'
  return decides && !node.disabled && node.facts.some(({ classes }) => classes.includes('auth-check'))
}

function isGated (graph: FactGraph, edge: FlowEdge): boolean {
  return edge.gated || graph.nodes[edge.to]?.gated === true
}

function isGuard (graph: FactGraph, index: number): boolean {
  const node = graph.nodes[index]
  if (node === undefined || node.disabled) return false
  // A Make router lets every route without a filter run; n8n's always decides.
  return node.approval || node.kind === 'branch' || (graph.platform === 'n8n' && node.kind === 'router')
}
