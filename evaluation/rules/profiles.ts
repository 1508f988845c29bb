/**
 * Control profiles. They say "this finding bears on that control", never "the control fails"; the mapping is engineering
 * judgement and is to be confirmed by whoever answers for the audit.
 */
export type Profile = 'SECRET' | 'ACCESS' | 'LEAST' | 'TRANSIT' | 'INPUT' | 'PRIVACY' | 'THIRD' | 'RESIL' | 'INTEG' | 'AUDIT'
  | 'CHANGE' | 'SUPPLY' | 'DUTIES' | 'AI'

interface Controls { soc2: string, iso: string, gdpr: string, hipaa: string, pci: string, nist: string, csf: string, owasp: string }

const PREFIXES: Readonly<Record<keyof Controls, string>> = {
  soc2: 'SOC 2', iso: 'ISO 27001', gdpr: 'GDPR', hipaa: 'HIPAA', pci: 'PCI DSS', nist: 'NIST 800-53', csf: 'NIST CSF', owasp: 'OWASP'
}

const PROFILES: Readonly<Record<Profile, Controls>> = {

/** The controls of the profiles in the vendor's style, without repeats, followed by what the rule adds. */
export function controls (profiles: readonly Profile[], ...added: string[]): string[] {
  const all = profiles.flatMap((profile) => written(PROFILES[profile]))
  return [...new Set([...all, ...added])]
}

function written (row: Controls): string[] {
  const { soc2, iso, gdpr, hipaa, pci, nist, csf, owasp } = row
  return [
    ...each(PREFIXES.soc2, soc2), ...each(PREFIXES.iso, iso), ...each(PREFIXES.gdpr, gdpr), ...each(PREFIXES.hipaa, hipaa),
    ...each(PREFIXES.pci, pci), ...each(PREFIXES.nist, nist), ...each(PREFIXES.csf, csf), ...each(PREFIXES.owasp, owasp)
  ]
}

function each (prefix: string, list: string): string[] {
  return list.split(', ').map((control) => `${prefix} ${control}`)
}
