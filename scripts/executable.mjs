// tsc writes no executable bit; the command line needs one.
import { chmodSync } from 'node:fs'

chmodSync('dist/bin/fb.js', 0o755)
