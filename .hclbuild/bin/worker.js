/** The evaluation worker alone: takes jobs from the database, serves no partner. */
import closeWithGrace from 'close-with-grace';
import { ConfigError, loadConfig } from "../config.js";
import { openRuntime } from "./runtime.js";
const DRAIN_MS = 30_000;
const EXIT_REFUSED = 78; // EX_CONFIG of sysexits(3)
function readConfig() {
    try {
        return Object.freeze({ ...loadConfig(process.env), worker: true });
    }
    catch (err) {
        if (!(err instanceof ConfigError))
            throw err;
        process.stderr.write(`${err.message}\n`);
        process.exit(EXIT_REFUSED);
    }
}
const runtime = await openRuntime(readConfig(), { serve: false });
closeWithGrace({ delay: DRAIN_MS, logger: false }, async () => { await runtime.close(); });
const { opsUrl } = await runtime.listen();
process.stdout.write(`FlowBeacon worker is running (operations on ${opsUrl}); stores: ${runtime.stores}\n`);
//# sourceMappingURL=worker.js.map