/** Policies of the catalogue. The list shows exactly five fields; one policy shows how to mend what it finds. */
import { Type } from '@sinclair/typebox'
import { Frameworks, Platform, Severity } from './primitives.ts'

const listed = { code: Type.String(), title: Type.String(), description: Type.String(), severity: Severity, frameworks: Frameworks }
const Steps = Type.Array(Type.String())

export const Policy = Type.Object(listed)
export const PolicyList = Type.Object({ policies: Type.Array(Policy) })

export const PolicyDetail = Type.Object({
  ...listed,
  confidence: Type.String(),
  platforms: Type.Array(Platform),
  rationale: Type.String(),
  detection: Type.String(),
  remediation: Type.Object({ make: Type.Optional(Steps), n8n: Type.Optional(Steps) })
})
