import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import ts from 'typescript'
import { planted, type Defect } from './defect.ts'

/** What a copy does without. */
const LEFT_OUT = new Set(['node_modules', 'dist', '.git', '.tap', '.flowbeacon', 'results'])

export interface Scratch {
  readonly folder: string
  /** Changes the line in the copy and compiles its file. Rejects with what the compiler says: a defect that does not compile proves nothing. */
  readonly plant: (defect: Defect) => void
  readonly restore: (defect: Defect) => void
  readonly close: () => void
}

// A copy of the sources and of what was compiled from them. The working tree is never touched.
export function openScratch (root: string): Scratch {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-defects-'))
  cpSync(root, folder, { recursive: true, filter: (source) => !LEFT_OUT.has(basename(source)) })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const originals = new Map<string, { text: string, compiled: string | null }>()
  const compiler = compilerOf(folder)

  function compiledPath (file: string): string | null {
    return file.endsWith('.ts') ? join(folder, 'build', file.replace(/\.ts$/, '.js')) : null
  }

  return {
    folder,
    plant (defect) {
      const { file } = defect
      const path = join(folder, file)
      const text = readFileSync(path, 'utf8')
      const output = compiledPath(file)
      originals.set(file, { text, compiled: output === null ? null : readFileSync(output, 'utf8') })
      writeFileSync(path, planted(defect, text))
      if (output !== null) writeFileSync(output, compiler.compile(file))
    },
    restore ({ file }) {
      const original = originals.get(file)
      if (original === undefined) return
      const output = compiledPath(file)
      writeFileSync(join(folder, file), original.text)
      if (output !== null && original.compiled !== null) writeFileSync(output, original.compiled)
      originals.delete(file)
      compiler.changed(file)
    },
    close: () => rmSync(folder, { recursive: true, force: true })
  }
}

interface Compiler { readonly compile: (file: string) => string, readonly changed: (file: string) => void }

// One program for all defects: only what changed is read and checked again.
function compilerOf (folder: string): Compiler {
  const config = ts.readConfigFile(join(folder, 'test/tsconfig.json'), (path) => readFileSync(path, 'utf8'))
  const { options, fileNames } = ts.parseJsonConfigFileContent(config.config, ts.sys, join(folder, 'test'))
  const versions = new Map<string, number>()
  const service = ts.createLanguageService({
    getCompilationSettings: () => ({ ...options, incremental: false, noEmit: true }),
    getScriptFileNames: () => fileNames,
    getScriptVersion: (path) => String(versions.get(path) ?? 0),
    getScriptSnapshot: (path) => ts.sys.fileExists(path) ? ts.ScriptSnapshot.fromString(readFileSync(path, 'utf8')) : undefined,
    getCurrentDirectory: () => folder,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories
  })
  const changed = (file: string): void => { versions.set(resolve(folder, file), (versions.get(resolve(folder, file)) ?? 0) + 1) }
  return {
    changed,
    compile (file) {
      changed(file)
      const path = resolve(folder, file)
      const problems = [...service.getSyntacticDiagnostics(path), ...service.getSemanticDiagnostics(path)]
      if (problems.length > 0) throw new Error(`does not compile: ${problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')).join('; ')}`)
      // Alone, a file cannot tell from its package that it is a module.
      return ts.transpileModule(readFileSync(path, 'utf8'), { fileName: path, compilerOptions: { ...options, incremental: false, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler } }).outputText
    }
  }
}
