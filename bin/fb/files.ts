/** Blueprint files named on a command line: folders are walked, files are read one at a time so that memory stays bounded. */
import { readFile, readdir, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { OperationError } from '../../evaluation/operator.ts'

/** The service refuses more than this on the wire; so does the command line. */
const FILE_BYTES_MAX = 10 * 1024 * 1024

export interface ListedFile {
  path: string
  /** Named by the caller, not found in a folder. */
  isNamed: boolean
}

/** The files behind the paths: a file as it is, a folder as every `*.json` below it, sorted. A path that is not there is a usage error. */
export async function listBlueprintFiles (paths: readonly string[]): Promise<ListedFile[]> {
  const files: ListedFile[] = []
  for (const path of paths) {
    const found = await stat(path).catch(() => null)
    if (found === null) throw new OperationError('usage', `no such file or folder: ${path}`)
    if (!found.isDirectory()) files.push({ path, isNamed: true })
    else files.push(...(await walk(path)).map((one) => ({ path: one, isNamed: false })))
  }
  return files
}

/** The path from the working folder with forward slashes: the same name for a file however it was given. */
export function relativePath (path: string): string {
  return relative('', path).split(sep).join('/')
}

export type ReadBlueprint = { text: string } | { refused: string }

/** A file's text, or why it is not read. */
export async function readBlueprintFile (path: string): Promise<ReadBlueprint> {
  try {
    const { size } = await stat(path)
    if (size > FILE_BYTES_MAX) return { refused: `larger than ${FILE_BYTES_MAX / 1024 / 1024} MB` }
    const bytes = await readFile(path)
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch (err) {
    if (err instanceof TypeError) return { refused: 'not UTF-8 text' }
    return { refused: `cannot be read (${err instanceof Error && 'code' in err ? String(err.code) : 'error'})` }
  }
}

async function walk (folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  entries.sort((a, b) => a.name < b.name ? -1 : 1)
  const files: string[] = []
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules') files.push(...await walk(path))
    else if (entry.isFile() && entry.name.endsWith('.json')) files.push(path)
  }
  return files
}
