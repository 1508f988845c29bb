/**
 * How long layers take. Reading the clock for each layer of each request would cost more than most layers do, so one request in several is
 * timed; what the others pay is one look at a flag for each layer. Nothing is there where nobody asked for times.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { LayerName } from '../index.ts'

/** Told how long a layer took, microseconds, from its call until it let the request pass or refused it. */
export type LayerTimer = (layer: LayerName, microseconds: number, request: FastifyRequest) => void

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (err?: Error) => void) => void
type PayloadHook<Payload> = (request: FastifyRequest, reply: FastifyReply, payload: Payload, done: (err?: Error | null, value?: Payload) => void) => void

declare module 'fastify' {
  interface FastifyInstance {
    /** Set before the layers of a scope are registered; they look for it once. */
    layerTimer: LayerTimer
  }
  interface FastifyRequest {
    /** Whether the layers of this request are timed. */
    isTimed: boolean
  }
}

/** Layers that are registered on this scope from now on are timed: one request in so many, beginning with the first. Throws TypeError for a number that is no count. */
export function timeLayers (app: FastifyInstance, timer: LayerTimer, every = 1): void {
  if (!Number.isSafeInteger(every) || every < 1) throw new TypeError('layers: timeEvery must be a positive whole number')
  app.decorate('layerTimer', timer)
  app.decorateRequest('isTimed', false)
  let requests = 0
  app.addHook('onRequest', function chooseTimed (request, _reply, done) {
    request.isTimed = requests++ % every === 0
    done()
  })
}

/** A layer's hook of the phases onRequest and onResponse, timed where the scope has a timer; else the hook itself. */
export function timed (app: FastifyInstance, layer: LayerName, hook: Hook): Hook {
  if (!app.hasDecorator('layerTimer')) return hook
  const timer = app.layerTimer
  return function timeLayer (request, reply, done) {
    if (request.isTimed) measure(request, reply, done)
    else hook(request, reply, done)
  }

  // Apart, because a function that makes closures pays for them whether or not it gets there.
  function measure (request: FastifyRequest, reply: FastifyReply, done: Parameters<Hook>[2]): void {
    const end = stopwatch(timer, layer, request)
    try {
      hook(request, reply, (err) => {
        end()
        done(err)
      })
    } catch (err) {
      end()
      throw err
    }
  }
}

/** The same for the phases preParsing and onSend, whose hooks hand a payload on. */
export function timedWithPayload<Payload> (app: FastifyInstance, layer: LayerName, hook: PayloadHook<Payload>): PayloadHook<Payload> {
  if (!app.hasDecorator('layerTimer')) return hook
  const timer = app.layerTimer
  return function timeLayer (request, reply, payload, done) {
    if (request.isTimed) measure(request, reply, payload, done)
    else hook(request, reply, payload, done)
  }

  function measure (request: FastifyRequest, reply: FastifyReply, payload: Payload, done: Parameters<PayloadHook<Payload>>[3]): void {
    const end = stopwatch(timer, layer, request)
    try {
      hook(request, reply, payload, (err, value) => {
        end()
        done(err, value)
      })
    } catch (err) {
      end()
      throw err
    }
  }
}

function stopwatch (timer: LayerTimer, layer: LayerName, request: FastifyRequest): () => void {
  const begunMs = performance.now()
  return () => timer(layer, (performance.now() - begunMs) * 1000, request)
}
