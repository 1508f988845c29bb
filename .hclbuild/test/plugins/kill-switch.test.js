import t from 'tap';
import killSwitch from "../../plugins/kill-switch.js";
import { bareApp, route } from "../helper/bare.js";
t.test('answers 503 on every route while the API is disabled, and serves again at once when it is enabled', async (t) => {
    let enabled = false;
    const app = await bareApp();
    await app.register(killSwitch, { isEnabled: () => enabled });
    const seen = route(app);
    const refused = await app.inject('/thing');
    t.equal(refused.statusCode, 503);
    t.same(refused.json(), { ok: false, error: 'Public API is disabled', code: 'api_disabled' });
    t.equal(seen.calls, 0);
    enabled = true;
    t.equal((await app.inject('/thing')).statusCode, 200);
});
t.test('does not boot without its option', async (t) => {
    const app = await bareApp();
    await t.rejects(async () => { await app.register(killSwitch, {}); }, { message: /isEnabled/ });
});
//# sourceMappingURL=kill-switch.test.js.map