/** The catalogue as a page. Pure: the same catalogue gives the same bytes, so a test can hold docs/rules.md to it. */
import type { Platform, Policy } from '../graph/types.ts'

const PLATFORMS: Readonly<Record<Platform, string>> = { make: 'Make', n8n: 'n8n' }

export function rulesDocument (policies: readonly Policy[], version: string): string {
  const sorted = [...policies].sort((a, b) => a.code < b.code ? -1 : 1)
  const index = sorted.map(({ code, title, severity, confidence, platforms }) => `| [${code}](#${code.toLowerCase()}) | ${title} | ${severity} | ${confidence} | ${platforms.map((one) => PLATFORMS[one]).join(', ')} |`)
  return `# Rules

Catalogue ${version}: ${sorted.length} rules over one fact graph of Make and n8n. A finding never holds a value of the blueprint. Severity is
the catalogue's; a finding can stand one step higher or lower for a reason that it names. Confidence: certain (a fact of the shape), likely
(a table or lexicon decides), possible (the shape cannot show the mitigation). A mapping to a control says that a finding bears on it, never
that the control fails.

| code | title | severity | confidence | platforms |
| --- | --- | --- | --- | --- |
${index.join('\n')}

${sorted.map(section).join('\n\n')}
`
}

function section (policy: Policy): string {
  const { code, title, description, rationale, detection, remediation, frameworks } = policy
  const steps = Object.entries(remediation).map(([platform, list]) => [platform, list.map((step, at) => `${at + 1}. ${step}`).join('\n')] as const)
  const [first, second] = steps
  // One list where both platforms are mended alike.
  const fix = first !== undefined && second !== undefined && first[1] === second[1]
    ? first[1]
    : steps.map(([platform, list]) => `${PLATFORMS[platform as Platform]}:\n\n${list}`).join('\n\n')
  return `## ${code}\n\n**${title}.** ${description} ${rationale}\n\nDetected: ${detection}\n\n${fix}\n\nControls: ${frameworks.join(' · ')}`
}
