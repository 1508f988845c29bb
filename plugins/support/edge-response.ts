/**
 * An answer whose head is made and whose body is one text leaves in one plain write. Node's own `end` hands the socket two pieces, the text and an
 * empty one that ends the answer, and two pieces are gathered: a buffer, a list and a look at each piece for every answer.
 *
 * Only on a connection that still takes something. A request can be parsed on one that is ending (the last answer said `close`, and more was pipelined
 * behind it); its answer is dropped, and must not count as sent, or Node finds its answers out of order and the process ends.
 */
import { ServerResponse, type IncomingMessage } from 'node:http'

type Finished = () => void

/** For `createServer`'s option `ServerResponse`. What it sends is the same to the byte. */
export class EdgeResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  override end (finished?: Finished): this
  override end (chunk: unknown, finished?: Finished): this
  override end (chunk: unknown, encoding: BufferEncoding, finished?: Finished): this
  override end (chunk?: unknown, encoding?: BufferEncoding | Finished | null, finished?: Finished | null): this {
    const { socket } = this
    const isOneText = typeof chunk === 'string' && chunk !== '' && typeof encoding !== 'function' && finished == null
    if (!isOneText || socket === null || !socket.writable || socket.writableCorked > 0 || !this.headersSent || this.writableEnded) return super.end(chunk, encoding as BufferEncoding, finished as Finished)
    // Corked here, or `write` would cork it until the tick ends.
    socket.cork()
    this.write(chunk, encoding ?? 'utf8')
    socket.uncork()
    return super.end()
  }
}
