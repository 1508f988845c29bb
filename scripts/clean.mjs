// Removes the build folders that it is given, so that a deleted source file never lives on in a build.
import { rmSync } from 'node:fs'

for (const folder of process.argv.slice(2)) rmSync(folder, { recursive: true, force: true })
