import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const text = readFileSync('docs/operations.md', 'utf8')
const rows = (text.split('| fault |')[1]?.split('\n\n')[0] ?? '').split('\n').slice(2).map((row) => row.split('|').slice(1, -1).map((cell) => cell.trim()))

t.test('every row of the table of faults is whole, and names the test that makes the fault', async (t) => {
  t.ok(rows.length >= 11, `${rows.length} rows`)
  for (const cells of rows) {
    t.equal(cells.length, 7, String(cells[0]))
    t.notOk(cells.includes(''), `${cells[0]}: no cell is empty`)
    const file = join('docs', /\]\(([^)]+)\)/.exec(cells.at(-1) ?? '')?.[1] ?? '')
    t.ok(existsSync(file), `${file} exists`)
    const fault = cells[0]?.replace(/ \(.*/, '') ?? ''
    t.ok(readFileSync(file, 'utf8').includes(fault), `${file} makes "${fault}"`)
  }
})

t.test('every fault that a test of the table makes has its row', async (t) => {
  const named = rows.map(([fault = '']) => fault.replace(/ \(.*/, ''))
  const made = [...readFileSync('test/contract/redis-faults.test.ts', 'utf8').matchAll(/(?:name: '|t\.test\('|t\.test\(`)(Redis [A-Za-z]+(?: down at start| at start| empty)?)/g)].map(([, fault = '']) => fault)
  const cut = [...readFileSync('test/contract/postgres-faults.test.ts', 'utf8').matchAll(/(?:name: '|t\.test\('|t\.test\(`)(PostgreSQL [a-z_ ]+)[':]/g)].map(([, fault = '']) => fault)
  t.ok(made.length >= 10 && cut.length >= 8)
  for (const fault of [...made, ...cut]) t.ok(named.includes(fault), fault)
})
