import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

// Paths of a certificate that nobody vouches for and of its key, made by openssl and removed with the test file; null where there is none.
export function selfSigned (): { cert: string, key: string } | null {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', '/CN=api.test', '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { cert, key }
  } catch {
    return null
  }
}
