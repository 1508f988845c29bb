import t from 'tap'
import { BaselineError, baselineOf, newFindings, parseBaseline } from '../../evaluation/baseline.ts'
import { checkText, type CheckFile } from '../../evaluation/check.ts'
import { FLOW } from '../helper/service.ts'

const there = (): boolean => false
const check = (path: string, document: object = FLOW): CheckFile => checkText(path, JSON.stringify(document))
const [hook, call] = FLOW.flow
const second = { ...FLOW, flow: [hook, call, { ...call, id: 3 }] }
const file = check('a.json')
const total = file.violations?.length ?? 0
t.ok(total > 0)

t.test('a baseline accepts what it holds, whatever ids its modules have now', async (t) => {
  const baseline = baselineOf([file])
  t.equal(newFindings([file], baseline, there).size, 0)
  t.equal(newFindings([check('a.json', { ...FLOW, flow: FLOW.flow.map((module) => ({ ...module, id: module.id + 40 })) })], baseline, there).size, 0)
})

t.test('a finding that was added is new, and only that one', async (t) => {
  const changed = check('a.json', second)
  const fresh = [...newFindings([changed], baselineOf([file]), there)]
  t.equal(fresh.length, (changed.violations?.length ?? 0) - total)
  t.same([...new Set(fresh.map(({ module }) => module?.id))], ['3'])
})

t.test('a copy of an accepted flow is new, a renamed file is not', async (t) => {
  const baseline = baselineOf([file])
  t.equal(newFindings([file, check('copy.json')], baseline, there).size, total)
  t.equal(newFindings([check('copy.json')], baseline, there).size, total, 'while the accepted file is still there but not checked')
  t.equal(newFindings([check('renamed.json')], baseline, (path) => path === 'a.json').size, 0)
  t.equal(newFindings([check('renamed.json'), check('copy.json')], baseline, () => true).size, total, 'one of two')
})

t.test('a baseline survives its file, sorted', async (t) => {
  const baseline = baselineOf([check('b.json', second), file])
  t.same(parseBaseline(JSON.stringify(baseline)), baseline)
  t.same(baseline.findings.map(({ path }) => path), [...baseline.findings.map(({ path }) => path)].sort())
})

t.test('what is no baseline is refused instead of accepting nothing or everything', async (t) => {
  const good = baselineOf([file])
  const [entry] = good.findings
  for (const text of ['', 'null', '[]', '{}', JSON.stringify({ ...good, version: 2 }), JSON.stringify({ ...good, findings: {} }),
    JSON.stringify({ ...good, findings: [{ ...entry, fingerprint: 'x' }] }), JSON.stringify({ ...good, findings: [{ ...entry, code: '*' }] })]) {
    t.throws(() => parseBaseline(text), BaselineError, text.slice(0, 40))
  }
})
