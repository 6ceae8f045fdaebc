import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { reconnecting } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../scripts/lib/free-port.mjs';
import { readDocument } from '../helpers/documents.js';
import { outcomeOf, root } from '../helpers/pack.js';
import { sealedPythonProblem, spawnPython } from '../helpers/python.js';
import { identities, keyFile, useIdentities } from '../helpers/sealed-python.js';
import { portOf, startListening } from '../helpers/sockets.js';

describe.skipIf(sealedPythonProblem)(
  'sealed in Python, as the documents show it',
  { timeout: 60_000 },
  () => {
    useIdentities();

    describe('what the documents show', () => {
      const [asClient = '', asServer = ''] = [
        ...readDocument('docs/python.md').text.matchAll(/^```python\n([\s\S]*?)^```/gm),
      ].flatMap(([, source = '']) => (source.includes('from sealed import') ? [source] : []));

      const example = join(root, 'examples/python/sealed.py');

      function run(source: string, port: number): ChildProcess {
        const script = join(mkdtempSync(join(tmpdir(), 'secure-sockets-python-')), 'program.py');
        const { fingerprint } = identities.server;
        const adapted = source.replace('9000', `${port}`).replace('SHA256:...', fingerprint);
        writeFileSync(script, adapted.replace('server.pem', keyFile('server')));
        return spawnPython(script);
      }

      it('the client runs as it stands', async () => {
        await using server = await startListening('sealed');
        const outcome = outcomeOf(run(asClient, portOf(server)));
        const client = await server.accept();
        await client.send((await client.recv()) as Uint8Array);
        expect(await outcome).toMatchObject({ code: 0, stdout: 'hello\n', stderr: '' });
      });

      it('and so does the server', async () => {
        const port = await freePort();
        const program = run(asServer, port);
        const outcome = outcomeOf(program);
        const clients = reconnecting(
          { host: '127.0.0.1', port },
          { serverKey: identities.server.fingerprint },
          { initialDelay: 20, signal: AbortSignal.timeout(30_000) },
        );
        for await (const client of clients) {
          await client.send(Uint8Array.of(1, 2));
          expect(await client.recv()).toEqual(Uint8Array.of(1, 2));
          break;
        }
        program.kill('SIGKILL');
        expect(await outcome).toMatchObject({ stderr: '' });
      });

      it('and the command of its README, in both roles', async () => {
        const listen = spawnPython(example, ['listen', '0', keyFile('server')]);
        const [line] = (await once(createInterface({ input: listen.stdout as Readable }), 'line')) as [
          string,
        ];
        const [port = '', fingerprint = ''] = line.split(' ');
        expect(fingerprint).toBe(identities.server.fingerprint);
        const client = spawnPython(example, ['connect', '127.0.0.1', port, fingerprint]);
        client.stdin?.end('one\ntwo\n\n');
        expect(await outcomeOf(client)).toMatchObject({ code: 0, stdout: 'one\ntwo\n\n', stderr: '' });
        listen.kill('SIGKILL');
      });
    });
  },
);
