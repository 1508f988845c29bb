# syntax=docker/dockerfile:1
# Pinned by version tag: a digest belongs here as soon as a registry can be asked for it (docs/stack.md).
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 OPS_HOST=127.0.0.1 DATA_DIR=/var/lib/flowbeacon
RUN mkdir -p /var/lib/flowbeacon && chown node:node /var/lib/flowbeacon && chmod 700 /var/lib/flowbeacon
COPY --from=build /app/package.json ./package.json
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/db/migrations ./db/migrations
COPY --from=build /app/examples ./examples
COPY --from=build /app/scripts/stack-secrets.mjs ./scripts/stack-secrets.mjs
USER node
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["node", "-e", "fetch('http://127.0.0.1:3001/readyz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Fewer of the pages that the processor has to look up, and fewer collections while requests are under way (docs/performance.md).
CMD ["node", "--use-largepages=silent", "--max-semi-space-size=64", "dist/bin/server.js"]
