// The dissector for Wireshark. One file, because every test makes a capture, has tshark read it and compares fields.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import {
  type ClientOptions,
  Identity,
  type SecureClient,
  type ServerOptions,
  Sessions,
} from 'secure-sockets';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { suiteNames } from '../src/core/sealed/suites.js';
import { CaptureProxy } from './helpers/capture.js';
import { type Outcome, outcomeOf, root } from './helpers/pack.js';
import { clientOf, pause, portOf, startListening } from './helpers/sockets.js';

const programs = ['tshark', 'dumpcap'].every((name) => spawnSync(name, ['-v']).status === 0);
const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-wireshark-'));
const script = join(root, 'docs/wireshark/secure-sockets.lua');
const secret = 'this must stay secret';
const large = Buffer.alloc(40_000, 'large ');

afterAll(() => rmSync(folder, { recursive: true }));

if (!programs) {
  test.skipIf(!process.env.REQUIRE_PROGRAMS)(
    'the dissector is NOT TESTED: there is no tshark (apt-get install tshark)',
    () => expect.fail('REQUIRE_PROGRAMS is set, and there is no tshark (apt-get install tshark)'),
  );
}

/** A capture, and what the ends said of its keys. */
interface Captured {
  readonly file: string;
  readonly keys: string;
}

let count = 0;

function keep(pcap: Uint8Array, lines: readonly string[]): Captured {
  const file = join(folder, `${++count}.pcap`);
  writeFileSync(file, pcap);
  return { file, keys: keyFile(lines) };
}

function keyFile(lines: readonly string[]): string {
  const file = join(folder, `${++count}.log`);
  writeFileSync(file, `# a line of something else\n${lines.join('\n')}\n`);
  return file;
}

/** A conversation, seen by a proxy. */
async function conversation(
  options: { server?: ServerOptions; client?: ClientOptions; segment?: number; protocol?: 'classic' } = {},
): Promise<Captured> {
  const { protocol = 'sealed' } = options;
  const lines: string[] = [];
  const keylog = (line: string): void => void lines.push(line);
  await using server = await startListening(protocol, { keylog, ...options.server });
  await using proxy = await CaptureProxy.listen(portOf(server), options.segment);
  await using client = clientOf(server, { protocol, ...options.client });
  const accepted = server.accept();
  await client.connect({ host: '127.0.0.1', port: proxy.port });
  await talk(client, await accepted);
  return keep(proxy.pcap, lines);
}

async function talk(client: SecureClient, peer: SecureClient): Promise<void> {
  await client.send(new TextEncoder().encode(secret));
  expect(await peer.recv()).toHaveLength(secret.length);
  client.rekey();
  for (const message of [new Uint8Array(), large, Uint8Array.of(0, 255)]) {
    await client.send(message);
    await peer.send((await peer.recv()) as Uint8Array);
    await client.recv();
  }
  await peer.send(new TextEncoder().encode('and an answer'));
  await client.recv();
  await client.close(client.protocol === 'classic' ? {} : { code: 16_384 });
}

async function openCapture({ file, keys }: Captured): Promise<string> {
  const outcome = await run(process.execPath, join(root, 'docs/wireshark/open-capture.mjs'), file, keys);
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  const path = join(folder, `${++count}.opened`);
  writeFileSync(path, outcome.stdout);
  return path;
}

