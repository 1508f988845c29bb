import type { FlowNode, Policy } from '../graph/types.ts'
import { lacksAuthentication } from './analysis.ts'
import { naming, type Hit, type Rule, type RuleContext } from './definition.ts'
import { controls } from './profiles.ts'
import { idleReasons, settle, type Reason } from './severity.ts'

const WEBHOOK_TYPE = 'n8n-nodes-base.webhook'

const openWebhook: Policy = {
  code: 'ACC-001',
  title: 'Webhook without authentication',
  description: 'A webhook starts the workflow for anyone who knows its address.',
  severity: 'high',
  confidence: 'certain',
  platforms: ['n8n'],
  frameworks: controls(['ACCESS'], 'CWE-306'),
  rationale: 'Addresses leak through logs, proxies and browser histories; without authentication they are the only secret.',
  detection: 'A webhook node has no authentication or authentication "none". A following condition only lowers the finding.',
  remediation: {
    n8n: [
      'Choose header, basic or JWT authentication on the webhook node.',
      'Give each caller a credential of its own.',
      'Add an address allow-list where the caller is fixed.',
      'Verify the sender\'s signature on the raw body.'
    ]
  }
}

export const ACCESS_RULES: readonly Rule[] = [
  { policy: openWebhook, minFacts: 1, applies: ({ graph }) => graph.nodes.some(isWebhook), run: openWebhooks }
]

function openWebhooks (context: RuleContext): Hit[] {
  return context.graph.nodes.flatMap((node, index) => {
    if (!isWebhook(node) || !lacksAuthentication(node)) return []
    const up: Reason[] = context.analysis.towardsDanger.has(index) ? ['dangerous-path'] : []
    const down = [...idleReasons(context, index), ...callerReasons(context, index)]
    return [{
      node: index,
      pointer: node.pointer,
      evidence: 'authentication-none',
      message: `${naming(node)} accepts calls from anyone who knows its address.`,
      ...settle(openWebhook.severity, up, down)
    }]
  })
}

/** A check on one path is no excuse when another path beside it acts unchecked. */
function callerReasons ({ graph, analysis }: RuleContext, index: number): Reason[] {
  if (graph.nodes[index]?.traits?.includes('hook-guarded') === true) return ['address-list']
  return analysis.towardsAuthCheck.has(index) && !analysis.towardsUncheckedEffect.has(index) ? ['caller-checked'] : []
}

function isWebhook (node: FlowNode): boolean {
  return node.type === WEBHOOK_TYPE
}
