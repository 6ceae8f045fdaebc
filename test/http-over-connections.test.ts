import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { text as allText } from 'node:stream/consumers';
import type { SecureClient, SecureServer } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { keep, keptPairs } from './helpers/kept.js';
import { clientOf, portOf, protocols, rejection, startListening } from './helpers/sockets.js';
import { bytes, sha256 } from './helpers/texts.js';

describe.each(protocols)('%s', (protocol) => {
  const connectPair = keptPairs(protocol);

  describe('HTTP over connections', () => {
    const file = randomBytes(5_000_000);

    /** An HTTP server whose connections are those of a server of ours. */
    async function serve(): Promise<SecureServer> {
      // Deno destroys the stream after each response of a server that does not listen
      const web = Object.defineProperty(createServer(answer), 'listening', { value: true });
      const server = await startListening(protocol);
      const serving = (async () => {
        for await (const client of server) web.emit('connection', client.toDuplex());
      })();
      keep({
        [Symbol.asyncDispose]: async () => {
          web.closeAllConnections();
          await server.close({ timeout: 100 });
          await serving;
        },
      });
      return server;
    }

    async function dial(server: SecureServer): Promise<SecureClient> {
      const client = clientOf(server, { protocol });
      await client.connect({ port: portOf(server), host: '127.0.0.1' });
      return client;
    }

    it('carries a question, an upload and a large download', async () => {
      const client = await dial(await serve());
      const sent = request({
        path: '/upload',
        method: 'POST',
        createConnection: () => client.toDuplex(),
      });
      const body = randomBytes(1_000_000);
      sent.end(body);
      const [reply] = (await once(sent, 'response')) as [IncomingMessage];
      expect(reply.statusCode).toBe(200);
      expect(await allText(reply)).toBe(`127.0.0.1 ${sha256(body)}`);
      // without an agent the connection is for one request: HTTP closes it, and with it the client
      await expect.poll(() => rejection(client.send(bytes('x')))).toMatchObject({ code: 'CLOSED' });
    });

    it('keeps one connection for many requests', async () => {
      const server = await serve();
      const client = await dial(server);
      const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: 20_000 });
      Object.assign(agent, { createConnection: () => client.toDuplex() });
      for (let i = 0; i < 5; i++) {
        const sent = request({ agent, path: i === 2 ? '/file' : `/${i}`, timeout: 20_000 }).end();
        const [reply] = (await once(sent, 'response')) as [IncomingMessage];
        expect(sent.reusedSocket).toBe(i > 0);
        if (i === 2) {
          const hash = createHash('sha256');
          for await (const chunk of reply) hash.update(chunk);
          expect(hash.digest('hex')).toBe(sha256(file));
        } else expect(await allText(reply)).toBe(`/${i}`);
      }
      expect(server.stats.handshakesCompleted).toBe(1);
      agent.destroy();
    });

    it('tells of a server that does not answer', async () => {
      const client = await dial(await serve());
      const sent = request({ path: '/never', createConnection: () => client.toDuplex() }).end();
      await once(sent.setTimeout(100), 'timeout');
      sent.destroy(new Error('no answer'));
      expect((await rejection(once(sent, 'close'))).message).toBe('no answer');
      expect((await rejection(client.send(bytes('x')))).message).toBe('no answer');
    });

    it('carries HTTP/2', async () => {
      const web = createHttp2Server((question, reply) => reply.end(`${question.url} by 2`));
      const { client, peer } = await connectPair();
      web.emit('connection', peer.toDuplex());
      const session = connectHttp2('http://inside', { createConnection: () => client.toDuplex() });
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => allText(session.request({ ':path': `/${i}` }).end())),
      );
      expect(answers).toEqual(Array.from({ length: 20 }, (_, i) => `/${i} by 2`));
      session.close();
      await once(session, 'close');
    });

    function answer(question: IncomingMessage, reply: import('node:http').ServerResponse): void {
      if (question.url === '/file') reply.end(file);
      else if (question.url === '/upload') {
        const hash = createHash('sha256');
        question.on('data', (chunk) => hash.update(chunk));
        question.on('end', () => reply.end(`${question.socket.remoteAddress} ${hash.digest('hex')}`));
      } else if (question.url !== '/never') reply.end(question.url);
    }
  });
});
