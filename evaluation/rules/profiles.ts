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
  SECRET: {
    soc2: 'CC6.1',
    iso: 'A.5.17, A.8.24',
    gdpr: 'Art.32',
    hipaa: '164.308(a)(5)(ii)(D)',
    pci: '8.6.2, 8.3.2',
    nist: 'IA-5(7)',
    csf: 'PR.AA-01',
    owasp: 'CD-SEC-05'
  },
  ACCESS: {
    soc2: 'CC6.1, CC6.6',
    iso: 'A.5.15, A.8.5',
    gdpr: 'Art.32',
    hipaa: '164.312(d)',
    pci: '7.2.1, 8.3.1',
    nist: 'AC-3, IA-9',
    csf: 'PR.AA-03',
    owasp: 'CD-SEC-07, CD-SEC-05'
  },
  LEAST: {
    soc2: 'CC6.3',
    iso: 'A.5.18, A.8.2',
    gdpr: 'Art.25',
    hipaa: '164.308(a)(4)',
    pci: '7.2.5',
    nist: 'AC-6',
    csf: 'PR.AA-05',
    owasp: 'CD-SEC-02, CD-SEC-03'
  },
  TRANSIT: {
    soc2: 'CC6.7',
    iso: 'A.8.20, A.8.24',
    gdpr: 'Art.32',
    hipaa: '164.312(e)(1)',
    pci: '4.2.1',
    nist: 'SC-8, SC-13',
    csf: 'PR.DS-02',
    owasp: 'CD-SEC-05'
  },
  INPUT: {
    soc2: 'PI1.2, CC7.1',
    iso: 'A.8.26, A.8.28',
    gdpr: 'Art.32',
    hipaa: '164.312(c)(1)',
    pci: '6.2.4',
    nist: 'SI-10',
    csf: 'PR.PS-06',
    owasp: 'CD-SEC-08'
  },
  PRIVACY: {
    soc2: 'C1.1, P4.1',
    iso: 'A.5.34, A.8.11, A.8.12',
    gdpr: 'Art.5, Art.25',
    hipaa: '164.502(b)',
    pci: '3.4.1',
    nist: 'AC-4, SI-12',
    csf: 'ID.AM-07',
    owasp: 'CD-SEC-04'
  },
  THIRD: {
    soc2: 'CC9.2, P6.1',
    iso: 'A.5.14, A.5.19, A.5.23',
    gdpr: 'Art.28, Art.44',
    hipaa: '164.308(b)(1)',
    pci: '12.8.2',
    nist: 'SA-9',
    csf: 'DE.CM-06',
    owasp: 'CD-SEC-04'
  },
  RESIL: {
    soc2: 'A1.2, PI1.3',
    iso: 'A.5.30, A.8.14',
    gdpr: 'Art.32',
    hipaa: '164.308(a)(7)',
    pci: '10.7.2',
    nist: 'SI-11, SI-17',
    csf: 'PR.IR-03',
    owasp: 'CD-SEC-10'
  },
  INTEG: {
    soc2: 'PI1.2, PI1.3, PI1.4',
    iso: 'A.8.26, A.8.29',
    gdpr: 'Art.5',
    hipaa: '164.312(c)(1)',
    pci: '6.2.3',
    nist: 'SI-7',
    csf: 'PR.PS-06',
    owasp: 'CD-SEC-09'
  },
  AUDIT: {
    soc2: 'CC7.2, CC7.3',
    iso: 'A.8.15, A.8.16',
    gdpr: 'Art.5, Art.33',
    hipaa: '164.312(b)',
    pci: '10.2.1',
    nist: 'AU-2, AU-12',
    csf: 'PR.PS-04',
    owasp: 'CD-SEC-10'
  },
  CHANGE: {
    soc2: 'CC8.1',
    iso: 'A.8.9, A.8.32, A.5.37',
    gdpr: 'Art.30',
    hipaa: '164.316(b)(1)',
    pci: '6.5.1',
    nist: 'CM-2, CM-3, CM-8',
    csf: 'PR.PS-01',
    owasp: 'CD-SEC-09'
  },
  SUPPLY: {
    soc2: 'CC6.8, CC9.2',
    iso: 'A.5.21, A.8.8, A.8.19',
    gdpr: 'Art.32',
    hipaa: '164.308(a)(1)(ii)(A)',
    pci: '6.3.2, 6.3.3',
    nist: 'CM-7, SA-22, SR-3',
    csf: 'PR.PS-02',
    owasp: 'CD-SEC-06, CD-SEC-01'
  },
  DUTIES: {
    soc2: 'CC6.3, PI1.3',
    iso: 'A.5.3',
    gdpr: 'Art.32',
    hipaa: '164.308(a)(3)',
    pci: '7.2.2',
    nist: 'AC-5',
    csf: 'PR.AA-05',
    owasp: 'CD-SEC-03'
  },
  AI: {
    soc2: 'CC3.2, PI1.3',
    iso: 'A.8.26, A.5.3',
    gdpr: 'Art.22, Art.35',
    hipaa: '164.308(a)(1)(ii)(A)',
    pci: '6.2.4',
    nist: 'AC-6, SI-10',
    csf: 'ID.RA-01',
    owasp: 'CD-SEC-01, CD-SEC-08'
  }
}

/** The frameworks that profiles map to, longest name first: none is taken for the beginning of another. */
export const FRAMEWORKS: readonly string[] = Object.values(PREFIXES).sort((a, b) => b.length - a.length)

/** Every control of every profile, also of those that no rule uses yet. */
export const PROFILE_CONTROLS: readonly string[] = [...new Set(Object.values(PROFILES).flatMap(written))]

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
