/**
 * The envelopes. Serialisation drops what a schema does not declare, so a response schema is also the egress filter, and `meta`
 * must be in every one: without it the watermark would be dropped silently. Built here and nowhere else.
 */
import { Type, type TObject, type TSchema } from '@sinclair/typebox'

const Meta = Type.Object({ watermark: Type.String() })

/** The success envelope around `data`. The watermark layer fills `meta`. */
export function success<Data extends TSchema> (data: Data): TObject {
  return Type.Object({ ok: Type.Literal(true), data, meta: Meta })
}

/** Health alone is flat. */
export const Health = Type.Object({ ok: Type.Literal(true), service: Type.String(), version: Type.String() })
