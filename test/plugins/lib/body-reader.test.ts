import { PassThrough } from 'node:stream'
import t from 'tap'
import { BodyError, breakMessage, readBody } from '../../../plugins/lib/body-reader.ts'

const options = { bytesMax: 8, deadlineMs: 60_000 }
const withFailure = (failure: string): { name: string, failure: string } => ({ name: 'BodyError', failure })

t.test('reads up to the limit, in any number of pieces, and not one byte more', async (t) => {
  for (const pieces of [[], ['12345678'], ['1234', '5678'], [...'12345678']]) {
    const message = new PassThrough()
    for (const piece of pieces) message.write(piece)
    message.end()
    t.equal(String(await readBody(message, options)), pieces.join(''))
  }
  const message = new PassThrough()
  message.write('12345')
  message.write('6789')
  await t.rejects(readBody(message, options), withFailure('too_large'))
  t.equal(message.destroyed, false, 'the connection can still carry the answer')
  t.equal(message.isPaused(), true, 'and nothing more of it is read')
})

t.test('ends at the deadline', async (t) => {
  const message = new PassThrough()
  message.write('1')
  await t.rejects(readBody(message, { bytesMax: 8, deadlineMs: 5 }), withFailure('too_slow'))
})

t.test('ends when the message breaks off, whether that is told before, while or by the stream itself', async (t) => {
  const told = new PassThrough()
  breakMessage(told, 'too_slow')
  await t.rejects(readBody(told, options), withFailure('too_slow'))
  const telling = new PassThrough()
  const reading = readBody(telling, options)
  breakMessage(telling, 'unreadable')
  await t.rejects(reading, withFailure('unreadable'))
  for (const end of [(message: PassThrough) => message.destroy(), (message: PassThrough) => message.destroy(new Error('reset'))]) {
    const message = new PassThrough()
    message.on('error', () => {})
    const broken = readBody(message, options)
    end(message)
    await t.rejects(broken, BodyError)
    await t.rejects(readBody(message, options), BodyError, 'and is not waited for again')
  }
})

t.test('leaves no listener behind', async (t) => {
  const message = new PassThrough()
  const before = message.eventNames().map((name) => [name, message.listenerCount(name)])
  const reading = readBody(message, options)
  message.end('1')
  await reading
  t.same(message.eventNames().map((name) => [name, message.listenerCount(name)]), before)
})
