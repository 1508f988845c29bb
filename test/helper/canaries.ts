import { readdirSync, readFileSync } from 'node:fs'
import postgres from 'postgres'
import { sql } from 'drizzle-orm'
import { openDatabase } from '../../db/client.ts'
import { rowsOf } from '../../db/rows.ts'

/** Plain lower-case words: nothing about them looks like a secret, so that no filter for secrets hides a leak. */
export const CANARY = /zqcanary\d+/gi

let planted = 0
const canary = (): string => `zqcanary${++planted}`

/** How a text of a blueprint is changed. Each position and each way gets a canary of its own. */
export const PLANTINGS: Record<string, (value: string) => string> = {
  replaced: () => canary(),
  appended: (value) => `${value} ${canary()}`,
  'in a URL': () => `http://${canary()}:${canary()}@api.plain-host.net/${canary()}?api_key=${canary()}#${canary()}`,
  'in a Make expression': () => `{{1.${canary()}}}`,
  'in an n8n expression': () => `={{ $json.${canary()} + $('${canary()}').item.json["${canary()}"] }}`,
  'in code': () => `// ${canary()}\nconst password = "${canary()}"; return $input.all()`,
  'in SQL': () => `select * from ${canary()} where secret = '${canary()}' and id = {{$json.id}}`,
  'beside a token': () => `Bearer sk-proj-wjBTde6LgzPdJpcfDCerfMDd6NhqSSPdNPBdqcM8iuCjLhNv ${canary()}`
}

/** What is stored because it is shape or a label: types, names of nodes, edges, ids of connections, names of fields. */
function isShape (path: readonly string[]): boolean {
  const at = path.join('/')
  return /^(?:name|connections\/.*)$/.test(at) || /(?:^|\/)(?:module|nodes\/\d+\/(?:type|name))$/.test(at) ||
    /\/metadata\/designer\/name$/.test(at) || /^nodes\/\d+\/credentials\/[^/]+\/id$/.test(at)
}

function plant (value: unknown, change: (text: string) => string, path: readonly string[] = []): unknown {
  if (typeof value === 'string') return isShape(path) ? value : change(value)
  if (Array.isArray(value)) return value.map((one, at) => plant(one, change, [...path, String(at)]))
  if (typeof value !== 'object' || value === null) return value
  const named = 'value' in value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, named && (key === 'name' || key === 'key') ? one : plant(one, change, [...path, key])]))
}

/** Every example blueprint, in every way of planting, with parts beside its configuration that an import must refuse to keep. */
export function plantedBlueprints (): Array<{ way: string, platform: string, blueprint: Record<string, unknown> }> {
  return ['make', 'n8n'].flatMap((platform) => readdirSync(`examples/${platform}`).flatMap((file) => {
    const document = JSON.parse(readFileSync(`examples/${platform}/${file}`, 'utf8')) as Record<string, unknown>
    return Object.entries(PLANTINGS).map(([way, change]) => {
      const blueprint = plant(document, change) as Record<string, unknown>
      return { way, platform, blueprint: { ...blueprint, pinData: { Node: [{ json: { secret: canary() } }] }, staticData: { global: canary() }, notes: canary(), idea: { [canary()]: canary() } } }
    })
  }))
}

export function countPlanted (): number {
  return planted
}

export interface Cell { table: string, column: string, text: string }

/** Every cell of every table, as text: whatever the schema grows, it is searched. As the owner, whom no policy hides a row from. */
export async function everyCell (databaseUrl: string): Promise<Cell[]> {
  const database = databaseUrl.startsWith('pglite:') ? await openDatabase({ url: databaseUrl }) : null
  const owner = database === null ? postgres(databaseUrl, { max: 1, onnotice: () => {} }) : null
  const query = async (text: string): Promise<ReadonlyArray<Record<string, unknown>>> => owner === null ? rowsOf(await database?.db.execute(sql.raw(text))) : await owner.unsafe(text)
  try {
    if (database !== null) await query('reset role')
    const columns = await query("select table_schema, table_name, column_name from information_schema.columns where table_schema not in ('pg_catalog', 'information_schema')")
    const cells: Cell[] = []
    for (const { table_schema: schema, table_name: table, column_name: column } of columns) {
      const rows = await query(`select "${String(column)}"::text as text from "${String(schema)}"."${String(table)}" where "${String(column)}" is not null`)
      for (const { text } of rows) cells.push({ table: String(table), column: String(column), text: String(text) })
    }
    return cells
  } finally {
    await owner?.end({ timeout: 2 })
    await database?.close()
  }
}
