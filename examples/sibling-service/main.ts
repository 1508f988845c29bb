/** Starts the service with what the environment says, and tells where it listens. */
import { buildService } from './service.ts'

const { PARTNERS_FILE = 'partners.json', AUDIT_FILE = 'audit.jsonl', WATERMARK_SECRET = '', PARCELS_ENABLED = 'true', PORT = '3000', NODE_ENV } = process.env

const app = await buildService({
  partnersFile: PARTNERS_FILE,
  auditFile: AUDIT_FILE,
  watermarkSecret: Buffer.from(WATERMARK_SECRET, 'hex'),
  isEnabled: () => PARCELS_ENABLED !== 'false',
  requireHttps: NODE_ENV === 'production'
})
console.log(await app.listen({ host: '127.0.0.1', port: Number(PORT) }))
