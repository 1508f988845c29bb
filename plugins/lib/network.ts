/** The network that an address belongs to, as far as one can tell from outside. */
import { isIPv4 } from 'node:net'
import { normaliseAddress } from './cidr.ts'

/** The /24 of an IPv4 address, the /64 of an IPv6 address; `unknown` for anything else. */
export function networkOf (ip: string): string {
  const address = normaliseAddress(ip)
  if (address === null) return 'unknown'
  if (isIPv4(address)) return `${address.slice(0, address.lastIndexOf('.'))}.0/24`
  const [head = '', tail] = address.split('%', 1).join('').split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const rightGroups = right.length + (right.at(-1)?.includes('.') === true ? 1 : 0)
  const zeros = tail === undefined ? 0 : 8 - left.length - rightGroups
  const groups = [...left, ...new Array<string>(zeros).fill('0'), ...right].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

/** What stands for one client when addresses are counted: an IPv4 address, but all of a /64 of IPv6, which one client has to itself. */
export function clientOf (ip: string): string {
  const address = normaliseAddress(ip)
  return address !== null && isIPv4(address) ? address : networkOf(ip)
}
