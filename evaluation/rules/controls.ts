/** The controls that the catalogue can speak of, by framework: those of every profile and those that single rules add. */
import { POLICIES } from './index.ts'
import { FRAMEWORKS, PROFILE_CONTROLS } from './profiles.ts'

export interface Control {
  /** As a finding names it: `SOC 2 CC6.1`. */
  text: string
  framework: string
  control: string
}

/** `SOC 2 CC6.1` is control `CC6.1` of `SOC 2`; `CWE-319` is control `319` of `CWE`. */
export function splitControl (text: string): Control {
  const framework = FRAMEWORKS.find((name) => text.startsWith(`${name} `))
  if (framework !== undefined) return { text, framework, control: text.slice(framework.length + 1) }
  const end = text.search(/[ -]/)
  return end < 0 ? { text, framework: text, control: text } : { text, framework: text.slice(0, end), control: text.slice(end + 1) }
}

/** Sorted by framework and control, by code unit. */
export const CONTROLS: readonly Control[] = [...new Set([...PROFILE_CONTROLS, ...POLICIES.flatMap(({ frameworks }) => frameworks)])].sort().map(splitControl)
