import { join } from 'node:path'
import { embedded, openStores, real } from './service.ts'

/** Migrated stores that the tests of one run copy instead of migrating their own (service.ts), and what removes them. */
export async function makeTemplates (): Promise<{ env: Record<string, string>, drop: () => Promise<void> }> {
  const [own, servers] = [embedded(), await real()]
  await Promise.all([own, servers].map(async (stores) => {
    if (stores === null) return
    const { database } = await openStores(stores)
    await database.close()
  }))
  return {
    env: {
      FLOWBEACON_TEST_EMBEDDED: join(own.env['DATA_DIR'] ?? '', 'pg'),
      ...(servers === null ? {} : { FLOWBEACON_TEST_DATABASE: new URL(servers.env['DATABASE_URL'] ?? '').pathname.slice(1) })
    },
    drop: async () => { await Promise.all([own.drop(), servers?.drop()]) }
  }
}
