// tsc writes no executable bit; the command lines need one.
import { chmodSync } from 'node:fs'

for (const name of ['fb', 'conformance']) chmodSync(`dist/bin/${name}.js`, 0o755)
