/** Puts what was measured into docs/performance.md, between the marks of its section, with what it was measured on. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, platform } from 'node:os'
import { fileURLToPath } from 'node:url'

export const PERFORMANCE_DOC = fileURLToPath(new URL('../../../docs/performance.md', import.meta.url))

/** The page with this text in the section. Throws when the page has no such section. */
export function withSection (page: string, section: string, text: string): string {
  const [open, close] = [`<!-- ${section} -->`, `<!-- /${section} -->`]
  const [from, to] = [page.indexOf(open), page.indexOf(close)]
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no section ${section}`)
  return `${page.slice(0, from + open.length)}\n\`\`\`text\n${text.trim()}\n\`\`\`\n${page.slice(to)}`
}

/** `command`: the script; the options that this process was given are written behind it. */
export function writeSection (section: string, command: string, stores: Readonly<Record<string, string>>, text: string): void {
  const about = `${command} -- ${process.argv.slice(2).join(' ')}\n${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${Object.entries(stores).map(([name, version]) => `${name} ${version}`).join(', ')}, ${cpus().length} processors, ${platform()}`
  writeFileSync(PERFORMANCE_DOC, withSection(readFileSync(PERFORMANCE_DOC, 'utf8'), section, `${about}\n\n${text}`))
}
