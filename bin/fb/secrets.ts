/** `fb secrets`: the master key that seals what must be readable again. */
import type { Command } from 'commander'
import type { Rewrapped } from '../../evaluation/operator-secrets.ts'
import { EXIT, printAnswer } from './output.ts'
import { withStore } from './store.ts'

export function addSecretCommands (program: Command): void {
  const secrets = program.command('secrets').description('sealed secrets')
  secrets.command('rewrap').description('seal every stored secret with the current master key')
    .option('--json', 'print one JSON object instead of words')
    .addHelpText('after', '\nMASTER_KEYS holds every key in use, as <version>:<64 hex characters>, separated by commas; the highest version seals.\n' +
      'To rotate: add a key with a higher version, restart every instance, run this command, then remove the old key and restart again.\n' +
      'Safe to repeat. Exit 1 when a secret could not be opened; it is named and left as it is.\n\nExample:\n  $ MASTER_KEYS="2:$NEW,1:$OLD" fb secrets rewrap')
    .action(async (options: { json?: boolean }) => {
      const answer = await withStore((store) => store.run('secrets.rewrap', {})) as Rewrapped
      printAnswer(options.json === true, answer, () => [
        `${answer.rewrapped} sealed anew with master key version ${answer.current_version}, ${answer.current} were already`,
        ...answer.unreadable.map((id) => `not readable with the configured keys: ${id}`)
      ].join('\n'))
      if (answer.unreadable.length > 0) process.exitCode = EXIT.failed
    })
}
