import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { begin, usePlace } from './place.js';

const place = usePlace();

describe('Unix domain sockets', () => {
  const ends: [string, string[]][] = [
    ['listen', ['listen', '--identity', 'server.pem']],
    ['receive', ['receive', '--identity', 'server.pem']],
    ['tunnel server', ['tunnel', 'server', '--identity', 'server.pem', '--any-client']],
    ['tunnel client', ['tunnel', 'client', '--server-key', `SHA256:${'A'.repeat(43)}`]],
  ];
  const rest = (name: string): string[] => (name.startsWith('tunnel') ? ['127.0.0.1:9'] : []);

  test.each(ends)('%s refuses a path that the system would cut', async (name, args) => {
    const path = `/tmp/${'long'.repeat(26)}`;
    const { code, stderr } = await begin(...(args as [string]), path, ...rest(name)).ended;
    expect(stderr).toMatch(
      /the path of a Unix domain socket has at most 10[37] bytes here, and this one 109/,
    );
    expect(code).toBe(2);
  });

  test.each(ends)('%s says what to do about the socket of a server that was killed', async (name, args) => {
    const path = join(place.folder, `${name.replace(' ', '-')}.sock`);
    const killed = begin(...(args as [string]), path, ...rest(name));
    await killed.until(/listening/);
    await killed.stop('SIGKILL');
    expect(existsSync(path)).toBe(true);
    const { code, stderr } = await begin(...(args as [string]), path, ...rest(name)).ended;
    expect(stderr).toMatch(/is the socket of a program that no longer runs\nhint: .*--unlink/);
    expect(code).toBe(1);
    const again = begin(...(args as [string]), '--unlink', path, ...rest(name));
    await again.until(/listening/);
    const third = await begin(...(args as [string]), '--unlink', path, ...rest(name)).ended;
    expect(third.stderr).toMatch(/another program listens at/);
    await again.stop();
  });

  test('what is no socket is not removed', async () => {
    const path = join(place.folder, 'keys');
    const { stderr } = await begin('listen', '--unlink', '--identity', 'server.pem', path).ended;
    expect(stderr).toMatch(/is there, and is no socket/);
    expect(existsSync(path)).toBe(true);
  });
});
