// Builds what a fresh clone has not built yet. The scripts that start a process then replace their shell with it (`exec`), because a
// shell in between would keep the signal that npm passes on, and the process would never drain.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

if (!existsSync('dist/bin/server.js')) execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' })
