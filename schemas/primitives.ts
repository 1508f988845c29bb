/** Small shapes that several schemas share. */
import { Type } from '@sinclair/typebox'

export const Severity = Type.Union([Type.Literal('critical'), Type.Literal('high'), Type.Literal('medium'), Type.Literal('low'), Type.Literal('info')])
export const Platform = Type.Union([Type.Literal('make'), Type.Literal('n8n')])
export const EvaluationStatus = Type.Union([Type.Literal('pending'), Type.Literal('processing'), Type.Literal('complete'), Type.Literal('error')])
/** RFC 3339, UTC. */
export const Timestamp = Type.String()
export const Frameworks = Type.Array(Type.String())
