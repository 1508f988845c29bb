import fp from 'fastify-plugin';
import { ApiError } from "../errors.js";
import { declareSlots } from "./context.js";
const killSwitch = async (app, options) => {
    const { isEnabled } = options;
    if (typeof isEnabled !== 'function')
        throw new TypeError('kill-switch: the option isEnabled must be a function');
    declareSlots(app);
    app.addHook('onRequest', function refuseWhenDisabled(_request, _reply, done) {
        done(isEnabled() ? undefined : new ApiError('api_disabled'));
    });
};
export default fp(killSwitch, { name: 'kill-switch', fastify: '5.x' });
//# sourceMappingURL=kill-switch.js.map