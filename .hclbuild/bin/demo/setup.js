/** The operator's part of the demonstration: organizations, keys, imported blueprints. One file is in memory at a time. */
import { runOperation } from "../../evaluation/operator.js";
import { listBlueprintFiles, readBlueprintFile } from "../fb/files.js";
import { showProgress } from "./report.js";
const BULK_PER_MINUTE = 600;
const BULK_PER_HOUR = 100_000;
export async function setUp(deps, blueprints) {
    const orgId = await createOrg(deps, 'Demo partner');
    const foreignOrgId = await createOrg(deps, 'Somebody else');
    const partner = { orgId, key: await createKey(deps, orgId, 'demo', { rpm: BULK_PER_MINUTE, rph: BULK_PER_HOUR }) };
    const limited = { orgId, key: await createKey(deps, orgId, 'demo, default limits', {}) };
    const foreign = { orgId: foreignOrgId, key: await createKey(deps, foreignOrgId, 'foreign', {}) };
    const setup = { partner, limited, foreign, foreignScenarioId: '', scenarios: [], refused: [], dropped: 0 };
    const files = await listBlueprintFiles([blueprints]);
    for (const [index, { path }] of files.entries()) {
        showProgress(`importing ${index + 1}/${files.length}`);
        await importOne(deps, setup, path);
    }
    return setup;
}
async function importOne(deps, setup, path) {
    const read = await readBlueprintFile(path);
    if ('refused' in read) {
        setup.refused.push({ path, reason: read.refused });
        return;
    }
    const files = [{ path, text: read.text }];
    const { imported, refused } = await importInto(deps, setup.partner.orgId, files);
    setup.refused.push(...refused);
    for (const { id, name, dropped } of imported) {
        setup.scenarios.push({ id, name, path });
        setup.dropped += dropped.length;
    }
    if (setup.foreignScenarioId === '' && imported.length > 0) {
        const copy = await importInto(deps, setup.foreign.orgId, files);
        setup.foreignScenarioId = copy.imported[0]?.id ?? '';
    }
}
async function importInto(deps, org, files) {
    return await runOperation(deps, 'import', { org, files });
}
async function createOrg(deps, name) {
    const { id } = await runOperation(deps, 'org.create', { name });
    return id;
}
async function createKey(deps, org, name, limits) {
    const { key } = await runOperation(deps, 'key.create', { org, name, permissions: ['governance:read', 'governance:evaluate'], ...limits });
    return key;
}
//# sourceMappingURL=setup.js.map