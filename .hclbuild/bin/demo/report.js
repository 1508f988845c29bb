/** What a person sees of the demonstration: numbered steps with what was tried, expected and met, a progress line, a results table. */
import { table } from "../fb/output.js";
const GAPS_SHOWN = 2;
const NAME_CHARS = 44;
const isTerminal = process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
export class Report {
    #number = 0;
    #failed = [];
    get failed() { return this.#failed; }
    get steps() { return this.#number; }
    /** Runs one step and prints its outcome; a step that throws has failed. */
    async step(title, run) {
        const number = ++this.#number;
        print(`\n${paint(1, `${String(number).padStart(2)}. ${title}`)}`);
        const { expected, met, got } = await run().catch((err) => ({ expected: 'an answer', met: false, got: messageOf(err) }));
        clearProgress();
        print(`    expected  ${expected}\n    got       ${got}  ${met ? paint(32, '✓') : paint(31, '✗')}`);
        if (!met)
            this.#failed.push(`${number}. ${title}`);
        return met;
    }
    /** Counts something that went wrong outside a step. */
    fail(what) {
        this.#failed.push(what);
        print(`    ${paint(31, '✗')} ${what}`);
    }
}
export function print(text) {
    process.stdout.write(`${text}\n`);
}
let lastProgress = '';
let lastProgressMs = 0;
/** One line that is written over on a terminal; elsewhere a plain line, at most one a second. */
export function showProgress(text) {
    if (text === lastProgress)
        return;
    lastProgress = text;
    if (process.stdout.isTTY) {
        process.stdout.write(`\r    ${text}\x1b[K`);
    }
    else if (Date.now() - lastProgressMs >= 1000) {
        lastProgressMs = Date.now();
        print(`    … ${text}`);
    }
}
function clearProgress() {
    if (lastProgress !== '' && process.stdout.isTTY)
        process.stdout.write('\r\x1b[K');
    lastProgress = '';
}
/** The verdicts, worst score first. */
export function resultsTable(rows) {
    const sorted = [...rows].sort((a, b) => (a.score ?? -1) - (b.score ?? -1) || (a.name < b.name ? -1 : 1));
    return table(['scenario', 'score', 'C', 'H', 'M', 'L', 'I', 'gaps'], sorted.map((row) => [
        row.name.length > NAME_CHARS ? `${row.name.slice(0, NAME_CHARS - 1)}…` : row.name,
        row.score === null ? '-' : String(row.score),
        ...['critical', 'high', 'medium', 'low', 'info'].map((severity) => String(row.severities[severity] ?? 0).replace(/^0$/, '·')),
        row.error ?? describeGaps(row.gaps)
    ]));
}
export function paint(code, text) {
    return isTerminal ? `\x1b[${code}m${text}\x1b[0m` : text;
}
function describeGaps(gaps) {
    const more = gaps.length - GAPS_SHOWN;
    return gaps.slice(0, GAPS_SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
function messageOf(err) {
    return err instanceof Error ? `${err.name}: ${err.message}` : 'failure';
}
//# sourceMappingURL=report.js.map