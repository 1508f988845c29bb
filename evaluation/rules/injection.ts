import type { Fact, FlowNode, Policy } from '../graph/types.ts'
import { naming, type Hit, type Rule, type RuleContext } from './definition.ts'
import { FACTS, readsConstantsOnly } from './hits.ts'
import { controls } from './profiles.ts'
import { idleReasons, settle, type Reason } from './severity.ts'

const FIXES = [
  'Pass values through the query parameters of the module.',
  'Where a table or column name has to vary, choose it from an allow-list.',
  'Give the connection a database user with the least rights that suffice.'
]

const sqlText: Policy = {
  code: 'INJ-001',
  title: 'SQL text built from data',
  description: 'The text of an SQL statement is put together from data of the run.',
  severity: 'high',
  confidence: 'certain',
  platforms: ['make', 'n8n'],
  frameworks: controls(['INPUT'], 'CWE-89'),
  rationale: 'Whoever controls the data can change the statement: read other rows, change them or delete them.',
  detection: 'The query of an SQL module is an expression or template that reads data of another module or of the trigger. The platform\'s own variables, and constants of a setting module, do not count.',
  remediation: { make: FIXES, n8n: FIXES }
}

export const INJECTION_RULES: readonly Rule[] = [
  { policy: sqlText, minFacts: FACTS, applies: ({ graph }) => graph.nodes.some(runsSql), run: builtStatements }
]

function builtStatements (context: RuleContext): Hit[] {
  return context.graph.nodes.flatMap((node, index) => {
    if (!runsSql(node)) return []
    return node.facts.filter((fact) => isBuilt(fact) && !readsConstantsOnly(fact, index, context)).map((fact) => ({
      node: index,
      pointer: fact.pointer,
      evidence: 'sql-from-data',
      message: `${naming(node)} builds the text of an SQL statement from data.`,
      ...statementSeverity(context, index, fact)
    }))
  })
}

function statementSeverity (context: RuleContext, index: number, fact: Fact): Pick<Hit, 'severity' | 'reason'> {
  const up: Reason[] = context.analysis.fromOpen.has(index) ? ['open-entry'] : []
  const down = idleReasons(context, index)
  if (fact.classes.includes('sql-parameterised')) down.push('values-parameterised')
  return settle(sqlText.severity, up, down)
}

function runsSql (node: FlowNode): boolean {
  return node.effects.includes('SQL')
}

function isBuilt ({ kind, classes }: Fact): boolean {
  return (kind === 'template' || kind === 'expression') && classes.includes('sql-text') && classes.includes('data-reference')
}
