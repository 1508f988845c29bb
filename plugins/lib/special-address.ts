/**
 * Addresses that an outbound request must never reach: everything that the IANA special-purpose registries list for IPv4
 * (RFC 6890 and its updates), multicast, and every IPv6 address outside global unicast 2000::/3, in which the ranges that embed an
 * IPv4 address (6to4, Teredo), documentation and protocol ranges are refused as well. An embedded address is refused whatever it
 * embeds, so mapped, compatible and NAT64 forms need no decoding.
 */
import { BlockList, isIP, isIPv4 } from 'node:net'

const SPECIAL_IPV4 = [
  '0.0.0.0/8', // this network, RFC 791
  '10.0.0.0/8', // private, RFC 1918
  '100.64.0.0/10', // carrier-grade NAT, RFC 6598
  '127.0.0.0/8', // loopback, RFC 1122
  '169.254.0.0/16', // link-local and cloud metadata, RFC 3927
  '172.16.0.0/12', // private, RFC 1918
  '192.0.0.0/24', // protocol assignments, RFC 6890
  '192.0.2.0/24', // documentation, RFC 5737
  '192.31.196.0/24', // AS112, RFC 7535
  '192.52.193.0/24', // AMT, RFC 7450
  '192.88.99.0/24', // 6to4 relay anycast, RFC 7526
  '192.168.0.0/16', // private, RFC 1918
  '192.175.48.0/24', // AS112, RFC 7534
  '198.18.0.0/15', // benchmarking, RFC 2544
  '198.51.100.0/24', // documentation, RFC 5737
  '203.0.113.0/24', // documentation, RFC 5737
  '224.0.0.0/4', // multicast, RFC 5771
  '240.0.0.0/4' // reserved, and limited broadcast, RFC 1112
]

const GLOBAL_UNICAST_IPV6 = '2000::/3' // RFC 4291 section 2.4; what lies outside it is special
const SPECIAL_IN_GLOBAL_UNICAST = [
  '2001::/23', // protocol assignments: Teredo, benchmarking, ORCHID, AMT; RFC 2928
  '2001:db8::/32', // documentation, RFC 3849
  '2002::/16', // 6to4, RFC 3056
  '2620:4f:8000::/48', // AS112, RFC 7534
  '3ffe::/16', // returned by the 6bone, RFC 3701
  '3fff::/20' // documentation, RFC 9637
]

const specialIpv4 = listOf(SPECIAL_IPV4, 'ipv4')
const globalIpv6 = listOf([GLOBAL_UNICAST_IPV6], 'ipv6')
const specialIpv6 = listOf(SPECIAL_IN_GLOBAL_UNICAST, 'ipv6')

/** Whether an address is special-purpose. True for anything that is not an IP address, and for one with a zone (RFC 4007). */
export function isSpecialAddress (ip: string): boolean {
  if (isIP(ip) === 0 || ip.includes('%')) return true
  if (isIPv4(ip)) return specialIpv4.check(ip, 'ipv4')
  return !globalIpv6.check(ip, 'ipv6') || specialIpv6.check(ip, 'ipv6')
}

function listOf (ranges: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    list.addSubnet(address, Number(bits), family)
  }
  return list
}
