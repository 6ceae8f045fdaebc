import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { havePrograms } from './cli/command.js';
import { plainServer, tunnelTo, usePlace } from './cli/place.js';

const place = usePlace();
const { undo } = place;
const run = promisify(execFile);

const haveHttp = havePrograms('curl', 'python3');

const haveRedis = havePrograms('redis-server', 'redis-cli', 'redis-benchmark');

describe('real programs', { timeout: 60_000 }, () => {
  test.skipIf(!haveHttp)('curl downloads a large file from an HTTP server', async () => {
    const content = randomBytes(64 << 20);
    writeFileSync(join(place.folder, 'large'), content);
    const http = spawn('python3', ['-u', '-m', 'http.server', '--bind', '127.0.0.1', '0'], {
      cwd: place.folder,
    });
    undo.push(() => http.kill());
    const [line] = await once(http.stdout, 'data');
    const { port } = await tunnelTo(`127.0.0.1:${/port (\d+)/.exec(String(line))?.[1]}`);
    const copy = join(place.folder, 'copy');
    const url = `http://127.0.0.1:${port}/large`;
    const { stdout } = await run('curl', ['-sS', '-o', copy, '-w', '%{http_code} %{size_download}', url]);
    expect(stdout).toBe(`200 ${content.length}`);
    const { stdout: sum } = await run('sha256sum', [copy]);
    expect(sum.slice(0, 64)).toBe(createHash('sha256').update(content).digest('hex'));
  });

  test.skipIf(!haveRedis)('redis-cli gets from Redis what it gets without the tunnel', async () => {
    const plain = await redis();
    const { port } = await tunnelTo(`127.0.0.1:${plain}`);
    const script = `SET greeting hello
      GET greeting
      RPUSH list a b c
      LRANGE list 0 -1
      INCRBY number 41
      INCR number
      HSET hash field "two words"
      HGETALL hash
      EVAL "return {1, 'two', {3}}" 0
      GET
      DEL greeting list number hash`;
    const [direct, tunnelled] = [await redisCli(plain, script), await redisCli(port, script)];
    expect(direct).toContain('42');
    expect(tunnelled).toBe(direct);
    const value = randomBytes(3_000_000).toString('base64');
    await redisCli(port, value, '-x', 'SET', 'large');
    expect((await redisCli(plain, '', 'GET', 'large')).trimEnd() === value).toBe(true);
    expect((await redisCli(port, '', 'GET', 'large')).trimEnd() === value).toBe(true);
  });

  test.skipIf(!haveRedis)('redis-benchmark loads Redis through it, pipelined and not', async () => {
    const plain = await redis();
    const { port } = await tunnelTo(`127.0.0.1:${plain}`);
    const loads: [rows: number, flags: string[]][] = [
      [6, ['-t', 'set,get,incr,lpush,lrange_100', '-n', '2000', '-c', '50']],
      [3, ['-t', 'set,get,incr', '-n', '20000', '-c', '10', '-P', '32', '-d', '1000']],
    ];
    for (const [rows, flags] of loads) {
      const { stdout, stderr } = await run('redis-benchmark', ['-p', String(port), '--csv', ...flags]);
      expect(stderr).not.toMatch(/error/i);
      const rates = stdout.trim().split('\n').slice(1);
      expect(rates).toHaveLength(rows);
      for (const rate of rates) expect(Number(rate.split(',')[1]?.replaceAll('"', ''))).toBeGreaterThan(0);
    }
    expect((await redisCli(plain, '', 'GET', 'counter:__rand_int__')).trim()).toBe('22000');
  });
});

async function redis(): Promise<number> {
  const free = await plainServer(() => {});
  const { port } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = spawn('redis-server', options, { cwd: place.folder, stdio: ['ignore', 'pipe', 'inherit'] });
  undo.push(() => child.kill('SIGKILL'));
  for await (const chunk of child.stdout) if (String(chunk).includes('Ready to accept')) break;
  return port;
}

function redisCli(port: number, input: string, ...args: string[]): Promise<string> {
  const child = spawn('redis-cli', ['-p', String(port), ...args]);
  child.stdin.end(input);
  return text(child.stdout);
}