function run(program: string, ...args: string[]): Promise<Outcome> {
  return outcomeOf(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Fields of all frames, in order, without those that a frame has not. */
async function fields(
  { file }: Captured,
  openedFile: string | undefined,
  ...names: string[]
): Promise<string[][]> {
  const options = openedFile === undefined ? [] : ['-o', `sealed.opened:${openedFile}`];
  const wanted = names.flatMap((name) => ['-e', name]);
  const outcome = await run(
    ...(['tshark', '-X', `lua_script:${script}`, ...options, '-r', file] as const),
    ...['-Y', 'sealed or classic', '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=|', ...wanted],
  );
  expect(outcome.code, outcome.stderr).toBe(0);
  const rows = outcome.stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
  return names.map((_, column) => rows.flatMap((row) => (row[column] ? row[column].split('|') : [])));
}

describe.runIf(programs)('the dissector', { timeout: 60_000 }, () => {
  let client: Identity;

  beforeAll(async () => {
    client = await Identity.generate({ role: 'client', modulusLength: 2048 });
  }, 60_000);

  describe.each(suiteNames)('sealed, suite %s', (suite) => {
    const ends = { server: { suites: [suite], maxRecord: 16_384 }, client: { suites: [suite] } };

    it('shows handshake, records and messages in clear with the key log', async () => {
      const captured = await conversation({
        ...ends,
        server: { ...ends.server, clientAuth: 'required', verifyClient: () => true },
        client: { ...ends.client, identity: client },
      });
      const [types, records, texts, messages, lengths, code, keys, unopened] = await fields(
        captured,
        await openCapture(captured),
        ...['sealed.handshake.type', 'sealed.record.type', 'sealed.message.text', 'sealed.message'],
        ...['sealed.message.length', 'sealed.close', 'sealed.record.key', 'sealed.unopened'],
      );
      expect(types).toEqual(['1', '2', '3', '4', '5', '6', '7']);
      expect(records?.slice(0, 5)).toEqual(['1', '1', '1', '1', '1']);
      // a message of 40,000 bytes takes three records of 16,384
      expect(records?.filter((type) => type === '2').length).toBeGreaterThanOrEqual(4 + 2 + 3 + 3);
      expect(records).toContain('3');
      expect(records?.filter((type) => type === '6')).toHaveLength(2);
      expect(texts).toContain(secret);
      expect(texts).toContain('and an answer');
      expect(messages?.filter((hex) => hex === large.toString('hex'))).toHaveLength(2);
      expect(messages).toContain('00ff');
      expect(lengths).toEqual([secret.length, 0, 0, 40_000, 40_000, 2, 2, 13].map(String));
      expect(code).toEqual(['16384', '0']);
      expect(new Set(keys)).toEqual(new Set(['s_hs', 'c_hs', 'c_ahs', 's_ahs', 'c_ap', 'c_ap_1', 's_ap']));
      expect(unopened).toEqual([]);
    });

    it('shows flights, suites and lengths without, and nothing that is encrypted', async () => {
      const captured = await conversation(ends);
      const [flights, chosen, offered, sizes, clear, types] = await fields(
        captured,
        undefined,
        ...['sealed.flight', 'sealed.suite', 'sealed.suites', 'sealed.record.length'],
        ...['sealed.message', 'sealed.handshake.type'],
      );
      expect(flights).toEqual(['1', '2', '2', '3', '3', '3', '4']);
      const number = { X25519: 1, X25519MLKEM768: 2, 'X25519-CHACHA20': 3, 'X25519MLKEM768-CHACHA20': 4 }[
        suite
      ];
      expect(chosen).toEqual([`0x010${number}`]);
      expect(offered).toContain(`0x010${number}`);
      expect(sizes).toContain(String(17 + 4 + secret.length));
      expect(clear).toEqual([]);
      expect(types).toEqual(['1', '2']);
    });
  });

  it('puts together what TCP has cut anywhere', async () => {
    const captured = await conversation({ server: { suites: ['X25519'] }, segment: 7 });
    const [types, texts] = await fields(
      captured,
      await openCapture(captured),
      'sealed.handshake.type',
      'sealed.message.text',
    );
    expect(types).toEqual(['1', '2', '3', '4', '5', '6', '7']);
    expect(texts).toContain(secret);
    expect(texts).toContain('and an answer');
  });

  it('reads a resumed connection', async () => {
    const lines: string[] = [];
    const keylog = (line: string): void => void lines.push(line);
    await using server = await startListening('sealed', { keylog });
    await using proxy = await CaptureProxy.listen(portOf(server));
    const sessions = new Sessions();
    for (const resumed of [false, true]) {
      await using one = clientOf(server, { sessions });
      const accepted = server.accept();
      await one.connect({ host: '127.0.0.1', port: proxy.port });
      expect(one.resumed).toBe(resumed);
      await talk(one, await accepted);
    }
    const captured = keep(proxy.pcap, lines);
    const [types, records, texts, unopened, lifetimes, nonces] = await fields(
      captured,
      await openCapture(captured),
      ...['sealed.handshake.type', 'sealed.record.type', 'sealed.message.text', 'sealed.unopened'],
      ...['sealed.ticket.lifetime', 'sealed.ticket.nonce'],
    );
    expect(types).toEqual(['1', '2', '3', '4', '5', '6', '7', '1', '2', '3', '7', '5', '6']);
    expect(records?.filter((type) => type === '7')).toHaveLength(3);
    expect(lifetimes?.every((seconds) => Number(seconds) > 28_000)).toBe(true);
    expect(nonces).toEqual(['0000000000000000', '0000000000000001', '0000000000000000']);
    expect(texts?.filter((text) => text === secret)).toHaveLength(2);
    expect(unopened).toEqual([]);
  });

  it('reads the messages in padded records, and shows without keys nothing but the grain', async () => {
    const captured = await conversation({ client: { padding: 1000 }, server: { suites: ['X25519'] } });
    const names = ['sealed.record.type', 'sealed.message.text', 'sealed.message', 'sealed.record.length'];
    const more = ['sealed.padded.length', 'sealed.padded.zeros', 'sealed.malformed'];
    const [types, texts, messages, lengths, used, zeros, malformed] = await fields(
      captured,
      await openCapture(captured),
      ...names,
      ...more,
    );
    expect(types).toContain('8');
    // the other end pads nothing
    expect(types).toContain('2');
    expect(texts).toContain(secret);
    expect(messages?.filter((hex) => hex === large.toString('hex'))).toHaveLength(2);
    expect(used?.[0]).toBe(String(4 + secret.length));
    expect(zeros?.[0]).toBe(String(1000 - 3 - 4 - secret.length));
    expect(malformed).toEqual([]);
    expect(lengths).toContain('1017');
    const [, , clear, sizes] = await fields(captured, undefined, ...names);
    expect(clear).toEqual([]);
    expect(sizes).not.toContain(String(17 + 4 + secret.length));
  });

  it('opens nothing with the keys of another connection', async () => {
    const [one, other] = [await conversation(), await conversation()];
    const [clear, unopened] = await fields(
      one,
      await openCapture({ file: one.file, keys: other.keys }),
      'sealed.message',
      'sealed.unopened',
    );
    expect(clear).toEqual([]);
    expect(unopened?.length).toBeGreaterThan(5);
  });

  it('opens no record that was changed', async () => {
    const lines: string[] = [];
    const captured = await conversation({
      server: { suites: ['X25519'], keylog: (line) => lines.push(line) },
    });
    const keys = keyFile(lines);
    const readable = await fields(
      { ...captured, keys },
      await openCapture({ ...captured, keys }),
      'sealed.record.type',
    );
    // the last byte of the capture belongs to the tag of the last CLOSE
    const pcap = readFileSync(captured.file);
    pcap[pcap.length - 1] = (pcap.at(-1) as number) ^ 1;
    const changed = keep(pcap, lines);
    const [types] = await fields(changed, await openCapture(changed), 'sealed.record.type');
    expect(types).toEqual(readable[0]?.slice(0, -1));
  });

  it('reads a capture of the loopback interface', async ({ skip }) => {
    const lines: string[] = [];
    await using server = await startListening('sealed', { keylog: (line) => lines.push(line) });
    const file = join(folder, 'loopback.pcapng');
    const filter = `tcp port ${portOf(server)}`;
    const child: ChildProcess = spawn('dumpcap', ['-q', '-i', 'lo', '-f', filter, '-w', file]);
    const output: string[] = [];
    for await (const line of createInterface({ input: child.stderr as Readable })) {
      output.push(line);
      if (line.startsWith('File: ')) break;
    }
    if (child.exitCode !== null || !output.some((line) => line.startsWith('File: '))) {
      skip(`dumpcap may not capture: ${output.join(' ')}`);
    }
    await using one = clientOf(server);
    const accepted = server.accept();
    await one.connect({ host: '127.0.0.1', port: portOf(server) });
    await talk(one, await accepted);
    await pause(500);
    child.kill('SIGINT');
    await once(child, 'exit');
    const captured = { file, keys: keyFile(lines) };
    const [texts, types] = await fields(
      captured,
      await openCapture(captured),
      'sealed.message.text',
      'sealed.handshake.type',
    );
    expect(types).toEqual(['1', '2', '3', '4', '5', '6', '7']);
    expect(texts).toContain(secret);
  });

  describe.each([16, 24, 32] as const)('classic, session key of %i bytes', (keyLength) => {
    const classic = { protocol: 'classic', keyLength } as const;
    const ends = { protocol: 'classic', server: classic, client: classic } as const;

    it('shows messages in clear with the key log, and lengths without', async () => {
      const captured = await conversation(ends);
      const names = ['classic.message.text', 'classic.message', 'classic.frame.length', 'classic.key.bits'];
      const [texts, messages, , bits] = await fields(captured, await openCapture(captured), ...names);
      expect(texts).toContain(secret);
      expect(texts).toContain('and an answer');
      expect(messages?.filter((hex) => hex === large.toString('hex'))).toHaveLength(2);
      expect(bits).toEqual(['2048']);
      const [, clear, lengths, size] = await fields(captured, undefined, ...names);
      expect(clear).toEqual([]);
      expect(lengths).toEqual([32, 32, 32, 40_032, 40_032, 32, 32, 32].map(String));
      expect(size).toEqual(['2048']);
    });
  });
});
