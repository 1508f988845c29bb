/** Applies the migrations and ends: 0 when the database is current, 1 with the reason when it is not. */
import { loadConfig } from '../config.ts'
import { openDatabase, safeDatabaseError } from '../db/client.ts'

try {
  const database = await openDatabase({ url: loadConfig(process.env).databaseUrl })
  await database.migrate()
  await database.close()
  process.stdout.write('the database is current\n')
} catch (err) {
  const { code, message } = safeDatabaseError(err)
  process.stderr.write(`migration failed: ${message}${code === undefined ? '' : ` (${code})`}\n`)
  process.exitCode = 1
}
