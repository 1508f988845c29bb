/** `GET /governance/health`: open, flat, touches no store. */
import type { FastifyInstance } from 'fastify'
import { Health } from '../../schemas/envelope.ts'

const ANSWER = Object.freeze({ ok: true, service: 'flowbeacon-public-api', version: '1.0.0' })

export default async function health (app: FastifyInstance): Promise<void> {
  app.get('/governance/health', { config: { access: 'open' }, schema: { response: { 200: Health } } }, async () => ANSWER)
}
