import { readdirSync, readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import t from 'tap'
import { checkText } from '../../evaluation/check.ts'
import { POLICIES } from '../../evaluation/rules/index.ts'
import { suppressorOf } from '../../evaluation/suppressions.ts'
import { sarifLog, type SarifOptions } from '../../evaluation/sarif.ts'

const accepts = new Ajv({ allowUnionTypes: true, strictTypes: false }).compile(JSON.parse(readFileSync('test/vectors/sarif-2.1.0-subset.json', 'utf8')) as object)
const examples = ['examples/make', 'examples/n8n'].flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))
const files = [...examples.map((path) => checkText(path, readFileSync(path, 'utf8'))), checkText('notes #1.json', 'CANARY')]
const findings = files.flatMap(({ violations = [] }) => violations)
const one = { id: 'sup_1', code: 'ERR-001', scenarioId: null, fingerprint: null, reason: 'known', expiresAt: new Date(8e12), isApproved: false }
const suppressed = examples.map((path) => checkText(path, readFileSync(path, 'utf8'), { suppressor: suppressorOf([one]) }))
const logOf = (options?: SarifOptions, of = files): any => sarifLog(of, options)

t.test('the log of every example follows SARIF 2.1.0', async (t) => {
  for (const log of [logOf(), logOf({ fresh: new Set(findings.slice(0, 3)) }), logOf({}, suppressed), logOf({}, [])]) {
    t.ok(accepts(log), JSON.stringify(accepts.errors))
  }
  t.notOk(accepts({ version: '2.1.0', runs: [{ tool: { driver: { name: 'x', rules: [] } }, results: [{ ruleId: 'A' }] }] }), 'the subset does refuse')
})

t.test('each rule has its help, and each result leads to its rule', async (t) => {
  const [run] = logOf().runs
  const { rules } = run.tool.driver
  t.equal(rules.length, POLICIES.length)
  for (const { help } of rules) {
    t.match(help.text, /How to fix it in (Make|n8n):\n1\. /)
    t.match(help.markdown, /### Why it matters/)
  }
  t.equal(run.results.length, findings.length)
  for (const result of run.results) t.equal(rules[result.ruleIndex].id, result.ruleId)
})

t.test('a result carries our fingerprint and the line of its evidence', async (t) => {
  const path = 'examples/make/support-mail-triage.json'
  const [result] = logOf({}, [checkText(path, readFileSync(path, 'utf8'))]).runs[0].results
  t.equal(result.ruleId, 'SEC-001')
  t.match(result.partialFingerprints['flowbeaconFinding/v1'], /^[0-9a-f]{32}$/)
  const { artifactLocation, region } = result.locations[0].physicalLocation
  t.same(artifactLocation, { uri: path, uriBaseId: '%SRCROOT%', index: 0 })
  const line = readFileSync(path, 'utf8').split('\n')[region.startLine - 1] ?? ''
  t.match(line.slice(region.startColumn - 1), /^"sk-|^"Bearer /)
})

t.test('a baseline tells new from unchanged, a suppression is listed with its reason', async (t) => {
  const [first] = findings
  const plain = logOf().runs[0].results[0]
  t.equal(plain.baselineState, undefined)
  t.same(plain.suppressions, [])
  const states = logOf({ fresh: new Set(first === undefined ? [] : [first]) }).runs[0].results.map(({ baselineState }: { baselineState: string }) => baselineState)
  t.same([states[0], ...new Set(states.slice(1))], ['new', 'unchanged'])
  const results: any[] = logOf({ fresh: new Set() }, suppressed).runs[0].results
  t.equal(results.length, findings.length, 'none is lost')
  for (const { ruleId, suppressions, baselineState } of results) {
    t.same(suppressions, ruleId === 'ERR-001' ? [{ kind: 'external', status: 'accepted', justification: 'known' }] : [])
    t.equal(baselineState, ruleId === 'ERR-001' ? undefined : 'unchanged')
  }
})

t.test('a file that was not checked is told, its text is not', async (t) => {
  const log = logOf()
  t.match(log.runs[0].invocations[0].toolExecutionNotifications, [{ message: { text: /not valid JSON/ }, locations: [{ physicalLocation: { artifactLocation: { uri: 'notes%20%231.json' } } }] }])
  t.notMatch(JSON.stringify(log), 'CANARY')
  t.match(logOf({}, [{ ...files[0], path: '../elsewhere/a.json' }]).runs[0].artifacts[0].location.uri, /^file:\/\/\/.*\/elsewhere\/a\.json$/)
})

t.test('the same files give the same bytes', async (t) => {
  t.equal(JSON.stringify(logOf()), JSON.stringify(sarifLog(examples.map((path) => checkText(path, readFileSync(path, 'utf8'))).concat(checkText('notes #1.json', 'CANARY')))))
})
