/** Applies the migrations and ends: 0 when the database is current, 1 with the reason when it is not. */
import { openDatabase } from '../db/client.ts'
import { orEnd, readConfig } from './boot.ts'

const { databaseUrl: url } = readConfig()
await orEnd('the migrations cannot be applied', async () => {
  const database = await openDatabase({ url })
  await database.migrate()
  await database.close()
})
process.stdout.write('the database is current\n')
