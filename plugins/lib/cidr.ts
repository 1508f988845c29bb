/** Address ranges (RFC 4632, RFC 4291): compiled once per key record, then matched without allocation of rules. */
import { BlockList, isIP, isIPv4 } from 'node:net'

export interface Cidr { address: string, prefixBits: number, family: 'ipv4' | 'ipv6' }

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i

/** Reads an address or a range. Throws with the reason when it is neither; nothing is guessed. */
export function parseCidr (text: string): Cidr {
  const [address = '', bits, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || address.includes('%') || more.length > 0) throw new Error(`${JSON.stringify(text)} is not an IP address or CIDR range`)
  const bitsMax = version === 4 ? 32 : 128
  const prefixBits = bits === undefined ? bitsMax : Number(bits)
  if ((bits !== undefined && !/^\d{1,3}$/.test(bits)) || prefixBits > bitsMax) throw new Error(`${JSON.stringify(text)} has a prefix length outside 0 to ${bitsMax}`)
  return { address, prefixBits, family: version === 4 ? 'ipv4' : 'ipv6' }
}

/** A matcher for a list of ranges; an empty list matches every address. Throws on a range that cannot be read. */
export function compileAllowlist (ranges: readonly string[]): (ip: string) => boolean {
  if (ranges.length === 0) return () => true
  const list = new BlockList()
  for (const range of ranges) {
    const { address, prefixBits, family } = parseCidr(range)
    list.addSubnet(address, prefixBits, family)
  }
  return (ip) => isIP(ip) !== 0 && list.check(ip, isIPv4(ip) ? 'ipv4' : 'ipv6')
}

/**
 * The address as it is compared and stored: an IPv4-mapped IPv6 address is IPv4, and a zone (RFC 4007), which means something on
 * one host only and which no store takes, is cut off. Null when it is no address.
 */
export function normaliseAddress (ip: string): string | null {
  const version = isIP(ip)
  if (version !== 6) return version === 0 ? null : ip
  const [address = ip] = ip.split('%')
  return MAPPED.exec(address)?.[1] ?? address
}
