import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CASES } from '../../bin/conformance/cases/index.ts'
import { THREATS, type Threat } from '../../bin/conformance/definition.ts'
import { KEY_CACHE_SECONDS } from '../../plugins/context.ts'
import { LAYER_NAMES } from '../../plugins/index.ts'

const page = readFileSync('docs/security-model.md', 'utf8')
const rows = page.split('\n').filter((line) => line.startsWith('| '))
const linksIn = (text: string): string[] => [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => join('docs', link))

/** `SIG-080..085` names every case that there is between the two, both of which there must be. */
function casesIn (text: string): string[] {
  return [...text.matchAll(/`([A-Z]{3})-(\d{3})(?:\.\.(\d{3}))?`/g)].flatMap(([, family = '', from = '', to = from]) => {
    for (const end of [from, to]) if (!CASES.some(({ id }) => id === `${family}-${end}`)) throw new Error(`there is no case ${family}-${end}`)
    return CASES.map(({ id }) => id).filter((id) => id.startsWith(`${family}-`) && id.slice(4) >= from && id.slice(4) <= to)
  })
}

t.test('every link of the page leads to a file, and every case that it names is one', async (t) => {
  t.same(linksIn(page).filter((path) => !existsSync(path)), [])
  t.ok(casesIn(page).length > CASES.length / 2)
})

t.test('each of the eight threats has a file that answers it, a test, and cases that are of it', async (t) => {
  for (const [threat, title] of Object.entries(THREATS)) {
    const row = rows.find((line) => line.toLowerCase().startsWith(`| ${title.toLowerCase()} `)) ?? ''
    const own = casesIn(row)
    t.ok(linksIn(row).some((path) => !path.startsWith('test/')), `${threat}: answered by a file`)
    t.ok(linksIn(row).includes(`test/threats/${threat}.test.ts`), `${threat}: fired by its test`)
    t.ok(own.length > 0, `${threat}: shown by cases`)
    t.same(own.filter((id) => CASES.find((one) => one.id === id)?.threats.includes(threat as Threat) !== true), [], `${threat}: cases of another threat`)
  }
})

t.test('each of the ten layers has its file, its test, and cases that judge it', async (t) => {
  for (const [at, layer] of LAYER_NAMES.entries()) {
    const row = rows.find((line) => line.startsWith(`| ${at + 1} | `)) ?? ''
    const own = casesIn(row)
    t.ok(linksIn(row).includes(`plugins/${layer}.ts`), `${layer}: its file`)
    t.ok(linksIn(row).includes(`test/plugins/${layer}.test.ts`), `${layer}: its test`)
    t.ok(own.length > 0, `${layer}: its cases`)
    t.same(own.filter((id) => CASES.find((one) => one.id === id)?.parts.includes(layer) !== true), [], `${layer}: cases of another layer`)
  }
})

t.test('how long a changed key may be served by an instance that was not told is said as it is', async (t) => {
  t.ok(readFileSync('docs/operations.md', 'utf8').includes(`may keep a record for up to ${KEY_CACHE_SECONDS} s.`))
  t.ok(readFileSync('docs/signing.md', 'utf8').includes(`could not be told within ${KEY_CACHE_SECONDS} seconds.`))
})
