import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { SIGNAL_TABLE } from '../../plugins/lib/anomaly/thresholds.ts'

const docs = readFileSync(fileURLToPath(new URL('../../../docs/anomalies.md', import.meta.url)), 'utf8')

t.test('the documented table of thresholds is the table that is judged by', async (t) => {
  const rows = Object.entries(SIGNAL_TABLE).map(([signal, { severity, isCertain, threshold, meaning }]) => {
    const { windowMs, count, share, minimumSample, warmUpMs, clearShare, coolDownMs } = threshold
    return `| ${[`\`${signal}\``, severity, isCertain ? 'yes' : 'no', windowMs, count, share, minimumSample, warmUpMs, clearShare, coolDownMs, meaning].join(' | ')} |`
  })
  const documented = /<!-- thresholds -->\n.*\n.*\n([^]*?)<!-- \/thresholds -->/.exec(docs)?.[1]?.trim()
  t.equal(documented, rows.join('\n'))
})
