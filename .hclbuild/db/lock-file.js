/** One process owns an embedded database folder: a second one would lose rows without an error. */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
export class DatabaseInUseError extends Error {
    constructor(folder, pid) {
        super(`The embedded database in ${folder} is in use by process ${pid}. Stop that process, or let it do the work: the command line reaches it through its socket.`);
        this.name = 'DatabaseInUseError';
    }
}
/** Takes the folder for this process, or throws `DatabaseInUseError`. The lock of a dead process is taken over. Returns its release. */
export function ownFolder(folder) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, '..', `${folder.split('/').filter(Boolean).at(-1) ?? 'pg'}.lock`);
    const own = `${file}.${process.pid}`;
    writeFileSync(own, String(process.pid), { mode: 0o600 });
    try {
        // A link is made or refused in one step, with the process id already in it.
        for (let tries = 0; tries < 3; tries++) {
            try {
                linkSync(own, file);
                return () => rmSync(file, { force: true });
            }
            catch (err) {
                if (!(err instanceof Error && 'code' in err && err.code === 'EEXIST'))
                    throw err;
            }
            const pid = ownerOf(file);
            if (pid !== null && isAlive(pid))
                throw new DatabaseInUseError(folder, pid);
            retire(file, own);
        }
        throw new DatabaseInUseError(folder, ownerOf(file) ?? 0);
    }
    finally {
        rmSync(own, { force: true });
    }
}
// Two processes may find the same stale lock: the rename succeeds for one of them only.
function retire(file, own) {
    try {
        renameSync(file, `${own}.stale`);
        rmSync(`${own}.stale`, { force: true });
    }
    catch (err) {
        if (!(err instanceof Error && 'code' in err && err.code === 'ENOENT'))
            throw err;
    }
}
function ownerOf(file) {
    try {
        const pid = Number(readFileSync(file, 'utf8'));
        return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
    }
    catch {
        return null;
    }
}
function isAlive(pid) {
    try {
        process.kill(pid, 0);
        return true;
    }
    catch (err) {
        return err instanceof Error && 'code' in err && err.code === 'EPERM';
    }
}
//# sourceMappingURL=lock-file.js.map