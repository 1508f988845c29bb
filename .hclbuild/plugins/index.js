import anomalyDetection, {} from "./anomaly-detection.js";
import authentication, {} from "./authentication.js";
import ipAllowlist, {} from "./ip-allowlist.js";
import killSwitch, {} from "./kill-switch.js";
import orgScope, {} from "./org-scope.js";
import permissionScopes, {} from "./permission-scopes.js";
import rateLimits, {} from "./rate-limits.js";
import signature, {} from "./signature.js";
import transport, {} from "./transport.js";
import watermark, {} from "./watermark.js";
/** Names of the layers, as on the security page; the index plus one is the layer's number. */
export const LAYER_NAMES = ['transport', 'authentication', 'signature', 'ip-allowlist', 'org-scope', 'permission-scopes', 'rate-limits',
    'anomaly-detection', 'watermark', 'kill-switch'];
/** Registers all ten layers on this scope, in their order. */
export async function registerLayers(app, options) {
    startTimer(app, options);
    await app.register(transport, options.transport);
    await app.register(authentication, options.authentication);
    stopTimer(app, 'authentication', options);
    await app.register(signature, options.signature);
    stopTimer(app, 'signature', options);
    await app.register(ipAllowlist, options.ipAllowlist);
    stopTimer(app, 'ip-allowlist', options);
    await app.register(orgScope, options.orgScope);
    stopTimer(app, 'org-scope', options);
    await app.register(permissionScopes, options.permissionScopes);
    stopTimer(app, 'permission-scopes', options);
    await app.register(rateLimits, options.rateLimits);
    stopTimer(app, 'rate-limits', options);
    await app.register(anomalyDetection, options.anomalyDetection);
    await app.register(watermark, options.watermark);
    await app.register(killSwitch, options.killSwitch);
}
function startTimer(app, options) {
    if (options.onLayerDone === undefined)
        return;
    app.decorateRequest('layerDoneAt', 0);
    app.addHook('preParsing', function startClock(request, _reply, payload, done) {
        request.layerDoneAt = performance.now();
        done(null, payload);
    });
}
function stopTimer(app, name, options) {
    const { onLayerDone } = options;
    if (onLayerDone === undefined)
        return;
    app.addHook('preParsing', function stopClock(request, _reply, payload, done) {
        const nowMs = performance.now();
        onLayerDone(name, (nowMs - request.layerDoneAt) * 1000);
        request.layerDoneAt = nowMs;
        done(null, payload);
    });
}
//# sourceMappingURL=index.js.map