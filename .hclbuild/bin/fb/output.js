/** How `fb` speaks: one JSON object on stdout with `--json`, words otherwise; remarks and errors on stderr; four exit codes. */
import { OperationError } from "../../evaluation/operator.js";
export const EXIT = { ok: 0, failed: 1, usage: 2, unavailable: 3 };
/** Prints the one answer of a command. `human` is only made when it is wanted. */
export function printAnswer(json, answer, human) {
    process.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${human()}\n`);
}
/** A remark for the person at the terminal; never part of the answer. */
export function note(text) {
    process.stderr.write(`${text}\n`);
}
/** Reports what went wrong and returns the exit code. */
export function reportError(json, err) {
    const { message, exitCode } = describeError(err);
    if (json)
        process.stdout.write(`${JSON.stringify({ error: message })}\n`);
    process.stderr.write(`fb: ${message}\n`);
    return exitCode;
}
function describeError(err) {
    if (err instanceof OperationError)
        return { message: err.message, exitCode: EXIT[err.kind] };
    if (!(err instanceof Error))
        return { message: 'unexpected failure', exitCode: EXIT.failed };
    if (err.name === 'ConfigError')
        return { message: err.message, exitCode: EXIT.usage };
    if (err.name === 'DatabaseInUseError')
        return { message: err.message, exitCode: EXIT.unavailable };
    // Drivers put bound values into their messages; only the name of such an error and its code are shown.
    const code = 'code' in err && typeof err.code === 'string' ? ` (${err.code})` : '';
    return { message: `the store could not be used: ${err.name}${code}`, exitCode: EXIT.unavailable };
}
/** A table with columns as wide as their widest cell. */
export function table(header, rows) {
    const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
    const line = (cells) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd();
    return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
/** A progress line on stderr; silent unless a person is watching. `done` clears it. */
export function progress(total, what) {
    const isWatched = process.stderr.isTTY && total > 20;
    return {
        step(count) {
            if (isWatched)
                process.stderr.write(`\r${what} ${count}/${total}\x1b[K`);
        },
        done() {
            if (isWatched)
                process.stderr.write('\r\x1b[K');
        }
    };
}
//# sourceMappingURL=output.js.map