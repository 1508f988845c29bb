/**
 * The reference of one finding: `vr_`, then 44 characters of `[0-9a-z]`: the body of its answer's watermark (28), a tag of the finding (6)
 * and a MAC over both under the watermarks' server key (10, about 51 bits). One finding that was cut out of an answer names that
 * answer, without a table of references. Nobody without the key can make one, complete the watermark from it, or tell whether two
 * answers hold the same finding: the tag depends on the answer as well.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { bodyOf, sealBody } from './watermark-id.ts'

const TAG_CHARS = 6
const MAC_CHARS = 10
const REF = /^vr_([0-9a-z]{28})([0-9a-z]{6})([0-9a-z]{10})$/

export interface OpenedRef {
  /** The watermark of the answer that held the finding. */
  readonly watermark: string
  readonly tag: string
}

/** A finding's reference in the answer with this watermark. Throws TypeError for a text that is no watermark. */
export function mintRef (watermark: string, fingerprint: string, secret: Buffer): string {
  const body = bodyOf(watermark)
  if (body === null) throw new TypeError('a reference needs the watermark of its answer')
  const tag = tagOf(body, fingerprint, secret)
  return `vr_${body}${tag}${macOf(body, tag, secret)}`
}

/** What a reference says, or null when this server key did not make it. Constant time in the MAC. */
export function openRef (text: string, secret: Buffer): OpenedRef | null {
  const match = REF.exec(text)
  if (match === null) return null
  const [, body = '', tag = '', mac = ''] = match
  if (!timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(body, tag, secret)))) return null
  return { watermark: sealBody(body, secret), tag }
}

/** Whether an opened reference is that of a finding with this fingerprint. */
export function isRefOf (ref: OpenedRef, fingerprint: string, secret: Buffer): boolean {
  return tagOf(bodyOf(ref.watermark) ?? '', fingerprint, secret) === ref.tag
}

function tagOf (body: string, fingerprint: string, secret: Buffer): string {
  return base36(createHmac('sha256', secret).update(`finding.${body}.${fingerprint}`, 'latin1').digest(), 4, TAG_CHARS)
}

function macOf (body: string, tag: string, secret: Buffer): string {
  return base36(createHmac('sha256', secret).update(`ref.${body}.${tag}`, 'latin1').digest(), 6, MAC_CHARS)
}

/** The first bytes of a MAC as base 36; 48 bits fill ten characters, 32 bits are cut to the last six. */
function base36 (mac: Buffer, bytes: number, chars: number): string {
  return mac.readUIntBE(0, bytes).toString(36).padStart(chars, '0').slice(-chars)
}
