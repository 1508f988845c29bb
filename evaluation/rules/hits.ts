/** How rules write down what they found: one shape for policies, one for hits, so that a rule file holds its texts and its condition. */
import type { Confidence, Fact, FlowNode, NodeTrait, Platform, Policy, Severity } from '../graph/types.ts'
import { naming, type Hit, type Rule, type RuleContext } from './definition.ts'
import { idleReasons, settle, type Reason } from './severity.ts'

/** Facts that the importers extract since this version of the graph. */
export const FACTS = 3

export interface Texts {
  description: string
  rationale: string
  detection: string
  /** Ordered steps; one list where both platforms are mended alike. */
  fix: readonly string[] | Partial<Record<Platform, readonly string[]>>
}

export interface Head { code: string, title: string, severity: Severity, confidence: Confidence, platforms: Platform[], frameworks: string[] }

export const BOTH: Platform[] = ['make', 'n8n']

export function definePolicy (head: Head, { description, rationale, detection, fix }: Texts): Policy {
  const remediation: Policy['remediation'] = {}
  for (const platform of head.platforms) {
    const steps = 'length' in fix ? fix : fix[platform]
    if (steps !== undefined) remediation[platform] = [...steps]
  }
  return { ...head, description, rationale, detection, remediation }
}

type Test = (node: FlowNode, index: number, context: RuleContext) => boolean

export interface NodeShape {
  when: Test
  evidence: string
  /** What the module does or lacks; follows its name. */
  says: string
  /** Reasons to raise. Default none. */
  up?: (node: FlowNode, index: number, context: RuleContext) => Reason[]
  /** Reasons to lower, besides those that hold for every idle part. Default none. */
  down?: (node: FlowNode, index: number, context: RuleContext) => Reason[]
  /** False for what matters also where nothing runs. Default true. */
  isLowerWhenIdle?: boolean
}

/** A rule with at most one finding a module. `applies` says when its subject occurs. */
export function nodeRule (policy: Policy, applies: Test, shape: NodeShape): Rule {
  return {
    policy,
    minFacts: FACTS,
    applies: (context) => context.graph.nodes.some((node, index) => applies(node, index, context)),
    run: (context) => context.graph.nodes.flatMap((node, index) => shape.when(node, index, context)
      ? [nodeHit(policy, context, index, shape, node.pointer)]
      : [])
  }
}

export interface FactShape extends Omit<NodeShape, 'when'> {
  when: (fact: Fact, node: FlowNode, index: number, context: RuleContext) => boolean
}

/** A rule with one finding for each fact. */
export function factRule (policy: Policy, applies: Test, shape: FactShape): Rule {
  return {
    policy,
    minFacts: FACTS,
    applies: (context) => context.graph.nodes.some((node, index) => applies(node, index, context)),
    run: (context) => context.graph.nodes.flatMap((node, index) => node.facts
      .filter((fact) => shape.when(fact, node, index, context))
      .map((fact) => nodeHit(policy, context, index, shape, fact.pointer)))
  }
}

/** A rule with at most one finding a scenario. */
export function flowRule (policy: Policy, applies: (context: RuleContext) => boolean, shape: {
  when: (context: RuleContext) => boolean, evidence: string, message: string, pointer?: string, up?: (context: RuleContext) => Reason[], isLowerWhenIdle?: boolean
}): Rule {
  return {
    policy,
    minFacts: FACTS,
    applies,
    run: (context) => {
      if (!shape.when(context)) return []
      const settled = settle(policy.severity, shape.up?.(context) ?? [], shape.isLowerWhenIdle === false ? [] : idleReasons(context, null))
      return [{ node: null, pointer: shape.pointer ?? '', evidence: shape.evidence, message: shape.message, ...settled }]
    }
  }
}

export function nodeHit (policy: Policy, context: RuleContext, index: number, shape: Omit<NodeShape, 'when'>, pointer: string): Hit {
  const node = context.graph.nodes[index]
  if (node === undefined) throw new Error('a rule named a module that is not there')
  const idle = shape.isLowerWhenIdle === false ? [] : idleReasons(context, index)
  const down = [...idle, ...shape.down?.(node, index, context) ?? []]
  const settled = settle(policy.severity, shape.up?.(node, index, context) ?? [], down)
  return { node: index, pointer, evidence: shape.evidence, message: `${naming(node)} ${shape.says}`, ...settled }
}

export function hasTrait (node: FlowNode, trait: NodeTrait): boolean {
  return node.traits?.includes(trait) === true
}

export function hasClass (node: FlowNode, name: Fact['classes'][number]): boolean {
  return node.facts.some(({ classes }) => classes.includes(name))
}

export const anyModule: Test = () => true
export const isHttp: Test = ({ kind }) => kind === 'http'

/** Personal or card data stands in the module itself, or in what it leads to unguarded. */
export function personalPath (_node: FlowNode, index: number, { analysis }: RuleContext): Reason[] {
  return analysis.towardsPersonal.has(index) ? ['personal-data'] : []
}

/** The module itself handles personal or card data. */
export function carriesPersons (node: FlowNode): Reason[] {
  return hasClass(node, 'personal-data') || hasClass(node, 'card-data') ? ['personal-data'] : []
}

export function wideScopes (node: FlowNode): Reason[] {
  return hasTrait(node, 'wide-scopes') ? ['wide-scopes'] : []
}

/** Whether every module that a text has its data from only names constants: then no run decides what the text says. */
export function readsConstantsOnly (fact: Fact, index: number, { graph, analysis }: RuleContext): boolean {
  const named = (fact.refs ?? []).map((key) => graph.nodes[analysis.byKey.get(key) ?? -1])
  const given = fact.classes.includes('reads-input') ? analysis.before(index).map((at) => graph.nodes[at]) : []
  if (named.length + given.length === 0) return false
  return named.every((node) => node !== undefined && hasTrait(node, 'constants')) &&
    given.every((node) => node !== undefined && hasTrait(node, 'constants') && !hasTrait(node, 'passes-input'))
}

/** Anyone who knows the address of an entry can reach the module. */
export function openEntry (_node: FlowNode, index: number, { analysis }: RuleContext): Reason[] {
  return analysis.fromOpen.has(index) ? ['open-entry'] : []
}
